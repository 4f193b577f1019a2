"""Host memory and time to the first batch over many rows: python benchmarks/data_memory.py FOLDER [--rows 100000].

It makes the rows once (JSONL with images by path, Parquet with images as bytes), then opens each in a process of its
own and prints resident memory (anonymous, which counts, and file-backed, which the system takes back at need).
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

BATCH = 16
LATER = 2000
"""Samples that are drawn after the first batch, to see whether memory grows."""
FILES = 1000
"""Image files on disk; the rows of the JSONL file name them in turn."""


def encoded(rng: np.random.Generator) -> bytes:
    """A JPEG of noise, some ten kilobytes: what compresses well would flatter the figure."""
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (112, 112, 3), np.uint8)).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def build(folder: Path, rows: int) -> None:
    """Write both files, a thousand rows at a time."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    images = [encoded(rng) for _ in range(FILES)]
    for number, image in enumerate(images):
        (folder / f"images/{number}.jpg").write_bytes(image)
    with (folder / "rows.jsonl").open("w") as file:
        for number in range(rows):
            row = {"id": str(number), "question": f"What is {number} + 1?", "answer": str(number + 1)}
            file.write(json.dumps(row | {"image": f"images/{number % FILES}.jpg"}) + "\n")
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    names = pa.schema([("id", pa.string()), ("question", pa.string()), ("answer", pa.string()), ("image", struct)])
    with pq.ParquetWriter(folder / "rows.parquet", names) as writer:
        for start in range(0, rows, 1000):
            numbers = range(start, min(start + 1000, rows))
            columns = [[str(n) for n in numbers], [f"{n} + 1?" for n in numbers], [str(n + 1) for n in numbers]]
            held = [{"bytes": images[n % FILES], "path": None} for n in numbers]
            writer.write_table(pa.table([*columns, pa.array(held, struct)], schema=names))


def resident() -> str:
    """This process's memory in MB."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    anonymous, mapped = (int(fields[name].split()[0]) // 1024 for name in ("RssAnon", "RssFile"))
    return f"{anonymous} MB anonymous, {mapped} MB file-backed"


def measure(path: Path) -> None:
    """Open, draw a batch, draw more."""
    from mr1.data.settings import Source
    from mr1.data.source import SourceTask

    print(f"{path.name}, {path.stat().st_size / 1e6:.0f} MB")
    print(f"  before                {resident()}")
    start = time.perf_counter()
    task = SourceTask("rows", Source(path=str(path)))
    print(f"  looked at {task.size('train')} rows in {time.perf_counter() - start:.1f} s: {resident()}")
    samples = [task.sample("train", 0, index) for index in range(BATCH)]
    print(f"  first batch of {len(samples)} after {time.perf_counter() - start:.1f} s: {resident()}")
    start = time.perf_counter()
    for index in range(BATCH, BATCH + LATER):
        task.sample("train", 0, index)
    print(f"  {LATER} more samples, {(time.perf_counter() - start) / LATER * 1e3:.1f} ms each: {resident()}")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=100_000)
    arguments = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    steps: list[tuple[Any, tuple[Any, ...]]] = []
    if not (arguments.folder / "rows.parquet").is_file():
        steps.append((build, (arguments.folder, arguments.rows)))
    steps += [(measure, (arguments.folder / name,)) for name in ("rows.jsonl", "rows.parquet")]
    for step, given in steps:
        process = spawn.Process(target=step, args=given)
        process.start()
        process.join()


if __name__ == "__main__":
    main()
