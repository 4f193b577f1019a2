"""Texts that nobody vouches for take time in proportion to their length, whatever stands in them."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from mr1.data.check import answer_kind
from mr1.data.images import decode, find
from mr1.data.problem import _media_of, lettered
from mr1.errors import UnusableError
from mr1.judge.tags import last_answer
from mr1.report.samples import split_parts
from mr1.rewards.format import well_formed

LENGTH = 200_000
LONGEST = 3.0
"""Seconds for all texts, on a busy machine too; a search that takes the square of the length takes minutes."""
REPEATED = ["<think>", "</think>", "<answer>", "<think><answer>", "</think><answer>", "</think> ", "<", " ", "\n", "a "]
REPEATED += ["1", "1,", "1.", "1/", ".jp", "a", "=", "\\frac{", "^{", "-", "row_1_col_"]


def _find(text: str) -> None:
    with suppress(UnusableError):
        find(text, Path("/nowhere"))


READERS: dict[str, Callable[[str], object]] = {
    "parts of a completion": split_parts,
    "the answer's tag": last_answer,
    "format": lambda text: well_formed(f"<think>{text}</answer>"),
    "an answer's kind": answer_kind,
    "a path": lambda text: _media_of([text]),
    "an image": _find,
}


@pytest.mark.parametrize("reader", READERS)
def test_a_long_text_is_read_in_linear_time(reader: str) -> None:
    texts = [f"1{piece * (LENGTH // len(piece))}!" for piece in REPEATED]
    start = time.process_time()
    for text in texts:
        READERS[reader](text)
        assert time.process_time() - start < LONGEST, text[:20]


@pytest.mark.parametrize("text", ["-" * 100_000 + "1", "[" * 100_000, "1+" * 100_000 + "1", "a" * 100_000])
def test_a_choice_that_is_no_list_stands_alone(text: str) -> None:
    assert lettered(text) == f"(A) {text}"


@pytest.mark.parametrize("path", ["_" * 5000, "_/" * 3000, "\0"])
def test_a_text_that_can_be_no_path_is_a_row_that_cant_be_used(path: str) -> None:
    with pytest.raises(UnusableError):
        decode(find(path, Path("/nowhere")))
