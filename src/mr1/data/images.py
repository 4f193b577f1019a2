"""Images as rows hold them, and how they become pixels.

A row holds an image as a path or a `file://` URL, bytes, base64 in any of its spellings, a mapping that holds one of
these, such as `datasets`' struct of bytes and path or OpenAI's `image_url`, or a PIL image. It stays that until its
sample is made.
"""

from __future__ import annotations

import ast
import base64
import io
import re
import reprlib
import warnings
from collections.abc import Mapping
from functools import cache
from os import PathLike, fspath
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from mr1.errors import UnusableError
from mr1.tables import FILE
from mr1.whole import LARGEST_FILE, TooLargeError, check_size, read_whole

LARGEST = 178_956_970
"""Pixels. A larger image is refused before it is decoded, as a decompression bomb: PIL's own limit."""
LARGEST_KEPT = 4096 * 4096
"""Pixels. A larger image is scaled down to these when it is read: families look at one or two million."""
BAND = 2**22
"""Pixels of a larger image whose colours are worked out at a time; that takes several times their own memory."""
REFUSED = {"EPS"}
"""Formats for which Pillow starts another program."""

# PIL warns from half of LARGEST on. Filters that are set for a while are no matter of one thread alone.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

HOLDERS = ("bytes", "path", "image", "image_url", "url", "base64", "data", "source")
"""Keys under which mappings hold images; the first that holds something counts."""
DEEPEST = 4
"""Mappings within mappings."""
SHORTEST_BASE64 = 40
"""Characters of base64 without a prefix; a shorter text is a path. The smallest image's file takes more."""
LONGEST_PATH = 4096
"""Bytes, Linux's limit."""
_BRIEF = reprlib.Repr()
_BRIEF.maxstring = _BRIEF.maxother = 77
SHOWN = 200
"""Characters of a path that a message shows."""

_DATA_URI = re.compile(r"(?:data:)?([^,]{0,200};base64|base64),|data:([^,]{0,200}),", re.IGNORECASE)
"""With the mark of base64, or what is to be said otherwise; the `data:` is left out at times."""
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]{1,20})://", re.IGNORECASE)
_FILE_URL = re.compile(r"file:(?://(?:localhost(?=/))?)?", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/]*+={0,4}")
_BYTES_LITERAL = re.compile(r"b(['\"]).*\1", re.DOTALL)
_URL_SAFE = str.maketrans("-_", "+/")
_BEGINNINGS = re.compile(
    rb"\x89PNG|\xff\xd8\xff|GIF8|RIFF.{4}WEBP|BM.{4}\x00{4}|II\*\x00|MM\x00\*|\x00\x00\x01\x00|P[1-6]\s|"
    rb"\x00{3}.ftyp|\x00{3}\x0cjP|\xff\x4f\xff\x51|8BPS|DDS ",
    re.DOTALL,
)
"""How images' files begin, in the formats that rows have them in."""


def find(held: Any, root: Path) -> Path | bytes | Image.Image:
    """What a row's cell stands for: a file, an encoded image, or an image.

    Args:
        held: the cell; not None.
        root: what a relative path is relative to.

    Raises:
        UnusableError: an address, a missing file, damaged base64, more than is read, or nothing that holds an image.
    """
    held = _taken_out(held)
    if isinstance(held, bytes | str):
        try:
            check_size(len(held), LARGEST_FILE)
        except TooLargeError as error:
            raise UnusableError(f"an image in the row is too large: {error}; scale it down, or replace it") from error
    if isinstance(held, Image.Image):
        return held
    if isinstance(held, bytes):
        return _text_in_bytes(held) or held
    if not isinstance(held, str) or not held.strip():
        raise UnusableError(f"an image is {_shortened(held)}, which is no path, bytes, base64 or PIL image")
    if (encoded := _encoded(held)) is not None:
        return encoded
    if _FILE_URL.match(held):
        return _file(_FILE_URL.sub("", held, count=1), root)
    if _SCHEME.match(held):
        raise UnusableError(f"image {_shortened(held)} is an address; download it and name the file")
    return _file(held, root)


def holds_image(text: str) -> bool:
    """Whether a text is an encoded image for certain: by its `data:image`, or as base64 of how images' files begin."""
    if found := _DATA_URI.match(text.lstrip()):
        return found[1] is not None and found[1].lower().startswith(("image", ";base64", "base64"))
    if len(text) < SHORTEST_BASE64:
        return False
    start = re.split("[=%]", "".join(unquote(text[:120]).split()))[0]
    decoded = _decoded(start[: len(start) // 4 * 4])
    return decoded is not None and _BEGINNINGS.match(decoded) is not None


def decode(found: Path | bytes | Image.Image) -> Image.Image:
    """An RGB image of 8 bits a channel, upright, transparency on white, no larger than LARGEST_KEPT.

    Where that is what its file shows, the file goes with it (`tables.FILE`).

    Raises:
        UnusableError: no image, a damaged or cut one, one that is too large, or pixels without a known range.
    """
    name = f"image {_named(found)}" if isinstance(found, Path) else "an image in the row"
    try:
        if isinstance(found, Image.Image):
            return _upright_rgb(found, name)
        file = read_whole(found, LARGEST_FILE) if isinstance(found, Path) else found
        with open_image(file) as image:
            pixels = _upright_rgb(image, name)
            if _shows_the_same(image, pixels):
                pixels.info[FILE] = file
            return pixels
    except Image.DecompressionBombError as error:
        raise UnusableError(f"{name} has more than {LARGEST} pixels; scale it down") from error
    except UnidentifiedImageError as error:
        raise UnusableError(f"{name} is no image in a known format; replace it") from error
    except TooLargeError as error:
        raise UnusableError(f"{name} is too large: {error}; scale it down, or replace it") from error
    except (UnusableError, MemoryError):
        raise
    except Exception as error:  # PIL's decoders raise whatever damaged bytes lead them to
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UnusableError(f"{name} is damaged ({reason}); replace it") from error


def open_image(file: bytes) -> Image.Image:
    """An image that isn't decoded yet, of any format that Pillow reads by itself. Raises whatever Pillow raises."""
    return Image.open(io.BytesIO(file), formats=_formats())


@cache
def _formats() -> list[str]:
    """The formats that are read, in the order in which Pillow tries them."""
    Image.init()
    return [name for name in Image.ID if name not in REFUSED]


def _shows_the_same(image: Image.Image, pixels: Image.Image) -> bool:
    """Whether an opened image's file, looked at anywhere, shows the pixels that were made of it."""
    known = image.format in ("PNG", "JPEG", "WEBP") and image.mode == "RGB" and not image.has_transparency_data
    upright = image.getexif().get(ExifTags.Base.Orientation, 1) == 1
    return known and upright and image.size == pixels.size


def _upright_rgb(image: Image.Image, name: str) -> Image.Image:
    image.load()
    if not image.width * image.height:
        raise UnusableError(f"{name} has no pixels ({image.width}x{image.height}); replace it")
    image = ImageOps.exif_transpose(image)
    if image.mode == "F":
        raise UnusableError(f"{name} has floating-point pixels, whose range is unknown; save it with 8 or 16 bits")
    pixels = image.width * image.height
    if pixels <= LARGEST_KEPT:
        image = _rgb(image)
    else:
        whole, rows = image, max(1, BAND // image.width)
        image = Image.new("RGB", whole.size)
        for top in range(0, image.height, rows):
            box = (0, top, image.width, min(top + rows, image.height))
            image.paste(_rgb(whole.crop(box)), box)
        factor = (LARGEST_KEPT / pixels) ** 0.5
        size = max(1, int(image.width * factor)), max(1, int(image.height * factor))
        image = image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    return image


def _rgb(image: Image.Image) -> Image.Image:
    """The colours of an image of any mode, on white."""
    if image.mode.startswith("I"):
        # 16 bits a pixel; PIL's own conversion would cut at 255 and leave nearly all of it white.
        image = Image.fromarray((np.asarray(image).astype(np.float64).clip(0, 65535) / 257).round().astype(np.uint8))
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return image.convert("RGB")


def _taken_out(held: Any) -> Any:
    """What mappings hold; other kinds of bytes and paths as bytes and texts."""
    for _ in range(DEEPEST):
        if not isinstance(held, Mapping):
            break
        held = next((held[key] for key in HOLDERS if held.get(key) not in (None, "", b"")), None)
    if isinstance(held, list) and held and all(type(each) is int and 0 <= each < 256 for each in held):
        return bytes(held)  # as JSON has bytes
    if isinstance(held, bytearray | memoryview):
        return bytes(held)
    return fspath(held) if isinstance(held, PathLike) else held


def _text_in_bytes(held: bytes) -> bytes | None:
    """What bytes encode that are themselves a text; None for an image's own bytes."""
    if _BEGINNINGS.match(held) or not held.isascii():
        return None
    return _encoded(held.decode("ascii"))


def _encoded(text: str) -> bytes | None:
    """The bytes that a string encodes; None where it may be a path.

    Raises:
        UnusableError: it says that it is encoded, and can't be decoded.
    """
    text = text.strip()
    if text[:1] in ("'", '"') and text[:1] == text[-1:]:
        text = text[1:-1]
    if _BYTES_LITERAL.fullmatch(text):  # what Python's str() makes of bytes
        try:
            held = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError):
            return None
        return _text_in_bytes(held) or held
    if uri := _DATA_URI.match(text):
        if uri[1] is None:
            raise UnusableError(f"image {_shortened(text)} is no base64; encode it so, or name a file")
        return _sound(_decoded(text[uri.end() :]), text)
    if len(text) < SHORTEST_BASE64:
        return None
    if holds_image(text):
        return _sound(_decoded(text), text)
    decoded = _decoded(text) if len(text) > LONGEST_PATH else None
    return decoded if decoded is not None and _is_known(decoded) else None


def _is_known(file: bytes) -> bool:
    """Whether PIL knows a file's format, of those too that begin with nothing that tells them from other bytes."""
    try:
        open_image(file).close()
    except Exception:  # whatever its plugins raise
        return False
    return True


def _sound(decoded: bytes | None, text: str) -> bytes:
    if decoded is None:
        raise UnusableError(f"the base64 of image {_shortened(text)} is damaged; encode it again")
    return decoded


def _decoded(text: str) -> bytes | None:
    """What base64 says, in either alphabet, with line ends, percent signs for characters, padding or none; or None."""
    text = "".join((unquote(text) if "%" in text else text).split()).translate(_URL_SAFE)
    digits = text.rstrip("=")
    if not _BASE64.fullmatch(text) or len(digits) % 4 == 1:
        return None
    return base64.b64decode(digits + "=" * (-len(digits) % 4))


def _file(name: str, root: Path) -> Path:
    """An existing file; its name may have percent signs for characters, as in a URL.

    Raises:
        UnusableError: there is none.
    """
    path = root / name
    try:
        if path.is_file():
            return path
        if "%" in name and (root / unquote(name)).is_file():
            return root / unquote(name)
        folder = path.is_dir()
    except OSError as error:
        raise UnusableError(f"image {_shortened(name)} can't be opened ({error.strerror}); fix the path") from error
    if folder:
        raise UnusableError(f"image {_named(path)} is a folder; name the file in it")
    raise UnusableError(f"image {_named(path)} doesn't exist; fix the path or set image_root")


def _named(path: Path) -> str:
    """A path for a message: on one line, not too long for one, and of characters that can be written."""
    text = str(path)
    return text if text.isprintable() and len(text) <= SHOWN else _shortened(text)


def _shortened(value: Any) -> str:
    text = _BRIEF.repr(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
