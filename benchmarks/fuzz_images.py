"""Read odd values as images; print what became of them, and the longest time of a processor.

    python benchmarks/fuzz_images.py --values 50000 --seed 0

Every value is drawn from (seed, index) alone: images in ten formats, whole and damaged, as bytes, base64 in every
spelling, `data:` URIs, files and `file://` URLs, inside mappings and lists, and texts, numbers and structures that are
no images. Each must become an RGB image or an `UnusableError` of one line. Whatever else is raised is counted by its
type, and makes the command exit with 1.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import random
import sys
import tempfile
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from mr1.data.images import HOLDERS, decode, find
from mr1.errors import UnusableError

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "TGA", "ICO", "JPEG2000")
PREFIXES = (
    "",
    "data:image/png;base64,",
    "data:image;base64,",
    "data:;base64,",
    "data:image/png,",
    "data:video/mp4;base64,",
)
LONGEST_LINE = 1000
"""Characters of a message."""


def _files() -> list[bytes]:
    """A small image in each format, and in odd modes."""
    noise = Image.effect_noise((24, 16), 60)
    pictures = [(noise.convert("RGB"), kind) for kind in FORMATS]
    pictures += [(noise.convert(mode), "PNG") for mode in ("1", "L", "LA", "P", "RGBA", "I;16")]
    pictures += [(noise.convert("CMYK"), "JPEG"), (noise.convert("F"), "TIFF")]
    files = []
    for picture, kind in pictures:
        buffer = io.BytesIO()
        picture.save(buffer, kind)
        files.append(buffer.getvalue())
    return files


FILES = _files()


def _damaged(rng: random.Random) -> bytes:
    file = bytearray(rng.choice(FILES))
    for _ in range(rng.randrange(4)):
        place = rng.randrange(len(file) + 1)
        file[place : place + rng.choice((0, 1, 4, len(file)))] = rng.randbytes(rng.randrange(6))
    return bytes(file)


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
    _base64: 25,
    _path: 10,
    _text: 10,
    _plain: 5,
    _bytes: 10,
    _nested: 20,
}
"""How to draw a value, and how many of a hundred are drawn so."""


def fuzz(values: int, seed: int, root: Path) -> dict[str, Any]:
    """Read so many values; see the module for what must become of them."""
    (root / "folder").mkdir()
    for name in ("a.png", "a b.png"):
        (root / name).write_bytes(FILES[0])
    became: defaultdict[str, Counter[str]] = defaultdict(Counter)
    longest = 0.0
    start = time.perf_counter()
    for index in range(values):
        rng = random.Random(f"{seed}/{index}")
        kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
        value = kind(rng)
        before = time.process_time()
        became[kind.__name__.strip("_")][_read(value, root)] += 1
        longest = max(longest, time.process_time() - before)
    return {
        "values": values,
        "seed": seed,
        "seconds": round(time.perf_counter() - start, 1),
        "longest_seconds": round(longest, 3),
        "kinds": {name: dict(sorted(counts.items())) for name, counts in sorted(became.items())},
        "all": dict(sum(became.values(), Counter[str]())),
    }


def _read(value: Any, root: Path) -> str:
    try:
        image = decode(find(value, root))
    except UnusableError as error:
        said = str(error)
        fits = "\n" not in said and len(said) <= LONGEST_LINE and said.encode("utf-8", "replace").decode() == said
        return "named" if fits else "named, but not on one line that can be written"
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:80]
    return "image" if image.mode == "RGB" else f"image in mode {image.mode}"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--values", type=int, default=50_000, help="how many (default: 50000)")
    parser.add_argument("--seed", type=int, default=0, help="other values for another seed (default: 0)")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # what PIL says of damaged files
    with tempfile.TemporaryDirectory() as folder:
        result = fuzz(arguments.values, arguments.seed, Path(folder))
    print(json.dumps(result, indent=2))
    sys.exit(0 if result["all"].keys() <= {"image", "named"} else 1)


if __name__ == "__main__":
    main()
