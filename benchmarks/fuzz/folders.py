"""A run's folder, with damaged files and completions that are HTML: there always is a page, and it runs nothing."""

from __future__ import annotations

import io
import random
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.fuzz.kinds import WrongError, mutated, said
from benchmarks.fuzz.run import make_run
from mr1.errors import UserError
from mr1.report.write import write_page

HOSTILE = (
    "<script>alert(1)</script>",
    "</div></pre></details><img src=x onerror=alert(1)>",
    "<answer><svg onload=alert(1)></answer>",
    '"><iframe src="javascript:alert(1)">',
    "<a href='javascript:alert(1)'>x</a><base href=//x.invalid>",
    "{{ 7 * 7 }}{% for x in y %}",
    "<!-- --><style>@import url(//x.invalid)</style><meta http-equiv=refresh content='0;url=//x.invalid'>",
    "\0\x1b[31m\ud7ff\ufeff\u202e]]>",
    "<think>" * 3000,
    "x" * 200_000,
)
WORDS = [*(text.encode() for text in HOSTILE), b"null", b"NaN", b"1e999", b"-1", b"[" * 3000, b'{"step":', b"\n", b"[]"]
ACTIVE = {"script", "iframe", "object", "embed", "base", "form", "video", "audio"}
COLUMNS = ("question", "answer", "completion", "judged", "id", "finish_reason", "task")


class Folders:
    """A folder of a run, of which some files are changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = make_run(folder)
        files = [path for path in sorted(self.folder.rglob("*")) if path.is_file() and path.name[0] != "."]
        shown = [path for path in files if "checkpoints" not in path.parts and path.suffix != ".html"]
        self.whole = {str(path.relative_to(self.folder)): path.read_bytes() for path in shown}

    def draw(self, rng: random.Random, _number: int) -> dict[str, bytes]:
        """New contents of one or two files."""
        changed = {}
        for name in rng.sample(sorted(self.whole), rng.choice((1, 1, 2))):
            content = self.whole[name]
            if name.endswith(".parquet") and rng.random() < 0.7:
                content = spoken(content, rng)
            changed[name] = content if rng.random() < 0.3 else mutated(rng, [content], WORDS)
        return changed

    def kept(self, file: Path) -> dict[str, bytes]:
        """A file named `NAME@WHAT` stands in the place of NAME."""
        return {file.name.partition("@")[0]: file.read_bytes()}

    def read(self, value: dict[str, bytes]) -> str:
        for name, content in value.items():
            (self.folder / name).write_bytes(content)
        try:
            written = write_page(self.folder)
            Page().feed(written.path.read_text(encoding="utf-8"))
        except UserError as error:
            return said(error)
        finally:
            for name in value:
                (self.folder / name).write_bytes(self.whole[name])
        return "a page that names damage" if written.damage else "a page"


class Page(HTMLParser):
    """Raises WrongError for what would run, or fetch, where a page is opened."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        fetched = [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "action", "data")]
        foreign = [value for value in fetched if not value.startswith(("data:image/", "data:,", "#"))]
        if tag in ACTIVE or foreign or any(name.startswith("on") for name, _ in attrs):
            raise WrongError(f"the page has <{tag} {attrs}>"[:200])


def spoken(content: bytes, rng: random.Random) -> bytes:
    """A table of samples whose texts are hostile."""
    table = pq.read_table(io.BytesIO(content))
    for name in COLUMNS:
        if name in table.column_names and rng.random() < 0.5:
            texts = pa.array([rng.choice(HOSTILE) for _ in range(table.num_rows)])
            table = table.set_column(table.column_names.index(name), name, texts)
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()
