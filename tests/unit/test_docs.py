"""The pages: links lead somewhere, keys are those of the settings, and other trainers' rows are read as shown."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from PIL import Image

from mr1.config import Config
from mr1.config.reading import make_source
from mr1.config.walk import keys
from mr1.data.source import SourceTask

ROOT = Path(__file__).parents[2]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("*.md"))]
LINK = re.compile(r"\]\((?!https?:)([^)\s]*)\)")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
COMING = ROOT / "docs/coming-from.md"


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as GitHub makes them."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for link in LINK.findall(CODE.sub("", page.read_text(encoding="utf-8"))):
        name, _, heading = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        if page.parent.name == "docs":
            assert target.is_relative_to(ROOT / "docs"), f"{link}: the site has the folder docs alone"
        assert not heading or heading in anchors(target), link


def test_every_page_is_in_the_sites_navigation() -> None:
    listed = set(re.findall(r"[\w-]+\.md", (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("nav:")[2]))
    assert listed == {page.name for page in PAGES if page.parent.name == "docs"}


def test_the_table_of_methods_is_of_what_there_is() -> None:
    table = (ROOT / "docs/methods.md").read_text(encoding="utf-8").partition("| recipe |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table.splitlines()[2:]]
    assert len(rows) >= 20
    recipes, files = {row[0].strip("`") for row in rows}, set()
    for row in rows:
        assert (ROOT / "recipes" / f"{row[0].strip('`')}.yaml").is_file(), row[0]
        for test in re.findall(r"`([\w/]+\.py)`", row[4]):
            assert (ROOT / "tests" / test).is_file(), test
        for name, lines in re.findall(r"`(\w+\.py)` (\d+)", row[2]):
            files.add(name)
            counted = len((ROOT / "src/mr1/methods" / name).read_text(encoding="utf-8").splitlines())
            assert abs(counted - int(lines)) <= 5, f"{name} has {counted} lines"
    own = {f"methods/{path.stem}" for path in (ROOT / "recipes/methods").glob("*.yaml")}
    assert {name for name in own if not name.endswith(("-paper", "-joint"))} <= recipes
    shared = {"__init__.py", "base.py", "kl_in_reward.py", "right.py"}
    assert {path.name for path in (ROOT / "src/mr1/methods").glob("*.py")} == files | shared


def test_what_other_trainers_settings_are_called_are_settings() -> None:
    known = keys(Config)
    rows = [line.split("|") for line in COMING.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    cells = [cells[2] for cells in rows if cells[2].strip() not in ("MR1", "none")]
    assert len(cells) > 40
    for cell in cells:
        named = re.findall(r"`([^`]+)`", cell)
        assert named, cell
        assert not {*named} - {*known}, cell


def test_other_trainers_rows_are_read_as_the_page_says(tmp_path: Path) -> None:
    Image.new("RGB", (28, 28)).save(tmp_path / "scene.png")
    text = COMING.read_text(encoding="utf-8")
    found = re.findall(r"```yaml\ncolumns: (.*?)\n```\n\n```json\n(.*?)\n```", text, re.DOTALL)
    assert len(found) == 3
    for number, (columns, row) in enumerate(found):
        file = tmp_path / f"{number}.jsonl"
        file.write_text(json.dumps(json.loads(row)) + "\n")
        sample = SourceTask("own", make_source("own", {"path": file, "columns": yaml.safe_load(columns)})).sample(
            "train", 0, 0
        )
        assert (sample.question.strip(), sample.answer, len(sample.images)) == ("How many?", "3", 1)
