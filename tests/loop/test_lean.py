"""The language model in few operations: what it refuses, and that low-rank weights are in it.

That it is the model's own for each family is in `test_families`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mr1.config import Config
from mr1.models import VLM, load_vlm
from mr1.models.lean import is_lean
from mr1.models.policy import make_policy
from mr1.rollout.engine import Decoder, Engine
from mr1.rollout.repeated import RepeatedPrompts
from mr1.rollout.shared import AHEAD, SharedPrompts
from mr1.types import Prompt

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


@pytest.mark.parametrize("change", ["activation", "positions", "layer", "product", "embedding", "bfloat16"])
def test_other_models_decode_by_their_own_forward(vlm: VLM, prompts: list[Prompt], change: str) -> None:
    assert isinstance(Engine(vlm).decoder(prompts, 2, 8), SharedPrompts)
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
    elif change == "embedding":
        embedding = vlm.model.get_input_embeddings()
        embedding.__class__ = type("ScaledEmbedding", (nn.Embedding,), {})
    else:
        vlm.model.to(torch.bfloat16)
    assert is_lean(vlm) == (change == "bfloat16")
    assert isinstance(Engine(vlm).decoder(prompts, 2, 8), RepeatedPrompts)
