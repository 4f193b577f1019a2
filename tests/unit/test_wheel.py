"""What the wheel holds: all that the package reads, and nothing else."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest
from benchmarks.wheel import build

ROOT = Path(__file__).parents[2]


def ours() -> dict[str, int]:
    """The package's files by name, with their sizes."""
    files = [path for path in (ROOT / "src/mr1").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    return {str(path.relative_to(ROOT / "src")): path.stat().st_size for path in files}


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """The files of the wheel by name, with their sizes."""
    with zipfile.ZipFile(build(tmp_path_factory.mktemp("dist"))) as wheel:
        return {file.filename: file.file_size for file in wheel.infolist()}


def test_it_holds_every_file_of_the_package_and_no_other(held: dict[str, int]) -> None:
    assert {name: size for name, size in held.items() if ".dist-info/" not in name} == ours()


def test_the_source_distribution_holds_them_too(tmp_path: Path) -> None:
    with tarfile.open(build(tmp_path, "sdist")) as archive:
        files = {file.name.partition("/src/")[2]: file.size for file in archive if "/src/" in file.name}
    assert files == ours()


@pytest.mark.parametrize(
    "name", ["py.typed", "recipes/counting-grpo-d.yaml", "data/presets/math-v.yaml", "models/tiny/model.safetensors"]
)
def test_it_holds_what_is_no_code(name: str, held: dict[str, int]) -> None:
    assert f"mr1/{name}" in held
