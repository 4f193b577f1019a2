"""Chats: messages of any shape, as a row's prompt, down to the tokens that a model is given."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from benchmarks.fuzz.kinds import said
from benchmarks.fuzz.rows import picture
from mr1.config import PROMPT
from mr1.config.reading import make_source
from mr1.data.source import SourceTask
from mr1.errors import UserError
from mr1.models.loading import load_vlm

TEXTS = (
    *("", " ", "How many?", "<image>", "<image_1>", "<image 2> and <image1>", "<image>" * 300, "{question}", "[{"),
    *(
        "<|im_end|>",
        "<|image_pad|>",
        "<think>",
        "</answer>",
        "\0",
        "\ud800",
        "é",
        "日本" * 50,
        "{{ 7 * 7 }}",
        "x" * 20_000,
    ),
)
ROLES: tuple[Any, ...] = ("user", "human", "assistant", "gpt", "system", "tool", "", None, 3, [], {}, "USER")
PARTS = ("text", "image", "image_url", "input_text", "video", "audio", "", None, 7)
HELD: tuple[Any, ...] = ("a.png", "gone.png", "data:image/png;base64,AAAA", "http://x.invalid/a.png", None, 0, [])
HELD += ({"url": "a.png"}, {"url": None})


class Chats:
    """A row whose prompt is a chat is a prompt, or can't be used."""

    def __init__(self, folder: Path) -> None:
        (folder / "a.png").write_bytes(picture())
        self.folder, self.vlm = folder, load_vlm("tiny", weights=False)

    def draw(self, rng: random.Random, _number: int) -> Any:
        def anything(depth: int = 0) -> Any:
            if depth > 3 or rng.random() < 0.5:
                return rng.choice((*TEXTS, *HELD, -1, 1.5, True))
            if rng.random() < 0.5:
                return [anything(depth + 1) for _ in range(rng.randrange(3))]
            return {str(anything(9))[:20]: anything(depth + 1) for _ in range(rng.randrange(3))}

        def part() -> Any:
            if rng.random() < 0.1:
                return anything()
            kind = rng.choice(PARTS)
            return {"type": kind, rng.choice(("text", "image", "image_url", "path")): rng.choice((*TEXTS, *HELD))}

        def message() -> Any:
            if rng.random() < 0.05:
                return anything()
            content = rng.choice(TEXTS) if rng.random() < 0.4 else [part() for _ in range(rng.randrange(4))]
            role = "user" if rng.random() < 0.6 else rng.choice(ROLES)
            return {rng.choice(("role", "role", "from")): role, rng.choice(("content", "content", "value")): content}

        prompt = [message() for _ in range(rng.randrange(1, 4))] if rng.random() < 0.95 else anything()
        images = rng.choice(([], [], ["a.png"], ["a.png", "a.png"], "a.png", None, anything()))
        return {"prompt": prompt, "images": images, "answer": rng.choice(("7", "7", "7", anything()))}

    def kept(self, file: Path) -> Any:
        return json.loads(file.read_text(encoding="utf-8"))

    def read(self, value: Any) -> str:
        file = self.folder / "chat.jsonl"
        file.write_text(json.dumps(value) + "\n")
        try:
            task = SourceTask("own", make_source("own", {"path": str(file)}))
            prompt = self.vlm.prompt(task.sample("train", 0, 0), PROMPT)
        except UserError as error:
            return said(error)
        return "read" if len(prompt) else "empty"
