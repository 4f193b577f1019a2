"""A run's latest checkpoint with one range of its bytes changed: it is refused by name, and the one before is taken.

The ranges cover every byte of every file, one after the other; RANGES inputs in a row change each byte once.
"""

from __future__ import annotations

import hashlib
import json
import random
from itertools import pairwise
from pathlib import Path

from benchmarks.fuzz.kinds import WrongError, said
from benchmarks.fuzz.run import make_run
from mr1.errors import UserError
from mr1.train.checkpoint import Checkpoints as Saved

RANGES = 500
MANIFEST = "manifest.json"


class Checkpoints:
    """Two checkpoints, of which the later one is changed."""

    def __init__(self, folder: Path) -> None:
        self.saved = Saved(make_run(folder) / "checkpoints", keep=2)
        self.path = self.saved.path(2)
        files = [path for path in sorted(self.path.rglob("*")) if path.is_file()]
        self.whole = {str(path.relative_to(self.path)): path.read_bytes() for path in files}
        self.ranges = spread({name: len(content) for name, content in self.whole.items()}, RANGES)

    def draw(self, rng: random.Random, number: int) -> tuple[str, bytes, bool]:
        """A file of the checkpoint, its new content, and whether the manifest is made to agree with it."""
        name, start, end = self.ranges[number % len(self.ranges)]
        data, place = bytearray(self.whole[name]), rng.randrange(start, end)
        match rng.randrange(6):
            case 0:
                data[place] ^= 1 << rng.randrange(8)
            case 1:
                data[start:end] = bytes(end - start)
            case 2:
                data[start:end] = rng.randbytes(end - start)
            case 3:
                del data[start:end]
            case 4:
                del data[place:]
            case _:
                data[place:place] = rng.randbytes(rng.randrange(1, 9))
        return name, bytes(data), False

    def kept(self, file: Path) -> tuple[str, bytes, bool]:
        """A file named `NAME@WHAT` stands in the place of NAME, and the manifest agrees with it."""
        return file.name.partition("@")[0], file.read_bytes(), True

    def read(self, value: tuple[str, bytes, bool]) -> str:
        name, content, agreed = value
        (self.path / name).write_bytes(content)
        if agreed and name != MANIFEST:
            manifest = json.loads(self.whole[MANIFEST])
            manifest["files"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            (self.path / MANIFEST).write_text(json.dumps(manifest))
        try:
            latest = self.saved.latest()
        finally:
            for each in {name, MANIFEST}:
                (self.path / each).write_bytes(self.whole[each])
        if latest.step == 1:
            (reason,) = latest.damaged
            if self.path.name not in reason:
                raise WrongError(f"the refused checkpoint isn't named: {reason}")
            said(UserError(reason))
            return "refused"
        if name != MANIFEST and content != self.whole[name]:
            raise WrongError(f"taken, though its {name} is another one")
        return "as it was"


def spread(sizes: dict[str, int], count: int) -> list[tuple[str, int, int]]:
    """Nearly `count` ranges (name, start, end) that cover all bytes; a file has them by the root of its size."""
    total = sum(size**0.5 for size in sizes.values())
    ranges = []
    for name, size in sizes.items():
        parts = min(size, max(4, round(count * size**0.5 / total)))
        edges = [size * number // parts for number in range(parts + 1)]
        ranges += [(name, start, end) for start, end in pairwise(edges)]
    return ranges
