"""Replies that are kept on disk, by all that they depend on: the model, the messages and the parameters.

A picture in a request stands there as its hash, so that a kept reply is as small as its words.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mr1.whole import read_text


def content_key(request: Mapping[str, Any]) -> str:
    """What tells requests apart: SHA-256 of their content."""
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


def file_of(folder: Path, key: str) -> Path:
    """Where the reply to a request of this key is kept."""
    return folder / key[:2] / f"{key}.json"


class Cache:
    """A folder with a file for each reply, which several processes may share; without a folder nothing is kept."""

    def __init__(self, folder: str | None) -> None:
        self.folder = Path(folder) if folder else None

    def get(self, request: Mapping[str, Any]) -> str | None:
        """The reply to a request; None where none is kept, or its file is damaged."""
        if self.folder is None:
            return None
        try:
            kept = json.loads(read_text(file_of(self.folder, content_key(request))))
            return str(kept["reply"]) if kept["request"] == request else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, request: Mapping[str, Any], reply: str) -> None:
        """Keep a reply. Raises OSError where the folder can't be written."""
        if self.folder is None:
            return
        file = file_of(self.folder, content_key(request))
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f".{file.name}.{os.getpid()}.{uuid.uuid4().hex}")
        draft.write_text(json.dumps({"request": request, "reply": reply}), encoding="utf-8")
        draft.replace(file)
