"""What a split's rows say, as one hash: a resumed run must meet the rows that it began with."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from PIL import Image

from mr1.data.problem import Problem


class Fingerprint:
    """A SHA-256 over rows in their order, added one by one; none is kept.

    A row is its identity, question, answer and how it is meant, messages, reasoning, further columns, and for each
    image: the path below the source's folder and the file's size; the bytes that a text file holds; of bytes in an
    Arrow file, which aren't read for it, their number. So what changes inside an image's file without changing its size
    is not seen.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, identity: str, problem: Problem, images: list[Path | bytes | Image.Image], root: Path) -> None:
        """Add a row.

        Args:
            identity: its id, or its number.
            problem: what it says.
            images: what `images.find` made of its cells.
            root: what its paths are relative to.
        """
        words = [identity, problem.question, problem.answer, problem.reasoning, problem.messages, problem.meta]
        stated = [] if problem.stated is None else [asdict(problem.stated)]
        held = [_image(found, root) for found in images]
        line = json.dumps([*words, *stated, held], ensure_ascii=False, sort_keys=True, default=str)
        # A lone surrogate is legal in JSON's text.
        self._hash.update(line.encode("utf-8", "surrogatepass") + b"\n")

    def hexdigest(self) -> str:
        """Of all rows so far."""
        return self._hash.hexdigest()


def _image(found: Path | bytes | Image.Image, root: Path) -> list[Any]:
    if isinstance(found, Path):
        return [str(found.relative_to(root)) if found.is_relative_to(root) else found.name, found.stat().st_size]
    content = found if isinstance(found, bytes) else found.tobytes()
    return [hashlib.sha256(content).hexdigest(), len(content)]
