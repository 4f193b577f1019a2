"""Measure a model on a task's samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pyarrow as pa

from mr1.config import Rollout
from mr1.data.prompts import MakePrompt, fresh_prompt, rows_of, usable_prompt
from mr1.data.unusable import BadRow, LeftOut, name_rows
from mr1.errors import UserError
from mr1.evaluate.outcome import Evaluation, Outcome
from mr1.judge import strict
from mr1.judge.pool import side_by_side
from mr1.judge.presets import Rule
from mr1.judge.tags import turn
from mr1.parallel import ranks
from mr1.rewards.format import well_formed
from mr1.rollout.engine import Engine
from mr1.tables import encode_images
from mr1.tasks.base import Task
from mr1.types import Completion, Prompt

BATCH = 64
"""Samples in memory at once, decoded side by side, at most."""


@dataclass(frozen=True)
class Protocol:
    """How samples are put to a model, and how its answers are judged."""

    prompt: str
    """The user's turn behind the images; `{question}` is put in."""
    max_new_tokens: int
    attempts: int = 1
    """Completions of each sample: 1 is greedy, more are sampled."""
    temperature: float = 1.0
    """Of sampling."""
    top_p: float = 1.0
    seed: int = 0
    """Of sampling. The samples themselves are always those of seed 0: all models are measured on the same ones."""
    batch_size: int = BATCH
    """Samples in memory at once, decoded side by side."""
    rule: Rule = strict.judge
    """(the assistant's turn, truth) -> verdict."""


Keep = Callable[[pa.Table], None]
"""Takes a batch's outcomes with their images (`Evaluation.table`)."""


def evaluate(
    engine: Engine,
    task: Task,
    split: str,
    count: int,
    protocol: Protocol,
    left_out: LeftOut | None = None,
    make_prompt: MakePrompt | None = None,
    keep: Keep | None = None,
) -> Evaluation:
    """Measure a model on the first `count` samples of a split, or on all where it has fewer.

    Args:
        engine: the model.
        task: whose samples.
        split: which of them.
        count: how many.
        protocol: how.
        left_out: rows that are not to be measured; those that turn out to be unusable are added.
        make_prompt: makes samples ready; it may have kept them from an earlier evaluation.
        keep: is given each batch with its images. What is returned has none: they are in memory for a batch alone.

    Raises:
        UserError: too many samples can't be used.
    """
    left_out = left_out or LeftOut(0.0)
    count, outcomes = available(task, split, count), list[Outcome]()
    for numbers in batches(count, protocol.batch_size):
        done = evaluate_batch(engine, task, split, numbers, protocol, left_out, make_prompt)
        if keep:
            keep(Evaluation(task.name, split, done).table())
        outcomes += [replace(outcome, images=()) for outcome in done]
    require_some(task, outcomes, left_out)
    unusable = count - len({outcome.id for outcome in outcomes})
    return Evaluation(task.name, split, outcomes, unusable, task.baseline(split))


def require_some(task: Task, outcomes: Sized, left_out: LeftOut) -> None:
    """Raise UserError where there is no outcome, because every sample that was asked for is unusable."""
    if not outcomes:
        raise UserError("\n".join([f"no sample of {task.name} can be used:", *name_rows(left_out.rows)]))


def available(task: Task, split: str, count: int | None) -> int:
    """How many samples of a split there are to measure: `count`, or all where it has fewer.

    Raises:
        UserError: `count` is None and the split has no end.
    """
    size = task.size(split)
    if count is None and size is None:
        raise UserError(f"--samples: task {task.name} has no end; how many?")
    return min(number for number in (count, size) if number is not None)


def batches(count: int, size: int) -> Iterator[range]:
    """The numbers of `count` samples, in batches that are the same however many were done before."""
    for start in range(0, count, size):
        yield range(start, min(start + size, count))


def evaluate_batch(
    engine: Engine,
    task: Task,
    split: str,
    numbers: Iterable[int],
    protocol: Protocol,
    left_out: LeftOut | None = None,
    make_prompt: MakePrompt | None = None,
) -> list[Outcome]:
    """The outcomes of some samples by their numbers; they depend on nothing else that is evaluated.

    Raises:
        UserError: too many samples can't be used. Fewer are left out, and added to `left_out`.
    """
    left_out = left_out or LeftOut(0.0)
    make = make_prompt or partial(fresh_prompt, engine.vlm)
    prompts, images = list[Prompt](), list[list[dict[str, Any]]]()
    for number in numbers:
        found = usable_prompt(make, task, split, 0, number, protocol.prompt, left_out)
        if isinstance(found, BadRow):
            left_out.add(found, rows_of(task, split, number + 1))
            continue
        # The model has what it needs of them: decoded, they would take ten times the memory.
        images.append(encode_images(found.sample.images))
        prompts.append(replace(found, sample=replace(found.sample, images=())))
    if protocol.attempts == 1:
        written = [[completion] for completion in engine.greedy(prompts, protocol.max_new_tokens)]
    else:
        settings = Rollout(
            group_size=protocol.attempts,
            temperature=protocol.temperature,
            top_p=protocol.top_p,
            max_new_tokens=protocol.max_new_tokens,
        )
        written = [group.completions for group in engine.sample(prompts, settings, (protocol.seed, 0))]
    asked = [
        (prompt, attempt, completion, protocol)
        for prompt, completions in zip(prompts, written, strict=True)
        for attempt, completion in enumerate(completions)
    ]
    judged = ranks.spread(asked, lambda own: side_by_side(lambda each: _outcome(*each), own), "the judging")
    shown = [those for those, completions in zip(images, written, strict=True) for _ in completions]
    return [replace(outcome, images=those) for outcome, those in zip(judged, shown, strict=True)]


def _outcome(prompt: Prompt, attempt: int, completion: Completion, protocol: Protocol) -> Outcome:
    sample, text = prompt.sample, turn(prompt, completion)
    subject, difficulty = (sample.meta.get(kind) for kind in ("subject", "difficulty"))
    return Outcome(
        id=sample.id,
        attempt=attempt,
        question=sample.question,
        answer=sample.answer,
        completion=text,
        verdict=protocol.rule(text, sample.truth),
        well_formed=well_formed(text) == 1.0,
        truncated=completion.finish_reason == "length",
        judged=strict.told(text, sample.truth) if protocol.rule is strict.judge else "",
        subject=None if subject is None else str(subject),
        difficulty=None if difficulty is None else str(difficulty),
    )
