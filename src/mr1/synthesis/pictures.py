"""Where pictures come from: files of one's own, or scenes of a procedural task."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from PIL import Image

from mr1.data.images import decode
from mr1.data.opening import named_files
from mr1.errors import UnusableError, UserError
from mr1.synthesis.row import Dropped
from mr1.synthesis.settings import Images, Make
from mr1.tables import encode_images
from mr1.tasks import load_task
from mr1.types import Sample

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")
"""Of a folder's files, those that are taken for pictures; a pattern takes what it names."""
SUFFIXES = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp"}
STEP = "picture"
"""Where a file is dropped that is no picture, or one that is there already."""


@dataclass(frozen=True)
class Picture:
    """One picture, encoded."""

    id: str
    data: bytes
    suffix: str
    origin: dict[str, Any]
    """Where it came from."""
    sample: Sample | None = None
    """The scene that it shows; None of a file."""

    @property
    def file(self) -> str:
        """Its name below the make's folder."""
        return f"images/{self.id}.{self.suffix}"

    @cached_property
    def url(self) -> str:
        """As models are shown it."""
        kind = {"jpg": "jpeg"}.get(self.suffix, self.suffix)
        return f"data:image/{kind};base64,{base64.b64encode(self.data).decode()}"


def pictures(make: Make) -> Iterator[Picture | Dropped]:
    """All pictures in their order, and what can't be used as one.

    Raises:
        UserError: there are none.
    """
    return _scenes(make) if make.scenes.task else _files(make.images)


def _scenes(make: Make) -> Iterator[Picture]:
    assert make.scenes.task, "`pictures` says so"
    task = load_task(make.scenes.task, image_size=make.scenes.image_size)
    for index in range(make.scenes.count):
        sample = task.sample(make.scenes.split, make.seed, index)
        origin = {"task": make.scenes.task, "split": make.scenes.split, "seed": make.seed, "index": index}
        yield Picture(sample.id.replace("/", "-"), encoded(sample.images[0]), "png", origin, sample)


def _files(images: Images) -> Iterator[Picture | Dropped]:
    seen: dict[str, str] = {}
    for file in islice(find_files(images), images.limit):
        try:
            pixels = decode(file)
        except UnusableError as error:
            yield Dropped(str(file), STEP, str(error))
            continue
        data = encoded(pixels)
        name = hashlib.sha256(data).hexdigest()[:16]
        if name in seen:
            yield Dropped(str(file), STEP, f"it is the same picture as {seen[name]}")
            continue
        seen[name] = str(file)
        yield Picture(name, data, SUFFIXES[str(Image.open(io.BytesIO(data)).format)], {"file": str(file)})


def find_files(images: Images) -> Iterator[Path]:
    """The files that are taken for pictures, by their names.

    Raises:
        UserError: there are none.
    """
    path = Path(str(images.path))
    below = [file for file in path.rglob("*") if file.suffix.lower() in ENDINGS and file.is_file()]
    found = sorted(file for file in below if not file.name.startswith(".")) if path.is_dir() else named_files(path)
    if not found:
        raise UserError(
            f"images.path: no picture is in {path}; name a folder that has some ({', '.join(ENDINGS)}), or a pattern "
            "such as 'photos/*.jpg'"
        )
    return iter(found)


def encoded(image: Image.Image) -> bytes:
    """The file that an image was read from, where it shows the same; else one in PNG."""
    data: bytes = encode_images([image])[0]["bytes"]
    return data
