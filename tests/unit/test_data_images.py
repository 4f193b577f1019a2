"""Images: every way to hold one, every mode, and what is refused."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mr1.data.images import HOLDERS, LARGEST_KEPT, LONGEST_PATH, decode, find, holds_image
from mr1.errors import UnusableError


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pixel(image: Image.Image, place: tuple[int, int] = (0, 0)) -> Any:
    return image.getpixel(place)


RED = Image.new("RGB", (6, 4), "red")


def test_every_way_to_hold_an_image_gives_the_same_pixels(tmp_path: Path) -> None:
    data = encoded(RED)
    (tmp_path / "red.png").write_bytes(data)
    text = base64.b64encode(data).decode()
    for held in (
        "red.png",
        str(tmp_path / "red.png"),
        data,
        text,
        f"data:image/png;base64,{text}",
        {"bytes": data, "path": None},
        {"bytes": None, "path": "red.png"},
        RED,
    ):
        image = decode(find(held, tmp_path))
        assert (image.mode, image.size, pixel(image)) == ("RGB", (6, 4), (255, 0, 0))


PLAIN = encoded(Image.effect_noise((9, 8), 50).convert("RGB"))
SMALLEST = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
"""A GIF of 42 bytes."""
PREFIXES = ["", "data:image/png;base64,", "data:image;base64,", "DATA:IMAGE/PNG;charset=utf-8;BASE64,", "data:;base64,"]
PREFIXES += ["image/png;base64,", "base64,", " data:image/jpeg;base64, "]
CONTAINERS: tuple[Callable[[Any], Any], ...] = (
    lambda held: held,
    lambda held: {"bytes": held, "path": None},
    lambda held: {"bytes": held, "path": "the-name-it-had.png"},
    lambda held: {"type": "image_url", "image_url": {"url": held}},
    lambda held: {"image_url": held},
    lambda held: {"base64": held},
    lambda held: {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": held}},
)


@given(
    file=st.sampled_from([PLAIN, SMALLEST, *(encoded(RED, kind) for kind in ("JPEG", "GIF", "BMP", "WEBP", "TIFF"))]),
    prefix=st.sampled_from(PREFIXES),
    url_safe=st.booleans(),
    padded=st.sampled_from(["", "=", "==", "all"]),
    lines=st.sampled_from([0, 76]),
    kind=st.sampled_from(["text", "quoted", "bytes", "str(bytes)"]),
    holds=st.sampled_from(CONTAINERS),
)
@settings(deadline=None)
def test_every_spelling_of_base64_gives_the_same_pixels(
    file: bytes, prefix: str, url_safe: bool, padded: str, lines: int, kind: str, holds: Callable[[Any], Any]
) -> None:
    text = (base64.urlsafe_b64encode if url_safe else base64.b64encode)(file).decode()
    text = text if padded == "all" else text.rstrip("=") + padded
    text = "\n".join(text[place : place + lines] for place in range(0, len(text), lines)) if lines else text
    held: Any = prefix + text
    held = {"quoted": f'"{held}"', "bytes": held.encode(), "str(bytes)": str(held.encode())}.get(kind, held)
    found = decode(find(holds(held), Path("nowhere")))
    assert found.tobytes() == decode(file).tobytes()


@pytest.mark.parametrize("kind", ["TGA", "PCX", "SGI"])
def test_base64_of_formats_that_begin_with_nothing_of_their_own(kind: str) -> None:
    file = encoded(Image.effect_noise((64, 64), 50).convert("RGB"), kind)
    assert find(base64.b64encode(file).decode(), Path()) == file


@pytest.mark.parametrize("raw", [PLAIN, bytearray(PLAIN), memoryview(PLAIN), [*PLAIN], str(PLAIN)])
@pytest.mark.parametrize("holds", CONTAINERS)
def test_every_kind_of_bytes_gives_the_same_pixels(raw: Any, holds: Callable[[Any], Any]) -> None:
    assert decode(find(holds(raw), Path("nowhere"))).tobytes() == decode(PLAIN).tobytes()


def test_base64_with_percent_signs() -> None:
    text = quote(base64.b64encode(PLAIN).decode(), safe="")
    assert find(f"data:image/png;base64,{text}", Path()) == PLAIN
    assert find(text, Path()) == PLAIN


@pytest.mark.parametrize("name", ["a.png", "a b.png", "50%.png", "x" * 60, "ab/cd/" * 12 + "e"])
def test_every_way_to_name_a_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(PLAIN)
    ways: list[Any] = [name, str(path), path, {"path": name}, {"path": name, "bytes": b""}, {"url": name}]
    ways += [path.as_uri(), f"file://{path}", f"file://localhost{path}", f"FILE:{path}", f"file://{name}"]
    ways += [{"type": "image", "image": path.as_uri()}, {"image_url": {"url": path.as_uri()}}]
    assert {find(way, tmp_path) for way in ways} == {path}


def test_what_is_surely_an_image_is_told_from_words() -> None:
    text = base64.b64encode(PLAIN).decode()
    assert holds_image(text)
    assert holds_image(f"data:image/png;base64,{text}")
    assert not any(
        map(holds_image, ("", "a.png", "a/b" * 30, "How many are there? " * 9, "data:video/mp4;base64,AAAA"))
    )


def test_transparency_is_put_on_white() -> None:
    palette = Image.new("P", (2, 2), 0)
    palette.putpalette([255, 0, 0] + [0] * 765)
    assert pixel(decode(encoded(palette))) == (255, 0, 0)
    assert pixel(decode(encoded(palette, transparency=0))) == (255, 255, 255)
    assert pixel(decode(encoded(Image.new("RGBA", (2, 2), (255, 0, 0, 0))))) == (255, 255, 255)
    assert pixel(decode(encoded(Image.new("LA", (2, 2), (0, 128))))) == (127, 127, 127)
    assert pixel(decode(encoded(RED, transparency=(255, 0, 0)))) == (255, 255, 255)


def test_cmyk_becomes_rgb() -> None:
    red, green, blue = pixel(decode(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG")))
    assert red > 240
    assert max(green, blue) < 15


def test_sixteen_bits_are_scaled_not_cut() -> None:
    ramp = np.array([[0, 257, 32896, 65535]], np.uint16)
    image = decode(encoded(Image.fromarray(ramp)))
    assert [pixel(image, (x, 0))[0] for x in range(4)] == [0, 1, 128, 255]


def test_one_bit_and_gray_become_rgb() -> None:
    assert pixel(decode(encoded(Image.new("1", (2, 2), 1)))) == (255, 255, 255)
    assert pixel(decode(encoded(Image.new("L", (2, 2), 7)))) == (7, 7, 7)


def test_a_turned_photograph_is_set_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(encoded(RED, "JPEG", exif=exif)).size == (4, 6)


def test_one_pixel_is_an_image() -> None:
    assert decode(encoded(Image.new("RGB", (1, 1), "blue"))).size == (1, 1)


def test_a_huge_image_is_scaled_down_in_its_shape() -> None:
    image = decode(encoded(Image.new("L", (10_000, 10_000)), compress_level=1))
    assert image.size == (4096, 4096)
    assert image.width * image.height == LARGEST_KEPT


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ("gone.png", "gone.png doesn't exist; fix the path or set image_root"),
        ("http://example.org/a.png", "is an address; download it and name the file"),
        (7, "an image is 7, which is no path, bytes, base64 or PIL image"),
        ({"bytes": None, "path": None}, "an image is None"),
        (b"hello", "is no image in a known format; replace it"),
        (encoded(Image.new("RGB", (9, 9)), "EPS"), "is no image in a known format"),
        ("data:image/png;base64,a", "base64 of image 'data:image/png;base64,a' is damaged"),
        (base64.b64encode(PLAIN).decode()[:-7], "is damaged"),
        (base64.b64encode(PLAIN).decode() + "!", "is damaged; encode it again"),
        ("data:image/png;base64,AAAA!AAA", "base64 of image 'data:image/png;base64,AAAA!AAA' is damaged"),
        ("data:image/svg+xml,%3Csvg/%3E", "is no base64; encode it so, or name a file"),
        ("data:image/png;base64,", "is no image in a known format"),
        ("s3://bucket/a.png", "is an address; download it and name the file"),
        ("file://elsewhere/a.png", "elsewhere/a.png doesn't exist"),
        ("file:///[", "/[ doesn't exist"),
        (".", "is a folder; name the file in it"),
        ("QUJD" * 2000, "can't be opened (File name too long); fix the path"),
        ("QUJD" * 40, "doesn't exist; fix the path"),
        ("a\n" * 99, "doesn't exist; fix the path"),
        ("\ud800.png", "/\\ud800.png' doesn't exist"),
        ({"url": {"url": {"url": {"url": {"url": "a.png"}}}}}, "which is no path, bytes, base64 or PIL image"),
        (Image.new("RGB", (0, 5)), "has no pixels (0x5)"),
        (encoded(Image.effect_noise((64, 64), 90).convert("RGB"), "JPEG")[:900], "is damaged"),
        (encoded(Image.new("1", (14_000, 14_000))), "has more than 178956970 pixels; scale it down"),
        (encoded(Image.new("F", (2, 2)), "TIFF"), "has floating-point pixels"),
    ],
)
def test_what_is_no_usable_image_is_named(held: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(UnusableError) as caught:
        decode(find(held, tmp_path))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    assert str(caught.value).encode()


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ("a" * 5000 + "!", "can't be opened (File name too long); fix the path"),
        ("a\0b", "doesn't exist"),
        ({"bytes": "no base64", "path": None}, "doesn't exist"),
        ({"bytes": 5, "path": None}, "an image is 5, which is no path"),
        ({"bytes": [1, "x"]}, "an image is [1, 'x'], which is no path"),
        (["a.png"], "an image is ['a.png'], which is no path"),
    ],
)
def test_cells_of_other_kinds_are_named(held: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(UnusableError) as caught:
        find(held, tmp_path)
    assert message in str(caught.value)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), st.text(), st.binary()),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(HOLDERS) | st.text(), inner, max_size=4)
    ),
    max_leaves=8,
)
ODD = st.one_of(
    JSON,
    st.text(st.characters(categories=["L", "N", "Cs"]), min_size=LONGEST_PATH, max_size=LONGEST_PATH + 9),
    st.from_regex(r"(data:[a-z/;]{0,20}(;base64)?,)?[A-Za-z0-9+/=%_\-\s]{0,90}", fullmatch=True),
    st.from_regex(r"b'(\\x[0-9a-f]{2}|[a-zA-Z\\']){0,40}'", fullmatch=True),
    st.from_regex(r"(file|http|s3):/{0,3}[a-z%\[\]?#@:/]{0,30}", fullmatch=True),
)


@given(ODD)
@settings(deadline=None)
def test_whatever_a_cell_holds_is_an_image_or_named(held: Any) -> None:
    said = ""
    try:
        assert decode(find(held, Path("nowhere"))).mode == "RGB"
    except UnusableError as error:
        said = str(error)
    assert "\n" not in said
    assert len(said) < 1000
    assert said.encode() is not None


KINDS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "TGA", "ICO", "PCX", "SGI", "DDS", "JPEG2000")
WHOLE = [encoded(Image.effect_noise((24, 16), 60).convert("RGB"), kind) for kind in KINDS]


@pytest.mark.filterwarnings("ignore")
@given(st.data())
@settings(max_examples=150, deadline=None)
def test_damaged_bytes_are_an_image_or_an_unusable_row(data: st.DataObject) -> None:
    """Cut, or with bytes changed, inserted or left out, in any format."""
    file = bytearray(data.draw(st.sampled_from(WHOLE)))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(file) - 1))
        kind = data.draw(st.sampled_from(["change", "cut", "insert", "drop"]))
        if kind == "change":
            file[place] = data.draw(st.integers(0, 255))
        elif kind == "insert":
            file[place:place] = data.draw(st.binary(min_size=1, max_size=8))
        else:
            del file[place or 1 : place + 4 if kind == "drop" else None]
    with suppress(UnusableError):
        assert decode(bytes(file)).mode == "RGB"
