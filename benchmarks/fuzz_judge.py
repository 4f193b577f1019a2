"""Judge random and hostile strings; print the times, how many workers died, and the memory needed.

    python benchmarks/fuzz_judge.py --strings 100000 --seed 0

Every string is drawn from (seed, index) alone and is used in one of four ways: as an answer between tags, as a whole
output, and as a truth, each for strict, and as a whole output for R1-V's training reward. Judgements are made one after
the other, so the longest time is that of one judgement. Each kind that mostly runs into the time limit has a weight
below 1 %, so that 100,000 strings take minutes. First some ordinary answers are timed.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mr1.judge import r1v, strict
from mr1.judge.pool import POOL
from mr1.judge.verdict import Verdict

SLOW = 0.5
"""Seconds; longer judgements are counted."""

_ANSWERS = r"""
7|12.50|140°|8√{3}|2√3|65π|4πcm|\frac{12}{5}|9米|400cm²|3%|1:4|3/4|(B)|B. 5 cm|√{3}|x=3|[0,1)|1,234|-2√{5}+1
\sqrt{12}|5sqrt(3)|\boxed{7}|$\pi$|1\frac{1}{2}|10.0*tan(60)|x^2+y^2=1|x>3|\{1,2\}|2ab|20√{2}海里|there are 3 cubes
3 red and 4 blue, so 7|the answer is 12.|The area is 9π square cm|twenty-one
"""
ANSWERS = _ANSWERS.strip().replace("\n", "|").split("|")
"""What models write; also the truths."""

_TOKENS = r"""
0 1 2 9 10 99 3.5 x y i e \pi π √ \sqrt{ \sqrt[3]{ \frac{ }{ } { ( ) [ ] + - * / ^ ^{ ** ! = < \le , ; : % ° \sin \log_
\int_0^ \sum_{n=1}^{ \lim_{x\to \infty \binom{ | \left( \right) \text{ & \\ $ cm 米 and or <answer> </answer> \boxed{
\begin{pmatrix} \end{pmatrix}
"""
TOKENS = [*_TOKENS.split(), " ", "\n"]
"""What they are written with."""


def _unicode(rng: random.Random) -> str:
    return "".join(chr(rng.randrange(0x110000)) for _ in range(rng.randrange(300)))  # lone surrogates are among them


def _bytes(rng: random.Random) -> str:
    return rng.randbytes(rng.randrange(600)).decode("latin-1")


def _tokens(rng: random.Random) -> str:
    return "".join(rng.choices(TOKENS, k=rng.randrange(1, 24)))


def _mutated(rng: random.Random) -> str:
    text = list(rng.choice(ANSWERS))
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(len(text) + 1)
        text[at : at + rng.randrange(3)] = rng.choice((rng.choice(TOKENS), rng.choice(ANSWERS), "", "".join(text)))
    return "".join(text)


def _nested(rng: random.Random) -> str:
    opening, closing = rng.choice(("()", "{}", "[]", ("\\sqrt{", "}"), ("\\left(", "\\right)"), ("^{", "}")))
    depth = int(10 ** rng.uniform(0, 4))
    return opening * depth + "1" + closing * (depth if rng.random() < 0.7 else rng.randrange(depth + 1))


def _towers(rng: random.Random) -> str:
    return rng.choice(
        ("9**9**9", "9^{9^{9}}", "((10!)!)!", "9^{9^{9^{9}}}+x", "99999^{99999}", "2^{2^{2^{2^{2^{2}}}}}")
    )


def _fractions(rng: random.Random) -> str:
    depth = int(10 ** rng.uniform(0, 2.5))
    return "\\frac{1}{1+" * depth + rng.choice("1x") + "}" * depth


def _blanks(rng: random.Random) -> str:
    return rng.choice(" \t\n\u3000\0") * rng.choice((10, 1000, 30_000, 100_000)) + rng.choice(("", "7"))


def _matrix(rng: random.Random) -> str:
    side = rng.randrange(1, 60)
    rows = "\\\\".join("&".join(str(rng.randrange(100)) for _ in range(side)) for _ in range(side))
    return f"$\\begin{{pmatrix}}{rows}\\end{{pmatrix}}$"


def _digits(rng: random.Random) -> str:
    digits = "".join(rng.choices("0123456789", k=int(10 ** rng.uniform(1, 5))))
    return digits + rng.choice(("", ".5", "e9", "%", "!", "^{9}", f"/{digits}"))


def _tags(rng: random.Random) -> str:
    tag = rng.choice(
        ("<answer>", "</answer>", "<answer></answer>", "<answer>7</answer>", "</answer><answer>", "<answer> ")
    )
    return tag * int(10 ** rng.uniform(0, 4)) + rng.choice(("", "7", "</answer>"))


def _roots(rng: random.Random) -> str:
    return "+".join(
        f"\\sqrt{{{rng.randrange(2, 99)}+\\sqrt{{{rng.randrange(99)}}}}}" for _ in range(rng.randrange(1, 12))
    )


def _algebra(rng: random.Random) -> str:
    power = rng.choice((2, 9, 60, 999, 10**9))
    return rng.choice(("(x+y+1)^{{{}}}", "\\sin({}x)+\\cos(x)^{{9}}", "x^{{{}}}-1=0", "\\binom{{{}}}{{7}}")).format(
        power
    )


KINDS: dict[Callable[[random.Random], str], float] = {
    _unicode: 15,
    _bytes: 15,
    _tokens: 25,
    _mutated: 35,
    _nested: 2,
    _towers: 0.3,
    _fractions: 1,
    _blanks: 1,
    _matrix: 0.5,
    _digits: 2,
    _tags: 2,
    _roots: 1,
    _algebra: 0.2,
}
"""How to draw a string, and how many of a hundred are drawn so."""

USES: dict[str, Callable[[str, str], Verdict]] = {
    "strict, answer": lambda text, other: strict.judge(f"<think>x</think><answer>{text}</answer>", other),
    "strict, output": lambda text, other: strict.judge(text, other),
    "strict, truth": lambda text, other: strict.judge(f"<answer>{other}</answer>", text),
    "r1v, output": lambda text, other: r1v.training_reward(text, other),
}


@dataclass
class Tally:
    """What happened to the strings of one kind."""

    longest: float = 0.0
    slow: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)

    def add(self, seconds: float, verdict: Verdict) -> None:
        self.longest = max(self.longest, seconds)
        self.slow += seconds > SLOW
        self.verdicts[str(verdict)] += 1


def resident(pid: int | str = "self") -> float:
    """Resident memory of a process in MB (Linux)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return round(pages * 4096 / 1e6, 1)


def memory() -> dict[str, float]:
    """Resident memory in MB of this process, the pool's server, and the largest of its workers."""
    assert POOL.server is not None
    server = POOL.server.pid
    workers = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    return {
        "this process": resident(),
        "server": resident(server),
        "largest worker": max(map(resident, workers), default=0.0),
    }


def costs(repeats: int = 1000) -> dict[str, float]:
    """Mean microseconds of judging an ordinary answer: seen before, a new number, a new expression."""
    outputs = {
        "seen before": ["<answer>7</answer>"] * repeats,
        "new number": [f"<answer>{number}.5</answer>" for number in range(repeats)],
        "new expression": [f"<answer>{number}√3</answer>" for number in range(repeats)],
    }
    result = {}
    for name, texts in outputs.items():
        start = time.perf_counter()
        for text in texts:
            strict.judge(text, "2√{3}" if name == "new expression" else "7")
        result[name] = round(1e6 * (time.perf_counter() - start) / repeats, 1)
    return result


def fuzz(strings: int, seed: int) -> dict[str, object]:
    """Judge so many strings; see the module for what is measured."""
    strict.judge("<answer>2√3</answer>", "\\sqrt{12}")  # starts the pool
    microseconds = costs()
    start = time.perf_counter()
    tallies: defaultdict[str, Tally] = defaultdict(Tally)
    marks = {0: memory()}
    for index in range(strings):
        rng = random.Random(f"{seed}/{index}")
        kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
        text, other, use = kind(rng), rng.choice(ANSWERS), rng.choice(list(USES.values()))
        before = time.perf_counter()
        verdict = use(text, other)
        tallies[kind.__name__.strip("_")].add(time.perf_counter() - before, verdict)
        if (index + 1) * 4 % strings < 4:
            marks[index + 1] = memory()
    return {
        "strings": strings,
        "seed": seed,
        "seconds": round(time.perf_counter() - start, 1),
        "longest_seconds": round(max(tally.longest for tally in tallies.values()), 3),
        "slower_than_half_a_second": sum(tally.slow for tally in tallies.values()),
        "workers_replaced": POOL.replaced,
        "memory_mb": marks,
        "ordinary_answers_microseconds": microseconds,
        "verdicts": dict(sum((tally.verdicts for tally in tallies.values()), Counter())),
        "kinds": {
            name: {"strings": tally.verdicts.total(), "longest": round(tally.longest, 3), **tally.verdicts}
            for name, tally in sorted(tallies.items())
        },
    }


def show(result: dict[str, object]) -> None:
    """Print two tables."""
    whole = Table(title="the judge under hostile strings", show_header=False)
    for key, value in result.items():
        if key != "kinds":
            whole.add_row(
                key, "\n".join(f"{k}: {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
            )
    kinds = Table("kind", "strings", "longest, s", *(str(verdict) for verdict in Verdict))
    assert isinstance(result["kinds"], dict)
    for name, row in result["kinds"].items():
        counts = (str(row.get(str(verdict), 0)) for verdict in Verdict)
        kinds.add_row(name, str(row["strings"]), f"{row['longest']:.3f}", *counts)
    console = Console(width=140)
    console.print(whole)
    console.print(kinds)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strings", type=int, default=100_000, help="how many (default: 100000)")
    parser.add_argument("--seed", type=int, default=0, help="other strings for another seed (default: 0)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    arguments = parser.parse_args()
    if arguments.strings < 1:
        parser.error("--strings: at least 1")
    result = fuzz(arguments.strings, arguments.seed)
    if arguments.json:
        print(json.dumps(result, indent=2))
    else:
        show(result)


if __name__ == "__main__":
    main()
