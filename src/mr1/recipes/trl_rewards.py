"""Reward functions with TRL's signature, for the recipes trl-style and try-a-model."""

import re
from typing import Any


def right_number(completions: list[list[dict[str, str]]], answer: list[str], **_: Any) -> list[float]:
    """1 where the last number of a completion is the answer."""
    texts = [completion[0]["content"] for completion in completions]
    return [float(re.findall(r"\d+", text)[-1:] == [truth]) for text, truth in zip(texts, answer, strict=True)]


def short_enough(
    completions: list[list[dict[str, str]]], completion_ids: list[list[int]], **_: Any
) -> list[float | None]:
    """1 for at most 40 tokens, else 0; does not apply to a completion without an answer."""
    return [
        float(len(ids) <= 40) if "<answer>" in completion[0]["content"] else None
        for completion, ids in zip(completions, completion_ids, strict=True)
    ]


def letters(completions: list[str], **_: Any) -> list[float]:
    """The share of letters in a text: random weights differ in it, and so have something to learn."""
    return [sum(map(str.isalpha, text)) / max(len(text), 1) for text in completions]
