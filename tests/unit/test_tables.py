"""Images in tables: as the files they were read from where those show the same, and each written once."""

from __future__ import annotations

import io
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from mr1.data.images import decode
from mr1.tables import encode_images, make_table, numbered, parquet_file


def noise(mode: str = "RGB", size: tuple[int, int] = (40, 30)) -> Image.Image:
    channels = {"RGB": 3, "RGBA": 4, "CMYK": 4, "L": 1}[mode]
    pixels = np.random.default_rng(0).integers(0, 255, (size[1], size[0], channels), dtype=np.uint8)
    return Image.fromarray(pixels.squeeze(), mode)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def turned() -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    return saved(noise(), "JPEG", exif=exif)


@pytest.mark.parametrize(
    ("file", "kept"),
    [
        (saved(noise(), "PNG"), True),
        (saved(noise(), "JPEG"), True),
        (saved(noise(), "WEBP"), True),
        (saved(noise(), "BMP"), False),
        (saved(noise(), "PNG", transparency=(1, 2, 3)), False),
        (saved(noise("RGBA"), "PNG"), False),
        (saved(noise("L"), "PNG"), False),
        (saved(noise("CMYK"), "JPEG"), False),
        (saved(Image.new("RGB", (5000, 4000)), "PNG"), False),
        (turned(), False),
    ],
)
def test_an_image_is_recorded_as_its_file_where_that_shows_the_same(file: bytes, kept: bool) -> None:
    image = decode(file)
    (recorded,) = encode_images([image])
    assert (recorded["bytes"] == file) == kept
    with Image.open(io.BytesIO(recorded["bytes"])) as shown:
        assert np.array_equal(np.asarray(shown), np.asarray(image))


def test_an_image_of_many_rows_is_written_once(tmp_path: Path) -> None:
    images = [encode_images([decode(saved(noise(size=(700, 800)), "PNG"))]), encode_images([noise(size=(900, 800))])]
    with parquet_file(tmp_path / "rows.parquet") as write:
        write(make_table([{"images": images[row // 8]} for row in range(16)]))
    size = sum(len(image["bytes"]) for (image,) in images)
    assert size > 2**21
    assert (tmp_path / "rows.parquet").stat().st_size < 1.1 * size
    assert pq.read_table(tmp_path / "rows.parquet")["images"].to_pylist() == [images[row // 8] for row in range(16)]


STRAY = [".DS_Store", "Thumbs.db", "notes.txt", "000000.parquet~", ".000000.parquet", "._000000.parquet"]
STRAY += ["0.parquet", "0000001.parquet", "٠٠٠٠٠١.parquet", "000001.parquet.swp", "step-000001.parquet"]


def test_only_files_that_were_written_here_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in (*STRAY, "000000.parquet", "000064.parquet", "999999.parquet", "1000000.parquet"):
        (tmp_path / name).touch()
    (tmp_path / "000128.parquet").mkdir()
    assert [*numbered(tmp_path)] == [0, 64, 999_999, 1_000_000]
    assert numbered(tmp_path)[64] == tmp_path / "000064.parquet"
    assert [*numbered(tmp_path, "step-")] == [1]
    assert numbered(tmp_path / "nowhere") == numbered(tmp_path / "notes.txt") == {}


@given(st.integers(min_value=0, max_value=10**9))
@settings(deadline=None)
def test_every_number_that_is_written_is_found(tmp_path_factory: pytest.TempPathFactory, number: int) -> None:
    folder = tmp_path_factory.mktemp("numbers")
    (folder / f"step-{number:06d}.parquet").touch()
    assert [*numbered(folder, "step-")] == [number]


def test_a_table_holds_an_image_of_many_rows_once() -> None:
    (image,) = encode_images([noise(size=(700, 800))])
    size = len(image["bytes"])
    before = pa.total_allocated_bytes()
    table = make_table([{"images": [image]} for _ in range(16)])
    assert size > 2**20
    assert pa.total_allocated_bytes() - before < 1.5 * size
    assert table["images"].to_pylist() == [[image]] * 16


def test_a_file_of_several_tables_has_ordinary_columns_and_is_read_as_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [encode_images([noise(size=(size, 8))] * copies) for size, copies in ((9, 1), (10, 2), (11, 0))]
    rows = [{"text": str(number), "images": each} for number, each in enumerate(images)]
    with parquet_file(tmp_path / "rows.parquet") as write:
        write(make_table(rows[:2]))
        write(make_table(rows[2:]))
    file = pq.ParquetFile(tmp_path / "rows.parquet")
    assert file.num_row_groups == 2
    held = pa.list_(pa.field("element", pa.struct([("bytes", pa.binary()), ("path", pa.string())])))
    assert file.schema_arrow.field("images").type == held
    assert file.read().select(["text", "images"]).to_pylist() == rows
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    loaded = datasets.load_dataset("parquet", data_files=str(tmp_path / "rows.parquet"), split="train")
    shown = loaded.cast_column("images", datasets.List(datasets.Image()))
    assert [[image.size for image in row["images"]] for row in shown] == [[(9, 8)], [(10, 8)] * 2, []]


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    with parquet_file(path) as write:
        write(make_table([{"text": "old", "images": []}]))
    with pytest.raises(ValueError), parquet_file(path) as write:  # noqa: PT012 - the second table is refused
        write(make_table([{"text": "new", "images": []}]))
        write(make_table([{"other": "new", "images": []}]))
    assert pq.read_table(path)["text"].to_pylist() == ["old"]
    assert [each.name for each in tmp_path.iterdir()] == ["rows.parquet"]
