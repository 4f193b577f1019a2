"""Which families of the installed transformers train, and how their rows are made: measured on small random models.

Beside what `check` measures, each family's sampler is held against its scorer and against transformers' `generate`, and
a saved model and merged low-rank weights against what was trained.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from mr1.config import LoRA, Rollout
from mr1.errors import UnusableError, UserError
from mr1.models.check import Check, check_model, example_groups
from mr1.models.loading import load_vlm
from mr1.models.lora import add_lora, merge_lora
from mr1.models.routing import Routing
from mr1.models.saved import own_loading
from mr1.models.small import build_small, families
from mr1.models.vlm import VLM
from mr1.rollout.local import LocalEngine
from mr1.train.packing import make_rows
from mr1.train.scoring import predictors, token_logprobs
from mr1.types import Group

REFUSED, FAILED = "refused", "failed"
TOLERANCE = 5e-6
"""The largest difference of float32 log-probs, in nats, that counts as rounding, and of gradients, relative."""
MERGED = 2e-5
"""The same for weights that are added up before they are multiplied with, once for each layer."""


@dataclass
class Conduct:
    """What a model does in a run beside being scored."""

    sampler_difference: float
    """Largest, of a log-prob as sampled from the same as scored."""
    generated_differ: int
    """Prompts whose greedy completion isn't that of transformers' `generate`, with the same tokens forbidden."""
    forbidden_sampled: int
    """Tokens that stand for or around images among those sampled where all tokens are about equally likely."""
    first_tokens: int
    """Prompts that begin with more than one first token (BOS)."""
    reload_difference: float
    """Largest difference of a log-prob of the model, saved and loaded again."""
    low_rank_difference: float
    """Largest difference of a log-prob of low-rank weights from the same merged into the model."""
    routed_otherwise: int
    """Choices of experts, of a token in a layer, that are not in scoring what they were in the rollout."""

    @property
    def right(self) -> bool:
        """Whether nothing differs by more than rounding."""
        exact = max(self.sampler_difference, self.reload_difference) < TOLERANCE and self.low_rank_difference < MERGED
        return exact and not (
            self.generated_differ or self.forbidden_sampled or self.first_tokens or self.routed_otherwise
        )


@dataclass
class Verdict:
    """How a family trains."""

    family: str
    way: str
    """`Adapter.way`, or that it is refused, or that measuring it failed."""
    reason: str = ""
    """Why its rows are plain, it is refused, or measuring failed; empty else."""
    check: Check | None = None
    conduct: Conduct | None = None

    @property
    def right(self) -> bool:
        """Whether a family that isn't refused does under MR1 what it does under transformers."""
        if self.check is None or self.conduct is None:
            return self.way == REFUSED
        check = self.check
        exact = max(check.logprob_difference, check.gradient_difference, check.transformers_difference) < TOLERANCE
        return exact and check.prompts_differ == 0 and check.encoded == 1 and self.conduct.right


def all_verdicts() -> Iterator[Verdict]:
    """One for each family that the installed transformers makes text of images with."""
    for family in families():
        with TemporaryDirectory() as folder:
            yield verdict(family, Path(folder))


def in_words(verdicts: Sequence[Verdict]) -> str:
    """How many families there are of each kind."""
    counts = Counter(each.way for each in verdicts)
    wrong = [each.family for each in verdicts if not each.right]
    kinds = ", ".join(f"{count} {way}" for way, count in counts.most_common())
    return (
        f"{len(verdicts)} families: {kinds}; {'other than transformers: ' + ', '.join(wrong) if wrong else 'all right'}"
    )


def verdict(family: str, folder: Path) -> Verdict:
    """Build a small random model of a family in an empty folder and measure it."""
    try:
        build_small(family, folder / "model")
        vlm = load_vlm(str(folder / "model"))
        reason = "" if vlm.adapter.packs else vlm.adapter.plain_because
        measured = Verdict(family, vlm.adapter.way, reason, check_model(vlm), conduct(vlm, folder))
    except (UserError, UnusableError) as error:
        reason = str(error).replace(f"{folder}/", "").removeprefix("model: ").removeprefix(f"{family}: ")
        return Verdict(family, REFUSED, reason.removeprefix(f"the family '{family}' can't be trained: "))
    except Exception as error:  # the table goes on with the next family
        return Verdict(family, FAILED, " ".join(f"{type(error).__name__}: {error}".split()))
    return measured


def conduct(vlm: VLM, folder: Path) -> Conduct:
    """Measure what a model does beside being scored; it may be written to `folder`."""
    groups = example_groups(vlm)
    prompts, engine = [group.prompt for group in groups], LocalEngine(vlm)
    sampled = engine.sample(prompts, Rollout(group_size=3, max_new_tokens=12, routing="count"), (0, 0))
    drawn = torch.cat([c.logprobs for group in sampled for c in group.completions if c.logprobs is not None])
    # At this temperature all tokens are about equally likely.
    even = engine.sample(prompts, Rollout(group_size=6, max_new_tokens=40, temperature=1000.0), (0, 0))
    tokens = torch.cat([completion.token_ids for group in even for completion in group.completions])
    forbidden = torch.tensor(vlm.adapter.forbidden_tokens())
    greedy = engine.greedy(prompts, 8)
    expected = _logprobs(vlm, groups)
    vlm.save(folder / "saved")
    again = load_vlm(str(folder / "saved"), own_loading(str(folder / "saved")))
    return Conduct(
        sampler_difference=_largest(drawn, _logprobs(vlm, sampled)),
        generated_differ=sum(
            _generated(vlm, group, 8) != mine.token_ids.tolist() for group, mine in zip(groups, greedy, strict=True)
        ),
        forbidden_sampled=int(torch.isin(tokens, forbidden).sum()),
        first_tokens=sum(_first_tokens(vlm, group) > 1 for group in groups),
        reload_difference=_largest(expected, _logprobs(again, groups)),
        low_rank_difference=_low_rank_difference(again, groups),
        routed_otherwise=_routed_otherwise(vlm, sampled),
    )


@torch.no_grad()
def _routed_otherwise(vlm: VLM, groups: list[Group]) -> int:
    rows = make_rows(groups, vlm.adapter)
    routing = Routing(rows.routes)
    predictors(vlm, rows, routing if rows.routes is not None else None)
    return routing.differing()


def _low_rank_difference(vlm: VLM, groups: list[Group]) -> float:
    """The model learns nothing, but has random low-rank weights beside all its layers, which are then merged."""
    add_lora(vlm, LoRA(rank=4), {"vision", "projector", "language"}, "", seed=0)
    for name, weight in vlm.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.02)
    beside = _logprobs(vlm, groups)
    return _largest(beside, _logprobs(merge_lora(vlm), groups))


@torch.no_grad()
def _generated(vlm: VLM, group: Group, length: int) -> list[int]:
    """The greedy completion of a prompt by transformers alone, from the images on."""
    prompt = group.prompt
    inputs: Any = vlm.encoded(prompt.sample, prompt.text)
    inputs = vlm.adapter.as_given({name: each for name, each in inputs.items() if isinstance(each, Tensor)})
    if vlm.adapter.position_axes > 1 and "mm_token_type_ids" in signature(vlm.model.forward).parameters:
        inputs.setdefault("mm_token_type_ids", (inputs["input_ids"] == vlm.adapter.image_token_id).long())
    banned = [token for token in vlm.adapter.forbidden_tokens() if token not in vlm.stop_tokens()]
    written = vlm.model.generate(
        **inputs,
        **vlm.adapter.generation,
        max_new_tokens=length,
        do_sample=False,
        suppress_tokens=banned,
        eos_token_id=vlm.stop_tokens(),
    )
    return written[0, len(prompt) :].tolist()


def _first_tokens(vlm: VLM, group: Group) -> int:
    first = vlm.tokenizer.bos_token_id
    return 0 if first is None else int((group.prompt.input_ids == first).sum())


@torch.no_grad()
def _logprobs(vlm: VLM, groups: list[Group]) -> Tensor:
    """Of the groups' completions, in their order."""
    return token_logprobs(vlm, make_rows(groups, vlm.adapter), temperature=1.0)[0]


def _largest(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max())
