"""Completions: every reward gives a number, the judge a verdict, the report shows no more than was written."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path

from benchmarks.fuzz.kinds import WrongError
from benchmarks.fuzz_judge import ANSWERS, KINDS
from mr1.judge import strict
from mr1.report.samples import split_parts
from mr1.rewards import REWARDS
from mr1.tasks import load_task

TRUTH = "truth"
"""The use of a text as what is right; the other uses are rewards."""


class Answers:
    """A completion, by every reward; some texts are truths instead."""

    def __init__(self, _folder: Path) -> None:
        self.sample = load_task("counting").sample("train", 0, 0)

    def draw(self, rng: random.Random, _number: int) -> tuple[str, str, str]:
        kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
        return kind(rng), rng.choice(ANSWERS), rng.choice([TRUTH, *REWARDS])

    def kept(self, file: Path) -> tuple[str, str, str]:
        return file.read_text(encoding="utf-8"), "7", "accuracy"

    def read(self, value: tuple[str, str, str]) -> str:
        text, other, use = value
        if sum(len(part.text) for part in split_parts(text)) > len(text):
            raise WrongError("the report shows more than was written")
        if use == TRUTH:
            strict.told(f"<answer>{other}</answer>", text)
            return f"truth {strict.judge(f'<answer>{other}</answer>', text)}"
        turn = f"<think>x</think><answer>{text}</answer>" if len(text) % 2 else text
        score = REWARDS[use](turn, replace(self.sample, answer=other))
        if not math.isfinite(score):
            raise WrongError(f"{use} gives {score}")
        return f"{use} read"
