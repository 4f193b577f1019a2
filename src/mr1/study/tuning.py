"""Which candidate of a method is taken: the one whose run did best on held-out samples that no result is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from mr1.study.grid import Cell, Placed
from mr1.study.record import Record
from mr1.study.settings import Study, Values

LAST = 2
"""Evaluations of the validation split that are averaged: of one alone, luck decides more often."""


@dataclass(frozen=True)
class Tried:
    """A candidate and what it came to."""

    method: str
    task: str
    candidate: Values
    accuracy: float
    """On the trained task's validation split, the mean of the last evaluations."""
    chosen: bool


def choose(study: Study, tried: Sequence[Placed]) -> list[Tried]:
    """The best candidate of each method and task; of equal ones the first.

    Args:
        study: whose.
        tried: the runs of tuning that are done, in the study's order. Where some of a method on a task are not, none is
            chosen.
    """
    scores: dict[tuple[str, str], dict[int, float]] = {}
    for cell, record in tried:
        assert cell.candidate is not None, "a run of tuning"
        scores.setdefault((cell.method, cell.task), {})[cell.candidate] = _score(study, cell, record)
    return [
        Tried(method, task, study.methods[method].tune[number], score, number == _best(study, method, of))
        for (method, task), of in scores.items()
        for number, score in of.items()
    ]


def chosen(tried: Sequence[Tried]) -> Mapping[tuple[str, str], Values]:
    """By method and task: the candidate that is taken."""
    return {(each.method, each.task): each.candidate for each in tried if each.chosen}


def _best(study: Study, method: str, scores: Mapping[int, float]) -> int | None:
    whole = len(scores) == len(study.methods[method].tune)
    return max(scores, key=lambda number: scores[number]) if whole else None


def _score(study: Study, cell: Cell, record: Record) -> float:
    accuracies = [accuracy for _, accuracy in record.validation[study.same(cell.task)]]
    return fmean(accuracies[-LAST:])
