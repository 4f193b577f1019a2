"""The records of the studies' finished runs, in one file.

    python -m benchmarks.records unpack studies     # then: mr1 compare othink-mr1 --tables
    python -m benchmarks.records pack studies       # after further runs

A study whose records are there takes their runs as done. So its tables can be made again without a run, and a study
that has not come to its end goes on elsewhere with the runs that are left.
"""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path
from typing import Any

from mr1.errors import UserError
from mr1.study.record import read_record
from mr1.train.run import CELL
from mr1.writing import write_text

FILE = Path(__file__).parent / "results" / "study-records.jsonl.gz"


def pack(studies: Path, file: Path = FILE) -> int:
    """Write the records of all finished runs below `studies/cells`, sorted; those that the file has already stay.

    Returns:
        How many the file holds now.
    """
    held = {line["run"]: line for line in _lines(file)} if file.exists() else {}
    for path in sorted((studies / "cells").glob(f"*/{CELL}")):
        read_record(path.parent)
        held[path.parent.name] = {"run": path.parent.name, "cell": json.loads(path.read_text(encoding="utf-8"))}
    if not held:
        raise UserError(f"{studies / 'cells'} holds no finished run")
    # Without a time of its own, so that the same records are the same file.
    with file.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as packed:
        for name in sorted(held):
            packed.write(json.dumps(held[name], separators=(",", ":")).encode() + b"\n")
    return len(held)


def unpack(studies: Path, file: Path = FILE) -> int:
    """Write each record into its run's folder below `studies/cells`; runs that have one stay as they are.

    Returns:
        How many were written.
    """
    written = 0
    for line in _lines(file):
        folder = studies / "cells" / line["run"]
        if not (folder / CELL).exists():
            folder.mkdir(parents=True, exist_ok=True)
            write_text(folder / CELL, json.dumps(line["cell"], separators=(",", ":")) + "\n")
            written += 1
    return written


def _lines(file: Path) -> list[dict[str, Any]]:
    with gzip.open(file, "rt", encoding="utf-8") as packed:
        return [json.loads(line) for line in packed]


def main() -> None:
    """Pack or unpack."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["pack", "unpack"])
    parser.add_argument("studies", type=Path, help="the folder of the studies, as `output` names it")
    chosen = parser.parse_args()
    print((pack if chosen.action == "pack" else unpack)(chosen.studies), "records")


if __name__ == "__main__":
    main()
