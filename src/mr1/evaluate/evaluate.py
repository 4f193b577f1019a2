"""Measure a model on a task's samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from mr1.config import Rollout
from mr1.errors import UserError
from mr1.evaluate.outcome import Evaluation, Outcome
from mr1.judge import strict
from mr1.judge.pool import side_by_side
from mr1.judge.tags import turn
from mr1.judge.verdict import Verdict
from mr1.rewards.format import well_formed
from mr1.rollout.engine import Engine
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
    rule: Callable[[str, str], Verdict] = strict.judge
    """(the assistant's turn, truth) -> verdict."""


MakePrompt = Callable[[Task, str, int, int, str], Prompt]
"""Task, split, seed, index, template -> the sample, made ready."""


def evaluate(
    engine: Engine, task: Task, split: str, count: int, protocol: Protocol, make_prompt: MakePrompt | None = None
) -> Evaluation:
    """Measure a model on the first `count` samples of a split, or on all where it has fewer.

    With `make_prompt` samples are made ready by it; it may have kept them from an earlier evaluation.
    """
    outcomes = [
        outcome
        for numbers in batches(available(task, split, count), protocol.batch_size)
        for outcome in evaluate_batch(engine, task, split, numbers, protocol, make_prompt)
    ]
    return Evaluation(task.name, split, outcomes)


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
    make_prompt: MakePrompt | None = None,
) -> list[Outcome]:
    """The outcomes of some samples by their numbers; they depend on nothing else that is evaluated."""

    def anew(task: Task, split: str, seed: int, number: int, template: str) -> Prompt:
        return engine.vlm.prompt(task.sample(split, seed, number), template)

    prompts = [(make_prompt or anew)(task, split, 0, number, protocol.prompt) for number in numbers]
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
    return side_by_side(lambda each: _outcome(*each), asked)


def _outcome(prompt: Prompt, attempt: int, completion: Completion, protocol: Protocol) -> Outcome:
    sample, text = prompt.sample, turn(prompt, completion)
    subject, difficulty = (sample.meta.get(kind) for kind in ("subject", "difficulty"))
    return Outcome(
        id=sample.id,
        attempt=attempt,
        question=sample.question,
        answer=sample.answer,
        completion=text,
        verdict=protocol.rule(text, sample.answer),
        well_formed=well_formed(text) == 1.0,
        truncated=completion.finish_reason == "length",
        subject=None if subject is None else str(subject),
        difficulty=None if difficulty is None else str(difficulty),
        images=sample.images,
    )
