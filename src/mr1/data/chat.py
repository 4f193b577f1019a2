"""Prompts as chats, and the places of images in words.

Chats are TRL's and OpenAI's messages (`role`, `content`) or ShareGPT's and LLaVA's turns (`from`, `value`). Images are
parts of a message, which hold them or are placeholders, or stand in the words: `<image>`, `<image_1>`, `<image 2>`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from mr1.errors import UnusableError, listing
from mr1.types import IMAGE_PLACE

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "model": "assistant",
}
"""What turns are called, and which role of a chat template that is."""
TEXTS = ("text", "input_text")
IMAGES = ("image", "image_url", "input_image")
"""Types of parts."""
HELD = ("image", "image_url", "url", "path", "base64", "bytes", "source")
"""Keys under which a part holds its image."""
_PLACE = re.compile(r"<image(?:[ _-]?(\d{1,3}))?>", re.IGNORECASE)
_IN_FRONT = re.compile(rf"(?:\s*{IMAGE_PLACE})+\s*")


def read_chat(prompt: Sequence[Any], column: Sequence[Any]) -> tuple[str, tuple[dict[str, Any], ...], list[Any]]:
    """A chat in the one form that chat templates take: every content a list of parts, images as placeholders.

    As in TRL, images of a column take the placeholders in order, or by their numbers (`<image_2>`); where the chat has
    none, they stand before the words of the first user's turn. A part may also hold its image itself
    (`{"type": "image", "image": ...}`).

    Args:
        prompt: messages of `role` and `content`, a text or a list of parts; or turns of `from` and `value`.
        column: what the row's image columns hold.

    Returns:
        The last user's words, the messages, and what is held for each image in the order of the placeholders.

    Raises:
        UnusableError: no message, an unknown role or part, an assistant's turn at the end, or images and placeholders
            that are not equally many.
    """
    messages = [_message(each) for each in prompt]
    if not messages or messages[-1]["role"] != "user":
        raise UnusableError("its prompt doesn't end with a user's turn; put the assistant's in a column of its own")
    places = [part for message in messages for part in message["content"] if part["type"] == "image"]
    if column and not places:
        first = next(message for message in messages if message["role"] == "user")
        places = [{"type": "image"} for _ in column]
        first["content"] = places + first["content"]
    empty = [part for part in places if "image" not in part]
    numbers = [part.pop("number", "") for part in empty]
    for part, number, index in zip(empty, numbers, _order(numbers, len(column), "prompt"), strict=True):
        if index is None:
            part |= {"type": "text", "text": f"image {number}"}
        else:
            part["image"] = column[index]
    held = [part.pop("image") for part in places if part["type"] == "image"]
    words = " ".join(part["text"] for part in messages[-1]["content"] if part["type"] == "text")
    return words, tuple(messages), held


def ends_answered(prompt: Any) -> bool:
    """Whether a cell is a chat whose last turn is the assistant's: the answer to what is asked before it."""
    return isinstance(prompt, list) and len(prompt) > 1 and _role(prompt[-1]) == "assistant"


def last_words(prompt: Sequence[Any]) -> str:
    """What the last turn of a chat says."""
    return " ".join(part["text"] for part in _message(prompt[-1])["content"] if part["type"] == "text")


def place_images(question: str, images: Sequence[Any]) -> tuple[str, list[Any]]:
    """A question with IMAGE_PLACE for each image that has a place in its words, and the images in that order.

    Images in front of all words need no place: there they stand in any case. An image that is named once more
    (`<image 1>`) is shown once.

    Raises:
        UnusableError: images and places that don't agree.
    """
    if not _PLACE.search(question):
        return question, [*images]
    words, numbers = (_PLACE.split(question)[start::2] for start in (0, 1))
    order = _order([number or "" for number in numbers], len(images), "question")
    shown = [
        IMAGE_PLACE if index is not None else f"image {number}" for number, index in zip(numbers, order, strict=True)
    ]
    text = words[0] + "".join(place + after for place, after in zip(shown, words[1:], strict=True))
    in_front = _IN_FRONT.match(text)
    if in_front and IMAGE_PLACE not in text[in_front.end() :]:
        text = text[in_front.end() :]
    return text.strip(), [images[index] for index in order if index is not None]


def unplaced(question: str) -> str:
    """A question whose `<image1>` and `<image2>` are names in one image, as words; one name alone says nothing."""
    several = len(set(_PLACE.findall(question))) > 1
    return _PLACE.sub(lambda found: f"image {found[1] or ''}".strip() if several else "", question).strip()


def _order(numbers: Sequence[str], count: int, where: str) -> list[int | None]:
    """Which of `count` images stands in each place; None where it has been shown before.

    Args:
        numbers: what each place says, an empty text where it is the next image's.
        count: of the images.
        where: what has the places, for messages.
    """
    if not any(numbers):
        if len(numbers) != count:
            raise UnusableError(
                f"its {where} has room for {len(numbers)} images, its columns hold {count}; they must agree"
            )
        return [*range(count)]
    named = [int(number) if number else -1 for number in numbers]
    first = 0 if 0 in named else 1
    if {*named} != {*range(first, first + count)}:
        said = listing(number or "one without a number" for number in numbers)
        raise UnusableError(f"its {where} has room for the images {said}, its columns hold {count}; they must agree")
    return [number - first if number not in named[:place] else None for place, number in enumerate(named)]


def _role(message: Any) -> str | None:
    name = message.get("role") or message.get("from") if isinstance(message, Mapping) else None
    return ROLES.get(name) if isinstance(name, str) else None


def _message(message: Any) -> dict[str, Any]:
    role = _role(message)
    if role is None:
        named = message.get("role", message.get("from")) if isinstance(message, Mapping) else message
        raise UnusableError(f"its prompt has a message with the role {str(named)[:60]!r}; known: {', '.join(ROLES)}")
    content = message.get("content")
    content = message.get("value") if content is None else content
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    if not isinstance(content, list):
        raise UnusableError("its prompt has a message without content")
    return {"role": role, "content": [each for part in content for each in _parts(part)]}


def _parts(part: Any) -> list[dict[str, Any]]:
    """A part as parts: its words, and the images that have places in them."""
    part = {"text": part} if isinstance(part, str) else part
    kind = part.get("type") if isinstance(part, Mapping) else None
    if isinstance(part, Mapping):
        if kind in (None, *TEXTS) and isinstance(part.get("text"), str):
            return _words(part["text"])
        held = next((part[key] for key in HELD if part.get(key) is not None), None)
        if kind in IMAGES or (kind is None and held is not None):
            return [{"type": "image"} if held is None else {"type": "image", "image": held}]
    raise UnusableError(
        f"its prompt has a part of type {str(kind)[:60]!r}, which nothing reads; a part is text or an image"
    )


def _words(text: str) -> list[dict[str, Any]]:
    if not _PLACE.search(text):
        return [{"type": "text", "text": text}]
    words, numbers = (_PLACE.split(text)[start::2] for start in (0, 1))
    parts: list[dict[str, Any]] = []
    for before, number in zip(words, [*numbers, None], strict=True):
        parts += [{"type": "text", "text": before}] if before else []
        parts.append({"type": "image", "number": number or ""})
    return parts[:-1]
