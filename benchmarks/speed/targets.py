"""The speed that MR1 is held to, each target with what was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from benchmarks.speed.pairs import measure_pairs
from benchmarks.speed.rates import SQUARE, measure_rates
from benchmarks.speed.rollout import measure_rollout
from benchmarks.speed.shares import shares
from benchmarks.speed.startup import first_step_seconds, help_seconds
from benchmarks.speed.work import Work, on_gpu

BASE, LARGE_IMAGES, LONG, WIDE = Work(), Work(pixels=448), Work(new_tokens=512), Work(hidden=1024)
MEMORY = Work(group_size=16, pixels=448)
ONE_GROUP = 1024
"""Tokens in a micro-batch that hold one of its groups, not two: TRL's passes are as small as it is fastest with."""
ROLLOUTS = (BASE, LARGE_IMAGES, LONG, Work(pixels=448, new_tokens=512))
GPU = Work(pixels=448, new_tokens=128, hidden=1536, language_layers=16, vision_layers=16, prompts=8)
"""1.3 billion parameters."""

FOUND = {
    "step of TRL over MR1's, 224 px, 32": "TRL does 3.1 times the tokens and 8 times the tower's passes, at about the"
    " same share of the machine's rate; half of a decoding step is products, the rest the start of small operations",
    "step of TRL over MR1's, 448 px": "fused attention on a CPU, a third of score and update, runs at 60 % of the"
    " product's rate, and functions of single numbers are bound by memory",
    "step of TRL over MR1's, 224 px, 512": "97 % of the tokens are completions' own, which nothing can share",
    "generate over MR1's rollout": "a token reads 23 MB of weights and up to 34 MB of completions' keys and values,"
    " more than the processor's cache holds, at half of the memory's rate: the products have two rows, as in generate",
    "peak of score and update": "a third is weights, reference, gradient and moments, alike on both sides",
}
"""What profiling found to stand between MR1 and a target, by the beginning of the target's name; the longest counts."""


@dataclass(frozen=True)
class Outcome:
    """One target and what was measured."""

    name: str
    target: str
    """A comparison with a number, such as `>= 5`."""
    value: float | str
    """`not run` where this machine can't."""
    reached: bool | None
    unit: str
    note: str


class Suite:
    """All measurements, made when they are first needed, and the targets over them."""

    def __init__(self, pairs: int, say: Callable[[str], None]) -> None:
        """`pairs` steps of each side in the shorter works; two fewer in the longer ones."""
        self.pairs, self.say = pairs, say
        self.details: dict[str, Any] = {"pairs": {}, "rollout": {}, "shares": {}}
        self.rates: dict[str, float] = {}

    def outcomes(self) -> Iterator[Outcome]:
        """Measure target after target."""
        self._rates()
        yield from self._steps()
        yield self._matmul()
        yield from self._rollouts()
        yield self._memory()
        yield from self._counts()
        yield from self._startup()
        yield self._gpu()

    def _rates(self) -> None:
        """The machine's rates; the fastest seen so far, because others may be at work on it at one time or another."""
        for name, rate in measure_rates().items():
            self.rates[name] = max(rate, self.rates.get(name, 0.0))
        self.details["rates"] = self.rates

    def _pairs(self, work: Work, pairs: int, **options: Any) -> dict[str, Any]:
        name = work.differs()
        self.say(f"MR1 and TRL, {name} ...")
        result = measure_pairs(work, pairs, **options)
        self._rates()
        self.details["pairs"][name] = result
        self.details["shares"][name] = shares(result, self.rates)
        return result

    def _steps(self) -> Iterator[Outcome]:
        fewer = max(1, self.pairs - 2)
        for work, least, pairs in ((BASE, 5, self.pairs), (LARGE_IMAGES, 9, fewer), (LONG, 2, fewer)):
            ratio = self._pairs(work, pairs)["ratios"]["seconds"]
            words = f"{work.pixels} px, {work.new_tokens} new tokens"
            yield _at_least(f"step of TRL over MR1's, {words}", least, ratio["median"], "times", _range(ratio))

    def _matmul(self) -> Outcome:
        self._pairs(WIDE, self.pairs, sides=("mr1",), count=False)
        share = self.details["shares"][WIDE.differs()]["score+update"]["of_matmul"]
        note = f"of {self.rates['matmul'] / 1e9:.0f} Gflop/s, a square product of {SQUARE}"
        return _at_least(
            "share of the matrix-multiply rate in score and update, hidden 1024", 0.55, share, "share", note
        )

    def _rollouts(self) -> Iterator[Outcome]:
        for work in ROLLOUTS:
            self.say(f"rollout and generate, {work.differs()} ...")
            result = measure_rollout(work, self.pairs if work.new_tokens < 512 else 2)
            self.details["rollout"][work.differs()] = result
            words = f"{work.pixels} px, {work.new_tokens} new tokens"
            note = f"{_range(result['ratio'])}; cache {result['best']}"
            yield _at_least(f"generate over MR1's rollout, {words}", 2.5, result["ratio"]["median"], "times", note)

    def _memory(self) -> Outcome:
        result = self._pairs(MEMORY, 1, count=False, mr1={"tokens_per_microbatch": ONE_GROUP})
        share = 1 / result["ratios"]["memory"]["median"]
        faster = result["ratios"]["seconds"]["median"]
        note = f"beyond what the imports take; MR1 with a group at a time, {faster:.1f} times as fast"
        return _at_most("peak of score and update over TRL's, G 16, 448 px", 0.5, share, "share", note)

    def _counts(self) -> Iterator[Outcome]:
        result = self.details["pairs"][BASE.differs()]
        ours, theirs = (result["counts"][side] for side in ("mr1", "trl"))
        made = [sum(phase["images_preprocessed"] for phase in each.values()) / BASE.prompts for each in (ours, theirs)]
        yield _at_most("images preprocessed per group", 1, made[0], "images", f"TRL: {made[1]:g}")
        prompt = BASE.prompts * result["facts"]["mr1"]["prompt_tokens"]
        needed = dict.fromkeys(("score", "update"), prompt + BASE.completions * BASE.new_tokens)
        # The last token of a completion is written, not run.
        needed = {"rollout": prompt + BASE.completions * (BASE.new_tokens - 1)} | needed
        for phase, tokens in needed.items():
            seen = [each[phase]["vision_images"] / BASE.prompts for each in (ours, theirs)]
            yield _at_most(f"images through the tower per group, {phase}", 1, seen[0], "images", f"TRL: {seen[1]:g}")
            run = [each[phase]["tokens"] / tokens for each in (ours, theirs)]
            name = f"tokens through the language model over distinct ones, {phase}"
            yield _at_most(name, 1, run[0], "times", f"TRL: {run[1]:.2f}")

    def _startup(self) -> Iterator[Outcome]:
        self.say("start-up ...")
        yield _at_most("mr1 --help", 0.5, help_seconds(), "seconds", "median of 5")
        note = "counting-grpo-d with evaluation.final_samples=0 and evaluation.every=0, from the process's start"
        yield _at_most("mr1 train to the end of its first step", 10, first_step_seconds(), "seconds", note)

    def _gpu(self) -> Outcome:
        name = "step of TRL over MR1's on a GPU, 448 px, 1.3 B parameters"
        if not on_gpu():
            return Outcome(name, ">= 3", "not run", None, "times", "needs a GPU")
        ratio = self._pairs(GPU, 2)["ratios"]["seconds"]
        return _at_least(name, 3, ratio["median"], "times", _range(ratio))


def results(outcomes: list[Outcome]) -> list[dict[str, Any]]:
    """As JSON."""
    return [asdict(outcome) | {"found": found(outcome)} for outcome in outcomes]


def found(outcome: Outcome) -> str:
    """Why a target was not reached, as far as profiling tells; empty where it was, or where it was not run."""
    fitting = [name for name in FOUND if outcome.name.startswith(name)]
    return FOUND[max(fitting, key=len)] if fitting and outcome.reached is False else ""


def targets_table(outcomes: list[Outcome]) -> Table:
    """A row for each target."""
    table = Table("target", title="targets")
    for header in ("wanted", "measured", "reached", "note"):
        table.add_column(header, justify="left" if header == "note" else "right")
    words = {True: "[green]yes[/green]", False: "[red]no[/red]", None: "-"}
    for each in outcomes:
        value = each.value if isinstance(each.value, str) else f"{each.value:.2f}"
        note = "; ".join(part for part in (each.note, found(each)) if part)
        table.add_row(each.name, f"{each.target} {each.unit}", value, words[each.reached], note)
    return table


def _at_least(name: str, target: float, value: float, unit: str, note: str) -> Outcome:
    return Outcome(name, f">= {target:g}", round(value, 4), value >= target, unit, note)


def _at_most(name: str, target: float, value: float, unit: str, note: str) -> Outcome:
    return Outcome(name, f"<= {target:g}", round(value, 4), value <= target, unit, note)


def _range(ratio: dict[str, float]) -> str:
    return f"{ratio['low']:.2f} to {ratio['high']:.2f}"
