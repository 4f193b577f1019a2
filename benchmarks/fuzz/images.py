"""Odd values as images: formats, damaged or whole, in every spelling; texts, numbers, structures; bombs."""

from __future__ import annotations

import base64
import io
import random
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.fuzz.kinds import WrongError, said
from mr1.data.images import HOLDERS, LARGEST_KEPT, decode, find
from mr1.errors import UnusableError

BEGINNINGS = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    b"#define a_width 9\n#define a_height 9\n",
    b"SIMPLE  =                    T",
    *(b"/* XPM */\n", b"8BPS\0\1", b"\x59\xa6\x6a\x95", b"\xd7\xcd\xc6\x9a", b"BUFR", b"GRIB", b"\x89HDF\r\n\x1a\n"),
    *(b"BLP1", b"BLP2", b"\0\0\2\0\1\0", b"\xb1\x68\xde\x3a", b"FTC\0", b"P7 332\n", b"\x1c\2", b"\0\0\1\xb3", b"icns"),
    *(b"\0\0\0\0\0\0\4\0", b"\x80\xe8\0\0", b"\0\0\0\x20ftypavif", b"\xff\x4f\xff\x51", b"MM\0*", b"LinS"),
)
"""How files begin in the formats that Pillow opens and can't write."""
BOMB = 13_000
"""Pixels of a side: nearly as large as an image may be."""
PREFIXES = (
    "",
    "data:image/png;base64,",
    "data:image;base64,",
    "data:;base64,",
    "data:image/png,",
    "data:video/mp4;base64,",
)


def _files() -> list[bytes]:
    """A small image in each format that Pillow writes and opens, and in odd modes."""
    noise = Image.effect_noise((24, 16), 60)
    Image.init()
    pictures = [(noise.convert(mode), kind) for kind in sorted({*Image.SAVE} & {*Image.OPEN}) for mode in ("RGB", "1")]
    pictures += [(noise.convert(mode), "PNG") for mode in ("1", "L", "LA", "P", "RGBA", "I;16")]
    pictures += [(noise.convert("CMYK"), "JPEG"), (noise.convert("F"), "TIFF")]
    files = []
    for picture, kind in pictures:
        buffer = io.BytesIO()
        with suppress(OSError, ValueError):  # a mode that the format has not
            picture.save(buffer, kind)
            files.append(buffer.getvalue())
    return files


@cache
def _bombs() -> list[bytes]:
    """Images of very many pixels in files of some kilobytes."""
    files = []
    for mode, kind in (("L", "PNG"), ("I;16", "PNG"), ("RGBA", "PNG"), ("P", "GIF"), ("1", "TIFF")):
        buffer = io.BytesIO()
        Image.new(mode, (BOMB, BOMB)).save(buffer, kind, **({"compression": "group4"} if kind == "TIFF" else {}))
        files.append(buffer.getvalue())
    return files


FILES = _files()


def _damaged(rng: random.Random) -> bytes:
    file = bytearray(rng.choice(FILES))
    for _ in range(rng.randrange(4)):
        place = rng.randrange(len(file) + 1)
        file[place : place + rng.choice((0, 1, 4, len(file)))] = rng.randbytes(rng.randrange(6))
    return bytes(file)


def _begun(rng: random.Random) -> bytes:
    return rng.choice(BEGINNINGS) + rng.choice((rng.randbytes(rng.randrange(300)), bytes(300), rng.choice(FILES)))


def _base64(rng: random.Random) -> Any:
    text = rng.choice((base64.b64encode, base64.urlsafe_b64encode))(_damaged(rng)).decode()
    text = text.rstrip("=") + rng.choice(("", "=", "==", "==="))
    for _ in range(rng.choice((0, 0, 0, 1, 3))):
        place = rng.randrange(len(text) + 1)
        text = text[:place] + rng.choice(("\n", " ", "=", "%2B", "!", "é", "\0", "\ud800")) + text[place:]
    text = rng.choice(PREFIXES) + text
    return rng.choice((text, text, text.encode("utf-8", "replace"), str(text.encode("utf-8", "replace"))))


def _path(rng: random.Random) -> Any:
    name = rng.choice(("a.png", "folder", "a b.png", "gone.png", "..", "/", "~", "%", "a\0b", "\ud800", "é" * 300, ""))
    return rng.choice(("", "", "file:", "file://", "file:///", "http://", "s3://", "C:\\")) + name


def _text(rng: random.Random) -> str:
    length = int(10 ** rng.uniform(0, 5))
    if rng.random() < 0.5:
        return "".join(rng.choices("ABCxyz019+/=-_ \n%.", k=length))
    return "".join(chr(rng.randrange(0x110000)) for _ in range(length // 10))


def _plain(rng: random.Random) -> Any:
    odd: tuple[Any, ...] = (
        None,
        True,
        0,
        -1,
        10**400,
        1.5,
        float("nan"),
        [],
        {},
        (),
        b"",
        "",
        set(),
        object(),
        [1, 2, 300],
        [[1]],
    )
    return rng.choice(odd)


def _bytes(rng: random.Random) -> bytes:
    return rng.randbytes(int(10 ** rng.uniform(0, 4)))


def _nested(rng: random.Random) -> Any:
    held = rng.choice((_damaged, _base64, _path, _text, _plain))(rng)
    for _ in range(rng.choice((1, 1, 2, 3, 6, 2000))):
        key = rng.choice((*HOLDERS, "type", "", 3, None))
        held = [held] if rng.random() < 0.1 else {"type": "image_url", key: held}
    return held


KINDS: dict[Callable[[random.Random], Any], float] = {
    _damaged: 20,
    _begun: 10,
    _base64: 15,
    _path: 10,
    _text: 10,
    _plain: 5,
    _bytes: 10,
    _nested: 20,
}
"""How to draw a value, and how many of a hundred are drawn so."""


class Images:
    """A value is an RGB image, or a row that can't be used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "folder").mkdir()
        for name in ("a.png", "a b.png"):
            (folder / name).write_bytes(FILES[0])

    def draw(self, rng: random.Random, number: int) -> Any:
        if number % 1000 == 999:
            return rng.choice(_bombs())
        return rng.choices(list(KINDS), list(KINDS.values()))[0](rng)

    def kept(self, file: Path) -> bytes:
        return file.read_bytes()

    def read(self, value: Any) -> str:
        try:
            image = decode(find(value, self.folder))
        except UnusableError as error:
            if "\n" in str(error):
                raise WrongError("a message on several lines") from error
            return said(error)
        if image.mode != "RGB" or image.width * image.height > LARGEST_KEPT:
            raise WrongError(f"an image in mode {image.mode} of {image.width}x{image.height}")
        return "read"
