"""The reward of both sides, with TRL's signature."""

from __future__ import annotations

from typing import Any


def letters(completions: list[Any], **_: Any) -> list[float | None]:
    """The share of letters in a text or a message: random weights differ in it, and so have something to learn."""
    texts = [each if isinstance(each, str) else str(each[0]["content"]) for each in completions]
    return [sum(map(str.isalpha, text)) / max(len(text), 1) for text in texts]
