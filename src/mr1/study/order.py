"""The order of tasks from a study of single tasks, and what a run in that order came to.

    python -m mr1.study.order runs/STUDY/results.json [--method NAME]
    python -m mr1.study.order --stages counting=EVALUATION geometry=EVALUATION

The first reads what `mr1 compare` has measured of runs on one task each (`algo.task_order`). It prints the matrix, what
the best and the worst order are forecast to come to, and the best one as the `stages` of a recipe. The second reads an
evaluation (`mr1 eval --out`) of the checkpoint that each stage ended with, and prints the backward transfer.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from mr1.algo.task_order import backward_transfer, best_order, forecast
from mr1.errors import UserError, nearest
from mr1.whole import read_text


@dataclass(frozen=True)
class Measured:
    """One method's runs on single tasks."""

    tasks: list[str]
    alone: dict[str, float]
    """Each task's accuracy after training on it alone."""
    transfer: dict[str, dict[str, float]]
    """By trained and tested task: the change from the untrained model."""
    errors: dict[str, dict[str, float]]
    """Their standard errors."""


def read_measured(file: Path, method: str | None = None) -> Measured:
    """What a study has measured.

    Args:
        file: its `results.json`.
        method: whose runs; None where there is one.

    Raises:
        UserError: no such file, no such method, a task that has not been trained on or tested.
    """
    try:
        results = json.loads(read_text(file))
        methods, tasks, same = results["methods"], results["trained"], results["same"]
        arms = {(arm["method"], arm["trained"]): arm["scores"] for arm in results["arms"]}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{file} is no results.json of a study: {' '.join(str(error).split())}") from error
    if method is None and len(methods) > 1:
        raise UserError(f"--method: the study has several; name one of {', '.join(methods)}")
    chosen = method or methods[0]
    if chosen not in methods:
        raise UserError(f"--method: unknown '{chosen}'{nearest(chosen, methods)}")
    if len(tasks) < 2:
        raise UserError(f"{file}: the study trains on {tasks[0]} alone, and there is nothing to be ordered")
    for task, other in itertools.product(tasks, tasks):
        if same[other] not in arms.get((chosen, task), {}):
            raise UserError(f"{file}: {chosen} on {task} has no test on {same[other]} yet; finish the study first")

    def changes(key: str) -> dict[str, dict[str, float]]:
        return {i: {j: float(arms[chosen, i][same[j]]["change"][key]) for j in tasks} for i in tasks}

    alone = {task: float(arms[chosen, task][same[task]]["accuracy"]["value"]) for task in tasks}
    return Measured(tasks, alone, changes("difference"), changes("error"))


def describe(measured: Measured) -> list[str]:
    """The matrix, the best order and the worst, and the former as stages."""
    tasks, transfer = measured.tasks, measured.transfer
    wide = max(map(len, tasks)) + 2
    lines = ["change of accuracy, by the trained task (rows) and the tested one:"]
    lines.append(" " * wide + "".join(f"{task:>{max(wide, 10)}}" for task in tasks))
    lines += [
        f"{task:<{wide}}" + "".join(f"{transfer[task][tested]:>+{max(wide, 10)}.3f}" for tested in tasks)
        for task in tasks
    ]
    against = {i: {j: -transfer[i][j] for j in tasks} for i in tasks}
    best, worst = best_order(transfer, tasks), best_order(against, tasks)
    lines += ["", *(_forecast(name, measured, order) for name, order in (("best", best), ("worst", worst)))]
    gap = _mean(measured, best) - _mean(measured, worst)
    lines.append(f"between them: {gap:.3f}, standard error {_error(measured, best, worst):.3f}")
    lines += ["", "stages:", *(f"  {task}: {{settings: {{task: {task}}}}}" for task in best)]
    return lines


def read_stages(evaluations: Sequence[tuple[str, Path]]) -> list[list[float]]:
    """R of `backward_transfer`, from an evaluation's folder for each stage, with its task.

    Raises:
        UserError: a folder without figures, or without those of a stage's task.
    """
    measured = []
    for _, folder in evaluations:
        try:
            summary = json.loads(read_text(folder / "summary.json"))
            measured.append([float(summary[task]["accuracy"]) for task, _ in evaluations])
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise UserError(
                f"--stages: {folder} has no accuracy of {' and '.join(task for task, _ in evaluations)}; make it by "
                f"mr1 eval CHECKPOINT --out, with --task for each ({type(error).__name__}: {error})"
            ) from error
    return measured


def main(arguments: Sequence[str] | None = None) -> None:
    """Print it."""
    parser = argparse.ArgumentParser(prog="python -m mr1.study.order", description="The order of tasks from a study.")
    parser.add_argument("results", type=Path, nargs="?", help="a study's results.json")
    parser.add_argument("--method", help="whose runs, where the study has several methods")
    parser.add_argument("--stages", nargs="+", metavar="TASK=FOLDER", help="an evaluation behind each stage of a run")
    given: Any = parser.parse_args(arguments)
    if (given.results is None) == (given.stages is None):
        parser.error("give a study's results.json, or --stages")
    try:
        if given.stages is None:
            print("\n".join(describe(read_measured(given.results, given.method))))
            return
        stages = [(task, Path(folder)) for task, _, folder in (stage.partition("=") for stage in given.stages)]
        if len(stages) < 2:
            raise UserError("--stages: backward transfer needs two stages or more")
        print(f"BWT {backward_transfer(read_stages(stages)):+.3f}")
    except UserError as error:
        sys.exit(f"error: {error}")


def _forecast(name: str, measured: Measured, order: Sequence[str]) -> str:
    each = forecast(measured.alone, measured.transfer, order)
    told = ", ".join(f"{task} {accuracy:.3f}" for task, accuracy in each.items())
    lost = fmean(each[task] - measured.alone[task] for task in order[:-1])
    return f"{name} order: {', '.join(order)}; forecast: {told}; mean {fmean(each.values()):.3f}, BWT {lost:+.3f}"


def _mean(measured: Measured, order: Sequence[str]) -> float:
    return fmean(forecast(measured.alone, measured.transfer, order).values())


def _error(measured: Measured, one: Sequence[str], other: Sequence[str]) -> float:
    """Of the difference of two orders' means, the changes taken as independent: pairs that stand otherwise count."""
    turned = {*itertools.combinations(one, 2)} - {*itertools.combinations(other, 2)}
    squares = (measured.errors[i][j] ** 2 + measured.errors[j][i] ** 2 for i, j in turned)
    return math.sqrt(sum(squares)) / len(measured.tasks)


if __name__ == "__main__":
    main()
