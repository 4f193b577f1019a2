"""The language model in few operations: what it refuses, and that low-rank weights are in it.

That it is the model's own for each family is in `test_families`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from mr1.config import Config, Rollout
from mr1.models import VLM, load_vlm
from mr1.models.lean import is_lean
from mr1.models.policy import make_policy
from mr1.rollout.local import Decoder, LocalEngine
from mr1.rollout.repeated import RepeatedPrompts
from mr1.rollout.shared import AHEAD, SharedPrompts
from mr1.train.packing import make_rows
from mr1.train.scoring import token_logprobs
from mr1.types import Group, Prompt

pytestmark = pytest.mark.loop


@pytest.fixture
def vlm(make_config: Callable[..., Config]) -> VLM:
    """A model of its own, to be changed."""
    return load_vlm(make_config().model)


@pytest.fixture
def prompts(make_prompt: Callable[..., Prompt]) -> list[Prompt]:
    return [make_prompt(0), make_prompt(1, "geometry")]


@torch.no_grad()
def hidden_states(decoder: Decoder, tokens: Tensor) -> Tensor:
    """(R, T) tokens to the (R, T + 1, H) hidden states at the prompts' ends and at the tokens."""
    return torch.stack([decoder.prefill(), *(decoder.step(each) for each in tokens.T)], dim=1)


def test_low_rank_weights_are_added(make_config: Callable[..., Config], prompts: list[Prompt]) -> None:
    config = make_config(lora__rank=4)
    policy = make_policy(load_vlm(config.model), config)
    tokens = torch.randint(5, 60, (6, AHEAD + 8), generator=torch.Generator().manual_seed(0))

    def both() -> list[Tensor]:
        kinds: list[Any] = [SharedPrompts, RepeatedPrompts]
        return [hidden_states(kind(policy, prompts, 3, 64), tokens) for kind in kinds]

    before, plain_before = both()
    torch.testing.assert_close(before, plain_before, atol=5e-5, rtol=0)
    with torch.no_grad():
        for name, parameter in policy.model.named_parameters():
            if "lora_B" in name:
                nn.init.normal_(parameter, std=0.05)
    after, plain_after = both()
    torch.testing.assert_close(after, plain_after, atol=5e-5, rtol=0)
    assert float((after - before).abs().max()) > 0.1


@torch.no_grad()
def written_logprobs(kind: Any, vlm: VLM, prompts: list[Prompt], tokens: Tensor) -> Tensor:
    """(R, T, V) log-probs at each of the tokens, as a decoder sees them."""
    hidden = hidden_states(kind(vlm, prompts, len(tokens) // len(prompts), tokens.shape[1] + 1), tokens)
    return torch.log_softmax(vlm.adapter.head()(hidden[:, :-1]).float() + vlm.token_bias(), -1)


@pytest.mark.parametrize("settings", [{}, {"lora__rank": 4}], ids=["", "lora"])
def test_bfloat16_differs_by_rounding_alone(
    make_config: Callable[..., Config], make_prompt: Callable[..., Prompt], settings: dict[str, Any]
) -> None:
    """From the repeated way, from the scorer, and from the same weights in float32; none of it leans to one side."""
    config = make_config(loading__dtype="bfloat16", **settings)
    policy = make_policy(load_vlm(config.model, config.loading), config)
    if policy.lora is not None:  # small beside the weights: added up in bfloat16, most of it would be lost
        with torch.no_grad():
            for name, parameter in policy.model.named_parameters():
                if "lora_B" in name:
                    nn.init.normal_(parameter, std=1e-3, generator=torch.Generator().manual_seed(0))
    exact = replace(policy, model=copy.deepcopy(policy.model).float())
    exact.adapter = type(policy.adapter)(exact.model, policy.tokenizer)
    prompts = [make_prompt(index, ("counting", "geometry")[index % 2]) for index in range(6)]
    groups = LocalEngine(policy).sample(prompts, Rollout(group_size=4, max_new_tokens=40), (0, 0))
    assert isinstance(LocalEngine(policy).decoder(prompts, 4, 40), SharedPrompts)

    sampled, scored = (torch.cat(each) for each in zip(*(_both(policy, group) for group in groups), strict=True))
    width = max(len(each) for group in groups for each in group.completions)
    tokens = torch.stack([functional.pad(c.token_ids, (0, width - len(c))) for g in groups for c in g.completions])
    real = torch.stack([torch.arange(width) < len(c) for g in groups for c in g.completions])
    shared, repeated, true = (
        written_logprobs(kind, vlm, prompts, tokens)[real]
        for kind, vlm in ((SharedPrompts, policy), (RepeatedPrompts, policy), (SharedPrompts, exact))
    )
    mine, plain, truth = (each.gather(-1, tokens[real][:, None])[:, 0] for each in (shared, repeated, true))
    torch.testing.assert_close(mine, sampled, atol=1e-5, rtol=0)

    for one, other in ((mine, plain), (mine, scored), (mine, truth)):
        difference = one - other
        assert float(difference.abs().max()) < 0.25
        assert abs(float(difference.mean())) < 4 * float(difference.std()) / len(difference) ** 0.5
    assert float((mine - truth).abs().mean()) < 1.25 * float((plain - truth).abs().mean())
    best, second = repeated.topk(2).values.T
    clear = best - second > 0.25
    assert clear.sum() > 0.5 * len(clear)
    assert torch.equal(shared.argmax(-1)[clear], repeated.argmax(-1)[clear])


@torch.no_grad()
def _both(policy: VLM, group: Group) -> tuple[Tensor, Tensor]:
    """What the sampler and the scorer say of a group's tokens."""
    sampled = torch.cat([each.logprobs for each in group.completions if each.logprobs is not None])
    return sampled, token_logprobs(policy, make_rows([group], policy.adapter), temperature=1.0)[0]


def test_bfloat16_keeps_a_prompts_keys_once(make_config: Callable[..., Config], prompts: list[Prompt]) -> None:
    config = make_config(loading__dtype="bfloat16")
    vlm = load_vlm(config.model, config.loading)
    for copies in (2, 8):
        decoder = LocalEngine(vlm).decoder(prompts, copies, 8)
        assert isinstance(decoder, SharedPrompts)
        with torch.no_grad():
            decoder.prefill()
        text = vlm.model.config.get_text_config()
        width = text.num_key_value_heads * vlm.model.model.get_decoder().layers[0].self_attn.head_dim
        longest = max(map(len, prompts))
        assert (
            sum(layer.prompts.nbytes for layer in decoder.memory)
            == 2 * 2 * text.num_hidden_layers * width * 2 * longest
        )


@pytest.mark.parametrize("change", ["activation", "positions", "layer", "product", "embedding"])
def test_other_models_decode_by_their_own_forward(vlm: VLM, prompts: list[Prompt], change: str) -> None:
    assert isinstance(LocalEngine(vlm).decoder(prompts, 2, 8), SharedPrompts)
    text = vlm.model.model.get_decoder()
    layer = text.layers[1]
    if change == "activation":
        text.config.hidden_act = "gelu"
    elif change == "positions":
        text.rotary_emb.rope_type = "dynamic"
    elif change == "layer":
        layer.__class__ = type("GlmDecoderLayer", (type(layer),), {})
    elif change == "product":
        layer.mlp.down_proj = nn.Sequential(layer.mlp.down_proj)
    else:
        embedding = vlm.model.get_input_embeddings()
        embedding.__class__ = type("ScaledEmbedding", (nn.Embedding,), {})
    assert not is_lean(vlm)
    assert isinstance(LocalEngine(vlm).decoder(prompts, 2, 8), RepeatedPrompts)
