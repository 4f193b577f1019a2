"""How the letters of a multiple choice are written: (B), Option B., B. 5 cm, A and C."""

from __future__ import annotations

import re

from mr1.judge.frame import concluded, statement, trimmed

LETTER = re.compile(
    r"(?:only\s+)?(?:(?:option|choice|answer)\s*)?(?:[(\[]{1,2}\s*([A-Za-z])\s*[)\]]{1,2}|([A-Za-z]))\s*(?:[.:)✓]|only"
    r"|is\s+(?:the\s+)?(?:correct|right)(?:\s+(?:answer|option|choice))?|选?项(?:正确)?)?",
    re.IGNORECASE,
)
LETTERED = re.compile(
    r"(?:(?:option|choice|answer)\s*)?(?:[(\[]{1,2}\s*([A-Za-z])\s*[)\]]{1,2}\s*[.:]?|([A-Z]|[a-z](?=\)))\s*[.:),])\s*(.+)",
    re.DOTALL,
)
OF_ALL = re.compile(
    r"(?:none|all|neither|both|any)(?:\s+of)?\s+(?:the|these|those)(?:\s+(?:above|others?|options|choices|answers))?"
    r"|(?:it\s+)?(?:cannot|can\s*not|can't)\s+be\s+determined(?:\s+from.*)?|not\s+enough\s+information(?:\s+given)?"
    r"|(?:以上)?(?:都不是|都不对|都对|皆是|皆非)",
    re.IGNORECASE,
)
"""Choices that speak of the others; they hedge nothing."""
OTHER_LETTER = re.compile(r"(?<![A-Za-z\\])[A-Z]\s*[.:)](?!\d)")
BECAUSE = re.compile(r"(.{0,11}?[^\s,])(?:\s*+,)?\s++(?:because|since)\s[^?]*", re.DOTALL | re.IGNORECASE)
_ONE = r"(?:[(\[]\s*[A-Z]\s*[)\]]|[A-Z])"
LETTERS = re.compile(rf"{_ONE}(?:(?>\s*(?:[,;&/]|和|与)\s*(?:and\s+)?|\s+and\s+|\s+){_ONE})++")
JOINED = re.compile(r"[A-Z]{2,}")


def lettered(answer: str) -> tuple[str, str] | None:
    """The letter and the text behind it that an answer concludes with; None where it has not both."""
    text = statement(answer)
    for each in (concluded(text), text):
        if found := LETTERED.fullmatch(each):
            return (found[1] or found[2]).upper(), trimmed(found[3])
    return None
