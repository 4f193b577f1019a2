"""The tags of an output: which of them the prompt has written already, and where the answer is."""

from __future__ import annotations

import re
from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mr1.types import Completion, Prompt

OPEN, CLOSE = "<answer>", "</answer>"
THINK, UNTHINK = "<think>", "</think>"
_OPENING = re.compile(f"{THINK}|{OPEN}")
_TAG = re.compile("|".join((THINK, UNTHINK, OPEN, CLOSE)))


def opened_by(prompt: str, without: str) -> str:
    """What a chat template has written of the assistant's turn, from the first tag on; empty where it has no tag.

    Templates of models that always think end in `<think>`; those of models that are not to think may end in an empty
    thought, `<think></think>`. Either is the beginning of the output that the model goes on with.

    Args:
        prompt: as the template writes it for the model to go on.
        without: as it writes it without the assistant's header.
    """
    alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(prompt, without, strict=False)))
    # What is alike may end within a tag, if something else stands in its place.
    found = _OPENING.search(prompt, max(0, alike - len(THINK) + 1))
    return prompt[found.start() :] if found else ""


def left_open(text: str) -> str:
    """The tag that is open at a text's end: `<think>`, `<answer>`, or none."""
    last = ["", *_TAG.findall(text)][-1]
    return last if last in (THINK, OPEN) else ""


def turn(prompt: Prompt, completion: Completion) -> str:
    """What rewards and judges read: what the template had opened of the assistant's turn, and what the model wrote."""
    return prompt.opened + completion.text


def last_answer(text: str) -> str | None:
    """The text inside the last closed <answer> tag, stripped; None where there is none.

    A tag that is opened anew before it was closed begins anew: `<answer>1 <answer>2</answer>` says 2. Three plain
    searches, so the time is linear in the text; a lazy regular expression is quadratic where tags stay open.
    """
    start = text.rfind(OPEN, 0, max(text.rfind(CLOSE), 0))
    if start < 0:
        return None
    start += len(OPEN)
    return text[start : text.index(CLOSE, start)].strip()
