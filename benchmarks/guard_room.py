"""How near finished runs came to the limits of their guards: python -m benchmarks.guard_room RUN...

Each guard's figures are made again from `metrics.jsonl`, step by step, as in the run; the lowest and the highest are
shown. A guard that has nothing to go by is left out.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mr1.config import read_config
from mr1.report.reading import Reader, read_metrics
from mr1.train.guards import GUARDS, Guards


def room(folder: Path) -> dict[str, tuple[float, float]]:
    """The lowest and the highest figure of each guard over a run."""
    figures: dict[str, list[float]] = {}
    guards = Guards(read_config(folder / "config.yaml"), [], lambda _: None)
    for line in read_metrics(Reader(folder)):
        guards.look(line)
        for name, guard in GUARDS.items():
            if (figure := guard.figure(guards.lines, guards.frame)) is not None:
                figures.setdefault(name, []).append(figure)
    return {name: (min(found), max(found)) for name, found in figures.items()}


def table(folders: list[Path]) -> str:
    """A column for each run, as Markdown."""
    rooms = {folder.resolve().name: room(folder) for folder in folders}
    rows = [["guard", *rooms], ["---"] * (1 + len(rooms))]
    rows += [[name, *(_range(found.get(name)) for found in rooms.values())] for name in GUARDS]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _range(found: Any) -> str:
    return "" if found is None else " to ".join(dict.fromkeys(f"{figure:.3g}" for figure in found))


if __name__ == "__main__":
    print(table([Path(name) for name in sys.argv[1:]]))
