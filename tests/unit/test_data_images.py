"""Images: every way to hold one, every mode, and what is refused."""

from __future__ import annotations

import base64
import io
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mr1.data.images import LARGEST_KEPT, decode, find
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
        ("gone.png", "gone.png doesn't exist; mend the path or set image_root"),
        ("http://example.org/a.png", "is an address; download it and name the file"),
        (7, "an image is 7, which is no path, bytes, base64 or PIL image"),
        ({"bytes": None, "path": None}, "an image is None"),
        (b"hello", "is no image in a known format; replace it"),
        ("data:image/png;base64,a", "base64 of image 'data:image/png;base64,a' is damaged"),
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


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ("a" * 5000 + "!", "can't be opened (File name too long); mend the path"),
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


def test_bytes_that_a_text_file_holds_as_base64(tmp_path: Path) -> None:
    file = encoded(Image.effect_noise((9, 8), 50).convert("RGB"))
    held = {"bytes": base64.b64encode(file).decode(), "path": None}
    assert decode(find(held, tmp_path)).size == (9, 8)


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
