r"""What a \boxed states: what is inside, with what stands right beside it; several boxes are several values."""

from __future__ import annotations

import re

from mr1.judge.notation import closing

_BOXED = re.compile(r"\\f?box(?:ed)?\s*\{")
_JOINS = re.compile(r"[\s,;&]*(?:(?:and|or|和|或|与)[\s,]*)?")
_CLOSED = re.compile(r"^[\s)\]}\"'*_]+")
_SENTENCE = re.compile(r"[.;:!?](?=\s|$)|\n|\b(?:because|since|which|as|so|where|when)\b", re.IGNORECASE)
# What makes a box a part of something: a factor before it, an operator.
_GLUED = re.compile(r"(?:\d|[)}^*/+]|(?<![A-Za-z])[A-Za-z])$|[+*/^]\s+$|[\w)}]\s+-\s*$")
_SIGN = re.compile(r"(?:(?<![\w)}])|(?<=[A-Za-z]{2}\s))([-$€£¥]|-\$)$")


def opened(text: str) -> tuple[str, str] | None:
    r"""What the last \boxed of a text states, or the last several of them, and what stands before; None where none
    closes, or where the box is only a part of what is stated."""
    if "box" not in text:
        return None
    boxes = _outermost(text)
    if not boxes:
        return None
    first = len(boxes) - 1
    while first and _JOINS.fullmatch(text, boxes[first - 1][3], boxes[first][0]):
        first -= 1
    if len({text[start:end].strip() for _, start, end, _ in boxes[first:]}) == 1:
        first = len(boxes) - 1
    before, behind = text[: boxes[first][0]], _CLOSED.sub("", text[boxes[-1][3] :])
    if _GLUED.search(before) or behind[:1] in ("{", "^", "_"):
        return None
    sign = _SIGN.search(before)
    inside = sign[1] if sign else ""
    for place, (_, start, end, after) in enumerate(boxes[first:], start=first):
        inside += text[start:end] + (text[after : boxes[place + 1][0]] if place + 1 < len(boxes) else "")
    tail = _SENTENCE.split(behind, maxsplit=1)[0].rstrip().removesuffix(",")
    return f"{inside} {tail}".strip() if tail.strip(" .,") else inside, before


def _outermost(text: str) -> list[tuple[int, int, int, int]]:
    """Of each box that closes and is in no other: where it begins, where its inside begins and ends, where it ends."""
    found: list[tuple[int, int, int, int]] = []
    for box in _BOXED.finditer(text):
        end = closing(text, box.end() - 1, "{}")
        if end >= 0 and (not found or box.start() >= found[-1][3]):
            found.append((box.start(), box.end(), end, end + 1))
    return found
