"""A model of a step's time against processes: fitted to runs on this machine, and carried over to GPUs by assumptions.

    python -m benchmarks.scaling FOLDER --held-out 3     # FOLDER as benchmarks.processes has filled it
    python -m benchmarks.scaling                         # the table for 8 to 512 GPUs alone

On one machine P processes share the cores C, so work that is divided takes as long as before, and what each process
does for itself (drawing prompts, bringing weights together, Python) takes more of the cores the more there are:

    T(P) = W / C + I * P / C            W, I: core-seconds of a step, of all processes together, and of each

On GPUs, N parameters learn by bfloat16 and float32 masters, and n processes have G * prompts completions to make:

    rollout  = passes(n) * tokens * 2N / memory rate                       a token reads the weights once
    score    = 2N * row tokens * uneven(n) / (n * rate)                    a forward by the reference
    update   = 8N * row tokens * uneven(n) / (n * rate)                    forward, forward again, backward
    exchange = (micro-batches * (3 * 2N + 4N) + 4N) * (s - 1) / s / link   FSDP: weights, gradients; then the whole copy
    own      = what each process does for itself
    images   = what the images of all prompts, which every process makes beside the step, take beyond it

`uneven` is what the fullest process has over the mean, by the division that training makes (`parallel.shares.divide`).
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.processes import train
from mr1.parallel.shares import divide


@dataclass(frozen=True)
class Fit:
    """Of one machine."""

    divided: float
    """Seconds of a step with one process, of work that is divided."""
    own: float
    """Seconds that each further process adds."""

    def step(self, processes: int) -> float:
        """Seconds of a step."""
        return self.divided + self.own * processes


def fit(seconds: Mapping[int, float]) -> Fit:
    """The model nearest to a step's seconds by the number of processes, by least squares; no part is negative."""
    counts, times = np.array([*seconds], dtype=float), np.array([*seconds.values()])
    own = max(float(np.polyfit(counts, times, 1)[0]), 0.0) if len(counts) > 1 else 0.0
    return Fit(max(float(np.mean(times - own * counts)), 0.0), own)


def step_seconds(run: Path) -> float:
    """The median of a run's steps, but for the first, which makes what later ones find."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()][1:]
    return median(sum(value for name, value in line.items() if name.startswith("time/")) for line in lines)


@dataclass(frozen=True)
class Cluster:
    """What is assumed of GPUs and of a run on them. None of it is measured here."""

    parameters: float = 2.2e9
    prompts: int = 512
    completions: int = 8
    prompt_tokens: int = 400
    new_tokens: int = 400
    """The mean; completions are taken to be a quarter to seven quarters as long."""
    batch: int = 256
    """Completions that a GPU decodes side by side."""
    row_tokens: int = 32_768
    """Of a micro-batch."""
    rate: float = 0.35 * 990e12
    """Floating-point operations a second: 35 % of an H100's in bfloat16."""
    memory_rate: float = 0.5 * 3.35e12
    """Bytes a second that decoding reads: half of an H100's."""
    node: int = 8
    link_within: float = 300e9
    """Bytes a second of one GPU between those of its node."""
    link_between: float = 40e9
    """The same between nodes."""
    own: float = 1.0
    """Seconds that every process takes for itself."""
    image: float = 0.02
    """Seconds for a prompt's images. Every process makes those of all prompts, beside the step."""

    def step(self, gpus: int) -> dict[str, float]:
        """Seconds of each part of a step with so many GPUs, one process on each."""
        rows = [self._row(number) for number in range(self.prompts)]
        if self.prompts < gpus:
            torn, prompt = -(-gpus // self.prompts), self.prompt_tokens
            rows = [prompt + (row - prompt) / torn for row in rows for _ in range(torn)]
        loads = [sum(rows[item] for item in share) for share in divide([round(row) for row in rows], gpus)]
        fullest = max(loads)
        passes = math.ceil(math.ceil(self.prompts / gpus) * self.completions / self.batch)
        weights, micro = 2 * self.parameters, max(1.0, fullest / self.row_tokens)
        moved = (micro * (3 * weights + 2 * weights) + 2 * weights) * (gpus - 1) / gpus
        parts = {
            "rollout": passes * 1.75 * self.new_tokens * weights / self.memory_rate,
            "score": 2 * self.parameters * fullest / self.rate,
            "update": 8 * self.parameters * fullest / self.rate,
            "exchange": moved / (self.link_within if gpus <= self.node else self.link_between),
            "own": self.own,
        }
        return parts | {"images": max(self.image * self.prompts - sum(parts.values()), 0.0)}

    def _row(self, number: int) -> float:
        """Tokens of a group's row: its prompt once, and its completions."""
        draw = random.Random(number)
        return self.prompt_tokens + sum(self.new_tokens * draw.uniform(0.25, 1.75) for _ in range(self.completions))


def table(cluster: Cluster, counts: Sequence[int]) -> str:
    """As Markdown: seconds by part, and the share of a perfect division that is reached."""
    one = sum(cluster.step(1).values())
    lines = [
        "| GPUs | rollout | score | update | exchange | own | images | step | of a perfect division |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for count in counts:
        parts = cluster.step(count)
        whole = sum(parts.values())
        cells = [f"{value:.1f}" for value in (*parts.values(), whole)]
        lines.append(f"| {count} | {' | '.join(cells)} | {100 * one / count / whole:.0f} % |")
    return "\n".join(lines)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--fitted", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--held-out", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20)
    given = parser.parse_args()
    if given.folder is not None:
        given.folder.mkdir(parents=True, exist_ok=True)
        runs = {
            count: train(given.folder.resolve(), "all weights", count, given.steps)
            for count in (*given.fitted, given.held_out)
        }
        seconds = {count: step_seconds(run) for count, run in runs.items()}
        found = fit({count: seconds[count] for count in given.fitted})
        print(f"divided {found.divided:.2f} s, {found.own:.2f} s for each process")
        for count, measured in seconds.items():
            kind = "held out" if count == given.held_out else "fitted"
            print(f"{count} processes ({kind}): {measured:.2f} s measured, {found.step(count):.2f} s by the model")
    print(table(Cluster(), [1, 8, 16, 32, 64, 128, 256, 512]))


if __name__ == "__main__":
    main()
