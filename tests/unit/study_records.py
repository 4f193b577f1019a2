"""Studies whose runs were never run: records made of random numbers with known means, for the tests of results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mr1.study.drift import Drift
from mr1.study.grid import Cell, Placed, study_cells
from mr1.study.record import MARKS, VERSION, Cost, Record, Tested
from mr1.study.settings import Study

KINDS = [str(count) for count in range(3, 11)]
SAMPLES = 200


def make_study(**settings: Any) -> Study:
    """Three methods on two tasks with three seeds, and a sweep of the format's weight."""
    held: dict[str, Any] = {
        "name": "trial",
        "settings": {"steps": 40, "evaluation.every": 10, "evaluation.final_samples": SAMPLES},
        "tasks": ["counting", "geometry"],
        "seeds": [0, 1, 2],
        "methods": {
            "sft": {"settings": {"method": "sft"}},
            "grpo": {"settings": {"method": "grpo", "kl.weight": 0.04}},
            "grpo-d": {"settings": {"method": "grpo-d", "kl": {"minimum": 0.0, "maximum": 0.1, "exploration": 0.3}}},
        },
        "sweeps": {
            "alpha": {"key": "rewards.format", "values": [0, 0.5, 1], "methods": ["grpo-d"], "tasks": ["geometry"]}
        },
        "relative_to": "sft",
        **settings,
    }
    return Study.model_validate(held)


def tested(right: np.ndarray[Any, Any], formed: np.ndarray[Any, Any], task: str) -> Tested:
    """The test of one model."""
    kinds = KINDS if task == "counting" else []
    return Tested(
        ids=f"samples of {task}",
        right="".join("01"[int(each)] for each in right),
        well_formed="".join("01"[int(each)] for each in formed),
        kinds=kinds,
        difficulty="".join(MARKS[number % len(kinds)] for number in range(len(right))) if kinds else "",
        figures={"accuracy": float(right.mean()), "baseline": {"name": "words alone", "share": 0.25}},
    )


def make_record(cell: Cell, gains: Mapping[tuple[str, str, str], float] = {}, spread: float = 0.0) -> Record:
    """A record of a cell. All runs have the same samples, some of which are easy.

    Args:
        cell: which.
        gains: by method, trained and tested task: how much likelier a right answer is than before.
        spread: of the seeds.
    """
    tests: dict[str, dict[str, Tested]] = {"before": {}, "after": {}}
    own = np.random.default_rng([cell.seed, *map(ord, f"{cell.method}{cell.task}{cell.value}")])
    for number, task in enumerate(["counting", "geometry"]):
        easy = np.random.default_rng(number).beta(0.6, 0.9, SAMPLES)
        before = np.random.default_rng(number + 10).random(SAMPLES) < easy
        gain = gains.get((cell.method, cell.task, task), 0.0) + own.normal(0, spread)
        after = own.random(SAMPLES) < np.clip(easy + gain, 0, 1)
        tests["before"][task] = tested(before, np.ones(SAMPLES), task)
        tests["after"][task] = tested(after, own.random(SAMPLES) < 0.97, task)
    rises = [round(0.3 + 0.01 * step + own.normal(0, 0.02), 5) for step in range(40)]
    scored = cell.method != "sft"
    curves: dict[str, list[float | None]] = {"entropy": [round(0.5 - 0.005 * step, 5) for step in range(40)]}
    curves |= {"completion/length_mean": [30.0 + step / 10 for step in range(40)], "time": [2.5] * 40}
    if scored:
        curves |= {"reward/total": [each + 1 for each in rises], "reward/accuracy": [*rises]}
        curves |= {"reward/format": [1.0] * 40, "kl": [0.001 * step for step in range(40)], "kl_weight": [0.04] * 40}
    accuracies = [(step, round(0.35 + 0.002 * step + own.normal(0, 0.02), 5)) for step in range(0, 40, 10)]
    return Record(
        version=VERSION,
        mr1="0.1.0",
        threads=1,
        settings={},
        steps=[*range(40)],
        curves=curves,
        validation={"counting": accuracies, "geometry": [(step, value - 0.05) for step, value in accuracies]},
        tests=tests,
        cost=Cost(640, 40, 190_000 if scored else 90_000, 100.0 + cell.seed, 12.0),
        drift={
            "counting": Drift(0.05 + 0.01 * cell.seed, 0.2, 3800, 128),
            "geometry": Drift(0.002, 0.15, 4400, 128),
        },
    )


def make_placed(study: Study, gains: Mapping[tuple[str, str, str], float] = {}, spread: float = 0.0) -> list[Placed]:
    """All cells of a study with their records."""
    return [(cell, make_record(cell, gains, spread)) for cell in study_cells(study, {})]
