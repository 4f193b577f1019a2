"""From an answer to the statement in it: what a conclusion, a box or quotes hold, and words apart from values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from mr1.judge.boxes import opened
from mr1.judge.notation import canonical

_CONCLUSION = re.compile(
    r"(?=[acdefghiorst选正故应所因答∴\\])"  # what any of them begins with: most places are left at once
    r"(?:\b(?:(?:final\s+|correct\s+|right\s+)?(?:answers?|ans\b\.?|option|choice|result)\s*(?:is|are|:|=|would\s+be|-(?=\s*\(?[A-Z]\b))"
    r"|\bans\.\s"
    r"|so|thus|hence|therefore|in\s+total|total\s+(?:of|is))(?![\w-])[\s,:]*"
    r"|\b(?:final\s+)?answer\s*\n\s*|(?:正确)?选项\s*+[是为]?\s*+:?\s*+(?=[A-Z(\[])|故?答案(?:是|为|选)?\s*+:?\s*+|[故应]?选择?\s*+:?\s*+(?=[A-Z(\[])|所以\s*+,?\s*+|因此\s*+,?\s*+|∴|\\therefore(?![A-Za-z]))",
    re.IGNORECASE,
)
_MAY_CONCLUDE = re.compile("ans|option|choice|result|so|thus|hence|therefore|total|选|答案|所以|因此|∴")
"""A sign that must be in a text of lower case for it to conclude anything: an expression without case is quick."""
DEEPEST = 4
"""Boxes within boxes that are opened."""
_END = re.compile(r"(?:[\s.,;:?]|(?<=[^\W\d_]{2})!)+$")  # not a factorial's sign
_ENDLESS = re.compile(r"\d\.\d+\.\.\.$")
_JSON = re.compile(
    r"\s*\{\s*\"(?:final[ _])?(?:answer|result|value)\"\s*:\s*+(?:\"([^\"]*)\"|([^\",{}\[\]]++))\s*\}\s*"
)
_LEAD = re.compile(r"(?:=>|⇒|→|➜|\\(?:Rightarrow|rightarrow|implies|to)(?![A-Za-z])|#{1,6}\s|✓|✔|☑)\s*")
_CLAUSE = re.compile(r"[.;!?\n]")
_QUOTES = {'"': '"', "'": "'"}
_SUBJECT = re.compile(
    r"(?:\b(?:is|are|was|were|equals?|be|has|have|contains?|shows?)|\b(?:it|that)'s)\b\s*(?:equal\s+to\s+)?",
    re.IGNORECASE,
)
_BRACE_OF_A_SET = re.compile(r"\\[{}]")
_WORD = re.compile(r"[^\W\d_\u4e00-\u9fff]+(?:'[^\W\d_]+)?|[\u4e00-\u9fff]")

HEDGES = frozenset(
    """or not no never neither nor none isn't aren't wasn't don't doesn't didn't cannot can't won't without except
    maybe perhaps minus negative 负 possibly might could either unless wrong incorrect false unknown unclear unsure
    instead if doubt unlikely but besides excluding 或 或者 不 不是 没有 非 between than least most""".split()
)
"""Words that take back or open what they stand beside; they are never only a name of it."""
_STOP = frozenset(
    """a an the is are was were be been being it its this that these those there here in on at of to for from by with
    and as we i you they he she his her our my your their has have had can so thus hence therefore then which who
    what where how many much do does did will would should answer final correct result value total number count
    altogether about approximately approx around exactly only just all both each every respectively equals equal
    give gives get got find found see show shows shown image picture figure contains contain visible 是 为 有 共 的 了
    个 只 在 中 图 约 大约 等于 一共 总共 它 这""".split()
)
"""Words that say nothing of what the value is of."""


def statement(text: str) -> str:
    """What an answer states, in the one notation: what the last box holds, or what follows the last conclusion."""
    if text.lstrip()[:1] == "{" and (found := _JSON.fullmatch(text)):
        text = found[1] or found[2]
    text = _LEAD.sub("", trimmed(canonical(text)))
    for _ in range(DEEPEST):
        box = opened(text)
        if box is None or hedged(content_words(box[1], keep_hedges=True)):
            break
        text = trimmed(box[0])
    return text


def trimmed(text: str) -> str:
    """Without punctuation at its end, and without quotes around the whole."""
    text = _without_end(text)
    while len(text) > 1 and _QUOTES.get(text[0]) == text[-1] and text[0] not in text[1:-1]:
        text = _without_end(text[1:-1])
    return text


def _without_end(text: str) -> str:
    last = text[-1:]
    if last.isalnum():
        return text.strip()
    if last == "." and _ENDLESS.search(text):
        return text.strip()
    return (_END.sub("", text) if last in ".,;:?!" or last.isspace() else text).strip()


def concluded(text: str) -> str:
    """What follows the last sign that the answer comes now; the whole text where there is none."""
    if not _MAY_CONCLUDE.search(text.lower()):
        return text
    begins = 0
    for found in _CONCLUSION.finditer(text):
        if not text[found.end() :].strip(" .,;:"):
            break
        clause = _CLAUSE.split(text[begins : found.start()])[-1]
        if "answer" in found[0].lower() and hedged(content_words(clause, keep_hedges=True)):  # the wrong answer is 5
            return text
        begins = found.end()
    return trimmed(text[begins:]) if begins else text


def subjects(text: str) -> Iterator[tuple[str, str]]:
    """What a text tells of something: the subject and the rest, at each `is`, the last first."""
    for found in reversed(list(_SUBJECT.finditer(text))):
        if rest := trimmed(text[found.end() :]):
            yield text[: found.start()], rest


def content_words(text: str, keep_hedges: bool = False) -> frozenset[str]:
    """The words that say what a value is of, in lower case and without a plural's s."""
    if not text:
        return frozenset()
    words = set()
    for found in _WORD.finditer(text):
        word = found[0].lower()
        if word in HEDGES:
            if keep_hedges:
                words.add(word)
            continue
        if word in _STOP or found[0] == "s":  # 40° S has another
            continue
        words.add(word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word)
    return frozenset(words)


def hedged(words: frozenset[str]) -> bool:
    """Whether words take back, or leave open, what they stand beside."""
    return not words.isdisjoint(HEDGES)


def top_level(text: str, marks: str) -> list[str]:
    """A text in parts, split where a match of the regular expression `marks` stands outside of all brackets."""
    depth, last, parts = 0, 0, []
    for found in _brackets_or(marks).finditer(text):
        if found["bracket"] is None:
            if depth == 0:
                parts.append(text[last : found.start()])
                last = found.end()
        elif found["bracket"] in "([{":
            depth += 1
        else:
            depth = max(depth - 1, 0)
    return [*parts, text[last:]]


@cache
def _brackets_or(marks: str) -> re.Pattern[str]:
    return re.compile(rf"(?P<bracket>[(\[{{)\]}}])|{marks}")


def balanced(text: str) -> bool:
    """Whether each bracket is closed by its like; those of a set, with a backslash, don't count."""
    opened: list[str] = []
    for character in _BRACE_OF_A_SET.sub("", text):
        if character in "([{":
            opened.append(character)
        elif character in ")]}" and (not opened or "([{".index(opened.pop()) != ")]}".index(character)):
            return False
    return not opened
