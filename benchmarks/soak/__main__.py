"""Let the bundled model train for 3,000 steps, and see whether memory, open files, threads and step times stay flat.

    python -m benchmarks.soak runs/soak --steps 3000

The run is `mr1 train` in a process of its own, with data from files, evaluations, checkpoints and samples; it is
watched by /proc, so this needs Linux. After a stop (Ctrl-C, --minutes, a kill) the same command goes on where the run's
last checkpoint is. Writes soak.json and soak.png into the folder, and prints the verdict; the exit code is 1 where a
limit is broken. Where the machine does other things at the same time, step times tell of those, too.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks.soak.plot import plot
from benchmarks.soak.verdict import FEWEST, Verdict, judge
from benchmarks.soak.watch import SETTINGS, read, watch
from benchmarks.speed.machine import describe

WARM_UP = 600
"""Steps: by then oneDNN's cache of compiled products is full, and new shapes of tensors are rare."""


def said(verdict: Verdict) -> str:
    """A verdict in words."""
    slope, slower = verdict.slope, verdict.slower
    return "\n".join(
        [
            f"process {verdict.process}, steps {verdict.first} to {verdict.last} after the warm-up:",
            f"  memory  {verdict.level:.0f} MB, at most {verdict.growth:+.1%}; "
            f"{slope.value:+.1f} MB in 1,000 steps ({slope.low:+.1f} to {slope.high:+.1f})",
            f"  files   {verdict.files[0]} -> {verdict.files[1]}",
            f"  threads {verdict.threads[0]} -> {verdict.threads[1]}",
            f"  step    {verdict.seconds[0]:.3f} s -> {verdict.seconds[1]:.3f} s: "
            f"{slower.value:+.1%} ({slower.low:+.1%} to {slower.high:+.1%}); "
            f"processor time {verdict.cpu[0]:.3f} s -> {verdict.cpu[1]:.3f} s",
        ]
    )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="for the run, its data, and what is seen")
    parser.add_argument("--steps", type=int, default=3000, help="of the whole run (default: 3000)")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after so long, to go on later")
    parser.add_argument("--warm-up", type=int, default=WARM_UP, help=f"steps of a process (default: {WARM_UP})")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    done = watch(folder, arguments.steps, 60 * arguments.minutes)
    seen = read(folder)
    verdicts = judge(seen, arguments.warm_up)
    result = {
        "machine": describe() | {"command": " ".join(["python", "-m", "benchmarks.soak", *sys.argv[1:]])},
        "settings": SETTINGS,
        "warm_up": arguments.warm_up,
        "done": done,
        "verdicts": [asdict(verdict) for verdict in verdicts],
        "broken": [each for verdict in verdicts for each in verdict.broken()],
        "seen": [asdict(each) for each in seen],
    }
    (folder / "soak.json").write_text(json.dumps(result) + "\n")
    if seen:
        (folder / "soak.png").write_bytes(plot(seen, verdicts).png)
    print("\n".join(map(said, verdicts)) or f"no process has made {arguments.warm_up + FEWEST} steps: no verdict")
    print("\n".join(result["broken"]) or "no limit is broken")
    print(folder / "soak.json" if done else "the run is not done: the same command goes on")
    sys.exit(1 if result["broken"] else 0)


if __name__ == "__main__":
    main()
