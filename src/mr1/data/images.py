"""Images as rows hold them, and how they become pixels.

A row holds an image as a path, bytes, base64 (with or without `data:image/...;base64,` before it), `datasets`' struct
of bytes and path, or a PIL image. It stays that until its sample is made.
"""

from __future__ import annotations

import base64
import binascii
import io
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from mr1.errors import UnusableError
from mr1.tables import FILE

LARGEST = 178_956_970
"""Pixels. A larger image is refused before it is decoded, as a decompression bomb: PIL's own limit."""
LARGEST_KEPT = 4096 * 4096
"""Pixels. A larger image is scaled down to these when it is read: families look at one or two million."""

# PIL warns from half of LARGEST on. Filters that are set for a while are no matter of one thread alone.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

DATA_URI = re.compile(r"data:image/[\w.+-]+;base64,")
BASE64 = re.compile(r"[A-Za-z0-9+/\s]++={0,2}\s*+")
"""What is taken is never given back: the time is linear in the text."""
SHORTEST_BASE64 = 64
"""Characters. A shorter string is a path: no image's file is so small."""
SCHEMES = ("http://", "https://", "s3://", "gs://", "hf://")


def find(held: Any, root: Path) -> Path | bytes | Image.Image:
    """What a row's cell stands for: a file, an encoded image, or an image.

    Args:
        held: the cell; not None.
        root: what a relative path is relative to.

    Raises:
        UnusableError: an address, a missing file, or nothing that holds an image.
    """
    if isinstance(held, Image.Image | bytes):
        return held
    if isinstance(held, Mapping):
        held = held.get("path") if held.get("bytes") is None else held["bytes"]
        if isinstance(held, bytes):
            return held
    if not isinstance(held, str) or not held.strip():
        raise UnusableError(f"an image is {_shortened(held)}, which is no path, bytes, base64 or PIL image")
    if held.startswith(SCHEMES):
        raise UnusableError(f"image {_shortened(held)} is an address; download it and name the file")
    if encoded := _base64(held):
        return encoded
    path = root / held
    try:
        there = path.is_file()
    except OSError as error:
        raise UnusableError(f"image {_shortened(held)} can't be opened ({error.strerror}); mend the path") from error
    if not there:
        raise UnusableError(f"image {path} doesn't exist; mend the path or set image_root")
    return path


def decode(found: Path | bytes | Image.Image) -> Image.Image:
    """An RGB image of 8 bits a channel, upright, transparency on white, no larger than LARGEST_KEPT.

    Where that is what its file shows, the file goes with it (`tables.FILE`).

    Raises:
        UnusableError: no image, a damaged or cut one, one that is too large, or pixels without a known range.
    """
    name = f"image {found}" if isinstance(found, Path) else "an image in the row"
    try:
        if isinstance(found, Image.Image):
            return _upright_rgb(found, name)
        file = found.read_bytes() if isinstance(found, Path) else found
        with Image.open(io.BytesIO(file)) as image:
            pixels = _upright_rgb(image, name)
            if _shows_the_same(image, pixels):
                pixels.info[FILE] = file
            return pixels
    except Image.DecompressionBombError as error:
        raise UnusableError(f"{name} has more than {LARGEST} pixels; scale it down") from error
    except UnidentifiedImageError as error:
        raise UnusableError(f"{name} is no image in a known format; replace it") from error
    except (UnusableError, MemoryError):
        raise
    except Exception as error:  # PIL's decoders raise whatever damaged bytes lead them to
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UnusableError(f"{name} is damaged ({reason}); replace it") from error


def _shows_the_same(image: Image.Image, pixels: Image.Image) -> bool:
    """Whether an opened image's file, looked at anywhere, shows the pixels that were made of it."""
    known = image.format in ("PNG", "JPEG", "WEBP") and image.mode == "RGB" and not image.has_transparency_data
    upright = image.getexif().get(ExifTags.Base.Orientation, 1) == 1
    return known and upright and image.size == pixels.size


def _upright_rgb(image: Image.Image, name: str) -> Image.Image:
    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode == "F":
        raise UnusableError(f"{name} has floating-point pixels, whose range is unknown; save it with 8 or 16 bits")
    if image.mode.startswith("I"):
        # 16 bits a pixel; PIL's own conversion would cut at 255 and leave nearly all of it white.
        image = Image.fromarray((np.asarray(image).astype(np.float64).clip(0, 65535) / 257).round().astype(np.uint8))
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    image = image.convert("RGB")
    pixels = image.width * image.height
    if pixels > LARGEST_KEPT:
        factor = (LARGEST_KEPT / pixels) ** 0.5
        size = max(1, int(image.width * factor)), max(1, int(image.height * factor))
        image = image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    return image


def _base64(text: str) -> bytes | None:
    """The bytes that a string encodes; None where it is no base64."""
    uri = DATA_URI.match(text)
    if uri is None and (len(text) < SHORTEST_BASE64 or not BASE64.fullmatch(text)):
        return None
    try:
        return base64.b64decode(text[uri.end() :] if uri else text, validate=False)
    except binascii.Error as error:
        if uri is None:
            return None
        raise UnusableError(f"the base64 of image {_shortened(text)} is damaged ({error}); encode it again") from error


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
