"""From a row to a problem: which column is what, templates, patterns, chats, and what makes a row unusable."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, time
from decimal import Decimal
from typing import Any

from jinja2 import TemplateError, meta
from jinja2.sandbox import SandboxedEnvironment

from mr1.data.chat import ends_answered, last_words, place_images, read_chat, unplaced
from mr1.data.images import holds_image
from mr1.data.rows import Row, read_json
from mr1.data.settings import Source
from mr1.data.truths import (
    LETTERS,
    SEVERAL,
    Letter,
    as_choices,
    as_decimals,
    as_kind,
    as_truth,
    letter,
    listed,
    settled,
    unwrapped,
)
from mr1.errors import UnusableError, UserError, listing, nearest, shown
from mr1.judge.truth import Truth

LOOKED_AT = 100
"""Rows of each split, from whose keys and values the columns of text files are known."""

QUESTIONS = ("question", "prompt", "problem", "messages", "conversations")
"""Columns that are taken for the question where none is named, the first that there is."""

MISSING = ("nan", "NaN")
"""What a missing number becomes where it is written as text."""
MADE = ("answer_kind", "decimals")
"""Of `columns`: what may be made of several columns."""

KINDS = {
    "images": ("jpg", "jpeg", "png", "gif", "webp", "bmp", "tif", "tiff"),
    "video": ("mp4", "avi", "mov", "mkv", "webm"),
    "sound": ("wav", "mp3", "flac", "ogg", "m4a"),
}
MEDIA_PATH = re.compile(
    rf"\S.*\.({'|'.join(ending for endings in KINDS.values() for ending in endings)})", re.IGNORECASE
)


@dataclass
class Problem:
    """A row as it is meant, its images not yet read."""

    question: str
    answer: str
    images: list[Any]
    """What the row holds for each image: see `images.find`."""
    messages: tuple[dict[str, Any], ...] = ()
    """The prompt, where the row has it as a chat."""
    reasoning: str = ""
    meta: dict[str, Any] = field(default_factory=dict)
    """The further columns, without images."""
    stated: Truth | None = None
    """What is accepted as right, where that is more than `answer` says."""
    stood: str = ""
    """Where the answer was taken out: one of `truths.WRAPPINGS`, or nothing."""

    @property
    def truth(self) -> Truth:
        """What is accepted as right."""
        return self.stated or Truth((self.answer,))


class Reader:
    """Reads the rows of one source."""

    def __init__(self, source: Source, rows: list[Row], media: Mapping[str, str]) -> None:
        """Find out which column is what.

        Args:
            source: the settings.
            rows: the first of each split, in brief.
            media: columns whose type says what they hold, as `Rows.media` gives them.

        Raises:
            UserError: a column that isn't there, a template that can't be read, a column of images, sound or video
                that nothing reads.
        """
        self.source = source
        self.known = list(dict.fromkeys(key for row in rows for key in row))
        columns = source.columns
        question = columns.question or self._first(*QUESTIONS)
        if question is None and source.question is None:
            raise UserError(f"columns.question: name the column of the question; the rows have {listing(self.known)}")
        self.question, self.answer = question, columns.answer or self._first("answer")
        unanswered = self.answer is None and source.answer is None
        self.answers_itself = unanswered and any(ends_answered(self._asked(row)) for row in rows)
        """Whether the answer is the last turn of the chat that is the question."""
        images = columns.images if columns.images is not None else self._first("images", "image") or []
        self.images = [images] if isinstance(images, str) else images
        environment = SandboxedEnvironment()
        environment.filters |= {"lettered": lettered, "letter": letter, "listed": listed, "unplaced": unplaced}
        self.environment = environment
        self.mentioned: set[str] = set()
        self.template = self._template("question", source.question)
        self.paths = {name: self._template("columns.images", name) for name in self.images if "{{" in name}
        apart = {key: name for key in MADE if (name := getattr(columns, key)) and "{{" in name}
        self.made = {key: self._template(f"columns.{key}", name) for key, name in apart.items()}
        self.accepts = self._expression("filter", source.filter)
        self.answers = self._expression("answer", source.answer)
        self.stated = settled(source)
        self.pattern = re.compile(source.answer_pattern, re.DOTALL) if source.answer_pattern else None
        self._check_columns()
        self._check_media(rows, media)
        self.media = {*media, *(name for name in self.images if name not in self.paths)}

    @property
    def answered(self) -> bool:
        """Whether the rows have answers."""
        return self.answer is not None or self.answers is not None or self.answers_itself

    def accepted(self, row: Row) -> bool:
        """Whether the source's filter lets a row through. Raises UnusableError where it can't be said."""
        return self.accepts is None or bool(_filled_in("filter", self.accepts, self._context(row)))

    def problem(self, row: Row) -> Problem:
        """The problem that a row states.

        Raises:
            UnusableError: no question, no answer, or images that don't fit.
        """
        images = [held for name in self.images for held in self._held(row, name)]
        question = self._asked(row)
        messages: tuple[dict[str, Any], ...] = ()
        if isinstance(question, list):
            asked = question[:-1] if self.answers_itself and ends_answered(question) else question
            question, messages, images = read_chat(asked, images)
        if self.template is not None:
            question = _filled_in("question", self.template.render, self._context(row) | {"question": question})
        question = _text("question", question)
        if not messages:
            question, images = place_images(question, images)
        if not question:
            raise UnusableError("its question is empty; write one or take the row out")
        limit = self.source.max_images
        if limit is not None and len(images) > limit:
            raise UnusableError(f"it has {len(images)} images, max_images is {limit}; raise it or take the row out")
        columns = self.source.columns
        further = {key: value for key, value in row.items() if key not in self.media}
        if messages and self.question:
            further.pop(self.question, None)
        for name in ("subject", "difficulty"):
            if column := getattr(columns, name):
                further[name] = _text(name, _joined(cell(row, column)))
        truth, stood = self._truth(row) if self.answered else (Truth(("",)), "")
        return Problem(
            question=question,
            answer=truth.accepted[0],
            images=images,
            messages=messages,
            reasoning=_text("reasoning", cell(row, columns.reasoning)) if columns.reasoning else "",
            meta=further,
            stated=None if truth == Truth(truth.accepted[:1]) else truth,
            stood=stood,
        )

    def identity(self, row: Row) -> str | None:
        """What the row's id column says; None where there is none."""
        return _name(row, self.source.columns.id)

    def together(self, row: Row) -> str | None:
        """What a row shares with those that are held out with it; None where there is none."""
        return _name(row, self.source.columns.together)

    def _truth(self, row: Row) -> tuple[Truth, str]:
        """What is accepted as right, and where it stood."""
        held = cell(row, self.answer) if self.answer else None
        if self.answers_itself:
            chat = self._asked(row)
            held = last_words(chat) if ends_answered(chat) else None
        if self.answers is not None:
            held = _filled_in("answer", self.answers, self._context(row) | {"answer": held})
        stated, choices = self._stated(row), self.source.columns.choices
        if isinstance(held, list) and stated.kind in SEVERAL and not all(isinstance(each, str) for each in held):
            raise UnusableError(
                f"its answer is a list, of which any item is right, and answer_kind is {stated.kind}; write each "
                "truth as a text of its own, such as '2, 3'"
            )
        found = [self._answer(each) for each in (held if isinstance(held, list) else [held])]
        if not found:
            raise UnusableError("its answer is an empty list; write one or take the row out")
        truth = as_truth(stated, [text for text, _ in found], as_choices(cell(row, choices)) if choices else ())
        return truth, next((name for _, name in found if name), "")

    def _stated(self, row: Row) -> Truth:
        """How a row's answer is meant; its texts are to be put in."""
        kind = as_kind(_text("answer_kind", self._said(row, "answer_kind"))) or self.stated.kind
        decimals = as_decimals(self._said(row, "decimals"))
        if decimals is None:
            return replace(self.stated, kind=kind)
        return replace(self.stated, kind=kind, tolerance=replace(self.stated.tolerance, decimals=decimals))

    def _said(self, row: Row, key: str) -> Any:
        """What a row's own column says, or what is made of several; None where none is named."""
        if key in self.made:
            return _filled_in(f"columns.{key}", self.made[key].render, self._context(row)).strip()
        name = getattr(self.source.columns, key)
        return cell(row, name) if name else None

    def _answer(self, held: Any) -> tuple[str, str]:
        """One answer as text, and where it stood."""
        if isinstance(held, Letter):
            return held, ""
        answer, stood = _text("answer", held), ""
        if answer and self.pattern is None:
            answer, stood = unwrapped(answer)
        elif answer and self.pattern is not None:
            found = self.pattern.search(answer)
            if found is None or not found[1].strip():
                raise UnusableError(
                    f"answer_pattern finds nothing in its answer {answer[:60]!r}; fix the pattern or the row"
                )
            answer = found[1].strip()
        if not answer:
            raise UnusableError("its answer is empty; write one or take the row out")
        return answer, stood

    def _asked(self, row: Row) -> Any:
        """The question's cell: a text, or a chat, which a table has as JSON's text."""
        held = cell(row, self.question) if self.question else None
        if isinstance(held, str) and held.lstrip().startswith("[{"):
            with suppress(ValueError, RecursionError):
                return read_json(held)
        return held

    def _held(self, row: Row, name: str) -> list[Any]:
        if name in self.paths:
            return [_filled_in("columns.images", self.paths[name].render, self._context(row))]
        value = cell(row, name)
        if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
            value = listed(value)  # as a table has several
        if not isinstance(value, list):
            return [] if value is None else [value]
        if any(held is None for held in value):
            raise UnusableError(f"an image in its column '{name}' is empty; name it or take it out of the list")
        return value

    def _context(self, row: Row) -> Row:
        return dict.fromkeys(self.known) | row

    def _first(self, *names: str) -> str | None:
        return next((name for name in names if name in self.known), None)

    def _template(self, key: str, text: str | None) -> Any:
        if text is None:
            return None
        self._mention(key, text)
        return self.environment.from_string(text)

    def _expression(self, key: str, text: str | None) -> Any:
        if text is None:
            return None
        self._mention(key, f"{{{{ {text} }}}}")
        return self.environment.compile_expression(text)

    def _mention(self, key: str, text: str) -> None:
        try:
            names = meta.find_undeclared_variables(self.environment.parse(text))
        except (TemplateError, ValueError, RecursionError) as error:
            raise UserError(f"{key}: {shown(text)} can't be read: {error}") from error
        for name in sorted(names - {key}):  # in a template of its own, `question` or `answer` is the mapped column
            if name not in self.known:
                raise UserError(f"{key}: the rows have no column '{name}'{nearest(name, self.known)}")
        self.mentioned |= names

    def _check_columns(self) -> None:
        named = self.source.columns.model_dump(exclude={"images", *self.made}, exclude_none=True)
        plain = [("images", name) for name in self.images if name not in self.paths]
        for key, name in (*named.items(), *plain):
            if name.partition(".")[0] not in self.known:
                raise UserError(f"columns.{key}: the rows have no column '{name}'{nearest(name, self.known)}")

    def _check_media(self, rows: list[Row], media: Mapping[str, str]) -> None:
        """Raise for a column that holds what nobody reads: the model would be asked about what it is not shown."""
        read = {*self.images, *self.mentioned, *self.source.ignore_columns}
        read |= {name for name in self.source.columns.model_dump(exclude={"images"}).values() if name}
        if self.question:
            read.add(self.question)
        for name in self.known:
            holds = media.get(name) or _media_of([row.get(name) for row in rows])
            if holds and name not in read:
                fix = "name it in columns.images or in" if holds in {"images", "bytes"} else "name it in"
                raise UserError(f"columns: '{name}' holds {holds}, which nothing reads; {fix} ignore_columns")


def cell(row: Row, name: str) -> Any:
    """A column's value, dots reaching into nested ones; None where it isn't there."""
    if name in row:
        return row[name]
    value: Any = row
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _name(row: Row, column: str | None) -> str | None:
    value = cell(row, column) if column else None
    # Half of a surrogate pair can't be written into any file.
    return None if value is None else str(value).encode("utf-8", "backslashreplace").decode()


def _filled_in(key: str, template: Callable[..., Any], context: Row) -> Any:
    """What a template or an expression makes of a row."""
    try:
        return template(**context)
    except (TemplateError, ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise UnusableError(f"{key} fails on it ({error}); fix the template or the row") from error


def lettered(options: Any) -> str:
    """Choices as lines, `(A) ...`; see `as_choices`. A choice that is its letter stands alone."""
    named = zip(LETTERS, as_choices(options), strict=False)
    return "\n".join(f"({name})" if text == name else f"({name}) {text}" for name, text in named)


def _text(what: str, value: Any) -> str:
    """A cell as text. Booleans become yes and no, whole numbers lose their `.0`."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float | Decimal) and not math.isfinite(value):
        if math.isnan(value):
            return ""
        raise UnusableError(f"its {what} is {value}, which is no number to write; write it as text, such as \\infty")
    if isinstance(value, float | Decimal) and value == int(value):
        return str(int(value))
    if isinstance(value, date | time):
        return value.isoformat()
    if not isinstance(value, str | int | float | Decimal):
        raise UnusableError(f"its {what} is a {type(value).__name__}, not a text or a number")
    text = str(value).strip()
    if text in MISSING:
        return ""
    if not text.isprintable() and any("\ud800" <= character <= "\udfff" for character in text):
        raise UnusableError(f"its {what} holds half of a surrogate pair, which is no text; fix it")
    return text


def _joined(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def _media_of(values: list[Any]) -> str | None:
    """What a text file's column holds where all of its values are paths or bytes of images, sound or video."""
    cells = [each for value in values for each in (value if isinstance(value, list) else [value])]
    held = [each.get("bytes") or each.get("path") if isinstance(each, Mapping) else each for each in cells]
    flat = [each for each in held if each is not None]
    if not flat or not all(isinstance(each, str) for each in flat):
        return None
    if all(map(holds_image, flat)):
        return "images"
    endings = [found[1].lower() if (found := MEDIA_PATH.fullmatch(each.strip())) else "" for each in flat]
    return next((kind for kind, known in KINDS.items() if all(ending in known for ending in endings)), None)
