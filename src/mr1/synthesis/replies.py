"""What replies say. One that can't be read is `Unread`, with the reason: it is a reply, and is not asked for again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mr1.judge.tags import OPEN, THINK, UNTHINK, last_answer

_ASK = re.compile(r"<ask>([^<]{1,1000})</ask>")
_LOOK = re.compile(r"<reply(\d{1,3})>([^<]{1,5000})</reply\d{1,3}>")
_KEEP = re.compile(r"<keep>\s{0,9}(yes|no)\b[\s:,.;]{0,9}([^<]{0,500})</keep>", re.IGNORECASE)
ENOUGH = "<enough/>"
TAGS = re.compile(r"</?(?:think|answer|reasoning|description)>")


@dataclass(frozen=True)
class Unread:
    """A reply that doesn't say what was asked for."""

    why: str


@dataclass(frozen=True)
class Draft:
    """A question as the writer wrote it; not yet looked at."""

    question: str
    form: str
    choices: tuple[str, ...]
    abilities: tuple[str, ...]
    category: str


@dataclass(frozen=True)
class Answer:
    """A final answer, and what was thought before it."""

    text: str
    chain: str


def spoken(reply: str) -> str:
    """A reply without the thoughts before it, and without what is no text."""
    return _sound(reply.rpartition(UNTHINK)[2]).strip()


def words(reply: str) -> str | Unread:
    """All that it says, without the tags that it may have filled in."""
    said = TAGS.sub("", spoken(reply)).strip()
    return said or Unread("the reply is empty")


def asked(reply: str) -> tuple[str, ...] | Unread:
    """The questions that it asks; none where it has enough."""
    said = spoken(reply)
    found = tuple(" ".join(each.split()) for each in _ASK.findall(said))
    if not found and ENOUGH not in said:
        return Unread(f"the reply has neither <ask> nor {ENOUGH}")
    return found


def looked(reply: str) -> dict[int, str] | Unread:
    """The answers by their questions' numbers, from 1."""
    found = {int(number): " ".join(text.split()) for number, text in _LOOK.findall(spoken(reply))}
    return found or Unread("the reply has no <reply1>")


def drafts(reply: str) -> tuple[Draft, ...] | Unread:
    """The questions of a list in JSON, whatever stands around it."""
    said = spoken(reply)
    try:
        found = json.loads(said[said.index("[") : said.rindex("]") + 1])
    except (ValueError, RecursionError):
        return Unread("the reply has no list of questions in JSON")
    return tuple(_draft(each if isinstance(each, Mapping) else {}) for each in found)


def kept(reply: str) -> str | Unread:
    """Why a question is no good; empty where it is good."""
    found = _KEEP.findall(spoken(reply))
    if not found:
        return Unread("the reply has no <keep>yes</keep> or <keep>no: ...</keep>")
    verdict, why = found[-1]
    return "" if verdict.lower() == "yes" else " ".join(why.split()) or "no reason given"


def answered(reply: str) -> Answer | Unread:
    """The final answer, and the chain before it."""
    reply = _sound(reply)
    text = last_answer(reply)
    if not text:
        return Unread("the reply has no <answer>")
    if text.casefold().strip(" .") == "unknown":
        return Unread("it can't be told")
    before = reply[: reply.rindex(OPEN)]
    return Answer(text, before.replace(THINK, "").replace(UNTHINK, "").strip())


def refined(reply: str) -> str | Unread:
    """The new solution, which may have no tags in it."""
    rest = spoken(reply).partition("<reasoning>")[2]
    text = rest.rpartition("</reasoning>")[0].strip()
    return text if text and not TAGS.search(text) else Unread("the reply has no <reasoning> without further tags in it")


def _draft(said: Mapping[Any, Any]) -> Draft:
    return Draft(
        _line(said.get("question") or ""),
        _line(said.get("form") or ""),
        _texts(said.get("choices")),
        _texts(said.get("abilities")),
        _line(said.get("category") or "other"),
    )


def _texts(held: Any) -> tuple[str, ...]:
    return tuple(map(_line, held)) if isinstance(held, list) else ()


def _line(held: Any) -> str:
    return " ".join(_sound(str(held)).split())


def _sound(text: str) -> str:
    """A text without null characters and halves of surrogate pairs, which no file and no other model takes."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode()
