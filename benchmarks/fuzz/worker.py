"""The process that reads a batch of inputs, and says a line of each: `python -m benchmarks.fuzz.worker KIND ...`."""

from __future__ import annotations

import json
import os
import random
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.fuzz.kinds import Kind, corpus, make_kind

MEMORY = 8 * 2**30
"""Bytes that a process may take; beyond them it gets a MemoryError, which counts as a crash."""


def inputs(kind: Kind, name: str, seed: int) -> Iterator[Callable[[], Any]]:
    """What makes each input: first the corpus, then those that are drawn from the seed and their number."""
    files = corpus(name)
    yield from (partial(kind.kept, file) for file in files)
    number = len(files)
    while True:
        yield partial(kind.draw, random.Random(f"{seed}/{number}"), number)
        number += 1


def became(kind: Kind, make: Callable[[], Any]) -> str:
    """What became of an input: the kind's word for it, or `crash: ` and what was raised."""
    try:
        return kind.read(make())
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"crash: {type(error).__name__}: {str(error)[:200]} ({Path(where.filename).name}:{where.lineno})"


def main() -> None:
    """Read inputs `first` to `first + count`."""
    name, seed, first, count = sys.argv[1], *map(int, sys.argv[2:])
    warnings.simplefilter("ignore")  # what libraries say of damaged files
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"HF_DATASETS_CACHE": f"{folder}/cache", "HF_HUB_OFFLINE": "1"}
        kind = make_kind(name, Path(folder))
        print(json.dumps("ready"), flush=True)
        for number, make in enumerate(inputs(kind, name, seed)):
            if number >= first + count:
                break
            if number >= first:
                began = time.process_time()
                outcome = became(kind, make)
                print(json.dumps([outcome, time.process_time() - began]), flush=True)


if __name__ == "__main__":
    main()
