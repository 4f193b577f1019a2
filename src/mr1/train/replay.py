"""A kept batch's update run again, alone: where what is not finite comes from (`mr1 replay`).

The first tensor that is not finite is looked for in the order in which an update comes to them: what the batch holds,
the policy's weights, what its modules make of it, the loss, the gradient.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from mr1.errors import UserError
from mr1.methods.base import Method, make_method
from mr1.models.loading import load_vlm
from mr1.models.policy import make_policy
from mr1.own.loading import reason
from mr1.report.reading import Reader
from mr1.train.batches import Batch, load_batch
from mr1.train.checkpoint import STATE, Checkpoints, read_state
from mr1.train.optimizer import Optimizer
from mr1.train.update import backward, find_places
from mr1.types import Group

Named = Iterable[tuple[str, Tensor | None]]


@dataclass(frozen=True)
class Part:
    """A completion's part of the batch's loss; a whole group's where the method compares its completions."""

    sample: str
    completion: int | None
    """Its number in its group; None for all of them."""
    tokens: int
    """That count."""
    reward: float
    """NaN where it does not count; of a group the mean, as below."""
    advantage: float
    """The mean over its tokens."""
    loss: float
    grad_norm: float
    """Of this part alone."""


@dataclass(frozen=True)
class Replay:
    """What an update would have come to."""

    step: int
    model: str
    """Whose weights were taken."""
    apart: int | None
    """Steps between these weights and those that the batch's step began with; None where that isn't known."""
    loss: float
    norms: dict[str, float]
    """`grad_norm`, and `grad_norm/<name>` of each of the method's modules."""
    first: str
    """The first tensor that is not finite; empty where all are."""
    parts: list[Part]


def replay(path: Path, model: str | None = None) -> Replay:
    """Run a batch's update again, without its step.

    Args:
        path: what `batches.keep_batch` wrote.
        model: a checkpoint, another folder or a hub id; None for the checkpoint of the batch's run that is nearest to
            its step, or for the model that the run began with where that has none.

    Raises:
        UserError: the file or the model can't be loaded, or they don't belong together.
    """
    batch = load_batch(path)
    config, at = batch.stage.config, batch.step - batch.stage.first
    name, apart = (model, None) if model else _nearest(path.resolve().parent.parent, batch)
    saved = (Path(name) / STATE).is_file()
    policy = make_policy(load_vlm(name, config.loading), config, resumed=saved)
    method = make_method(config, policy)
    if saved:
        _take_up(method, batch, read_state(Path(name)))
    optimizer = Optimizer(policy, config, method.owned())
    with _fitting(path, name):
        seen = [*_odd("the batch's ", _stored(batch.groups)), *_odd("the weight ", policy.model.named_parameters())]
        with _watched(policy.model, seen):
            places = find_places(batch.groups, method, at)
            run = partial(backward, policy, method=method, config=config, places=places, step=at)
            loss = run(batch.groups)["loss"]
            method.after_backward(policy, optimizer)
            norms = optimizer.clip()
        parts = []
        for group, number, part in _parts(batch.groups, method):
            optimizer.zero_grad()
            own = run([part])["loss"]
            parts.append(_told(group, number, part, own, optimizer.clip()["grad_norm"]))
    seen += [] if math.isfinite(loss) else ["the loss"]
    return Replay(batch.step, name, apart, loss, norms, next(iter(seen), ""), parts)


def _nearest(run: Path, batch: Batch) -> tuple[str, int]:
    """The weights of a run that are fewest steps from those that a batch's step began with; how many that is.

    Steps that were skipped, the batch's own first, changed no weights.
    """
    skipped = {line["step"] for line in Reader(run).lines("metrics.jsonl") if line.get("update/skipped")}
    checkpoints = Checkpoints(run / "checkpoints", keep=1)
    names = {0: batch.stage.config.model} | {step: str(checkpoints.path(step)) for step in checkpoints.steps()}
    apart = {
        step: len({*range(min(step, batch.step), max(step, batch.step))} - {*skipped, batch.step}) for step in names
    }
    nearest = min(apart, key=lambda step: (apart[step], step == 0))
    return names[nearest], apart[nearest]


def _take_up(method: Method, batch: Batch, state: dict[str, Any]) -> None:
    """What a checkpoint of the batch's stage has of the method."""
    if batch.stage.first < state["step"] <= batch.stage.end:
        method.load_state_dict(state["method"])
        for name, module in method.modules.items():
            module.load_state_dict(state["modules"][name])


@contextmanager
def _fitting(path: Path, model: str) -> Iterator[None]:
    """While open, what a batch that is damaged, or another model's, leads an update to is said in words."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(last.filename).name}, line {last.lineno}"
        raise UserError(
            f"{path} can't be run again with {model}: {reason(error)[:200]} ({place}); "
            "take the batch as the run wrote it, and a model of that run"
        ) from error


def _stored(groups: Iterable[Group]) -> Iterator[tuple[str, Tensor | None]]:
    """What an update reads of a batch, by what it is; where NaN has a meaning it is left out."""
    for group in groups:
        for name, tensor in group.prompt.vision.items():
            yield f"{name} of {group.prompt.sample.id}", tensor
        for number, each in enumerate(group.completions):
            of = f"of completion {number} of {group.prompt.sample.id}"
            yield f"sampler's log-probs {of}", None if each.logprobs is None else each.logprobs[each.mask]
            yield f"reference's log-probs {of}", each.ref_logprobs
            yield f"old log-probs {of}", each.old_logprobs
            for name, own in {"advantages": each.advantages, **each.tensors}.items():
                yield f"{name} {of}", None if own is None else own[each.mask]


def _odd(what: str, named: Named) -> Iterator[str]:
    """The names of those that are not finite."""
    return (f"{what}{name}" for name, tensor in named if tensor is not None and not _finite(tensor))


def _finite(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or bool(tensor.isfinite().all())


@contextmanager
def _watched(model: nn.Module, seen: list[str]) -> Iterator[None]:
    """While open, modules' outputs and weights' gradients that are not finite are named in `seen`, as they are made."""

    def forward(name: str, _module: nn.Module, _given: Any, made: Any) -> None:
        seen.extend(
            _odd("what comes out of ", ((name, each) for each in tree_leaves(made) if isinstance(each, Tensor)))
        )

    def gradient(name: str, made: Tensor) -> None:
        seen.extend(_odd("the gradient of ", [(name, made)]))

    hooks = [module.register_forward_hook(partial(forward, name)) for name, module in model.named_modules()]
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            hooks.append(parameter.register_hook(partial(gradient, name)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _parts(groups: Iterable[Group], method: Method) -> Iterator[tuple[Group, int | None, Group]]:
    """Each completion's group, its number there, and a group of it alone; whole groups where none may be torn."""
    for group in groups:
        if method.indivisible:
            yield group, None, group
        else:
            for number, completion in enumerate(group.completions):
                yield group, number, Group(group.prompt, [completion])


def _told(group: Group, number: int | None, part: Group, loss: float, grad_norm: float) -> Part:
    rewards = math.nan
    if group.rewards is not None:
        rewards = float(group.rewards.nanmean() if number is None else group.rewards[number])
    given = [each.advantages[each.mask] for each in part.completions if each.advantages is not None]
    tokens = sum(map(len, given))
    advantage = sum(float(each.sum()) for each in given) / max(tokens, 1)
    return Part(group.prompt.sample.id, number, tokens, rewards, advantage, loss, grad_norm)
