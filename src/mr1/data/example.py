"""A small data set to try one's own data with: `mr1 data example FOLDER`.

It writes counting problems twice, with images by path: `problems.jsonl` has a question and an answer in each row,
`chats.jsonl` has the prompt as a list of messages, as TRL takes it. Nothing is downloaded.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mr1.tasks import load_task


def write_example(folder: Path, rows: int = 64) -> None:
    """Write images and both files below `folder`, which is made where it is missing."""
    task = load_task("counting")
    (folder / "images").mkdir(parents=True, exist_ok=True)
    problems: list[dict[str, Any]] = []
    chats: list[dict[str, Any]] = []
    for index in range(rows):
        sample = task.sample("train", 0, index)
        path = f"images/{index:04d}.png"
        sample.images[0].save(folder / path)
        shared = {"id": f"scene-{index:04d}", "images": [path], "answer": sample.answer}
        problems.append(shared | {"question": sample.question, "reasoning": sample.reasoning})
        content = [{"type": "image"}, {"type": "text", "text": sample.question}]
        chats.append(shared | {"prompt": [{"role": "user", "content": content}]})
    for name, lines in (("problems.jsonl", problems), ("chats.jsonl", chats)):
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        (folder / name).write_text(text, encoding="utf-8")
