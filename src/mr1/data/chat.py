"""Prompts as chats: TRL's conversational format, with images as parts of a message or in a column of their own."""

from __future__ import annotations

from typing import Any

from mr1.errors import UnusableError

ROLES = ("system", "user", "assistant")


def read_chat(prompt: list[Any], column: list[Any]) -> tuple[str, tuple[dict[str, Any], ...], list[Any]]:
    """A chat in the one form that chat templates take: every content a list of parts, images as placeholders.

    As in TRL, images of a column take the placeholders in order; where the chat has none, they stand before the words
    of the first user's turn. A part may also hold its image itself (`{"type": "image", "image": ...}`).

    Args:
        prompt: messages of `role` and `content`, a text or a list of parts.
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
    parts = [part for message in messages for part in message["content"]]
    if column and not any(part["type"] == "image" for part in parts):
        first = next(message for message in messages if message["role"] == "user")
        first["content"] = [{"type": "image"} for _ in column] + first["content"]
        parts = [part for message in messages for part in message["content"]]
    places = [part for part in parts if part["type"] == "image"]
    empty = [part for part in places if "image" not in part]
    if len(empty) != len(column):
        raise UnusableError(
            f"its prompt has room for {len(empty)} images, its columns hold {len(column)}; they must agree"
        )
    waiting = iter(column)
    held = [part.pop("image") if "image" in part else next(waiting) for part in places]
    words = " ".join(part["text"] for part in messages[-1]["content"] if part["type"] == "text")
    return words, tuple(messages), held


def _message(message: Any) -> dict[str, Any]:
    if not isinstance(message, dict) or message.get("role") not in ROLES:
        role = message.get("role") if isinstance(message, dict) else message
        raise UnusableError(f"its prompt has a message with the role {role!r}; known: {', '.join(ROLES)}")
    content = message.get("content")
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    if not isinstance(content, list):
        raise UnusableError("its prompt has a message without content")
    return {"role": message["role"], "content": [_part(part) for part in content]}


def _part(part: Any) -> dict[str, Any]:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text" and isinstance(part.get("text"), str):
        return {"type": "text", "text": part["text"]}
    if kind == "image":
        held = part.get("image")
        return {"type": "image"} if held is None else {"type": "image", "image": held}
    raise UnusableError(f"its prompt has a part of type {kind!r}, which nothing reads; a part is text or an image")
