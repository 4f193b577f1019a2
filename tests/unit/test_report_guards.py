"""The page's warnings: which guards spoke, when, with the figure and the limit, and what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from report_folders import HOSTILE, Page, make_run

from mr1.library.results import RunResult
from mr1.report.guards import spoken
from mr1.report.write import write_page
from mr1.train.guards import GUARDS


def held(name: str, figure: float, limit: float) -> dict[str, Any]:
    return {f"guard/{name}/figure": figure, f"guard/{name}/limit": limit}


def add(folder: Path, steps: dict[int, dict[str, Any]]) -> None:
    """Put more into some steps' metrics."""
    path = folder / "metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(line | steps.get(line["step"], {})) + "\n" for line in lines))


def test_what_was_said_is_told_by_what_the_steps_recorded() -> None:
    lines: list[dict[str, Any]] = [{"step": step} for step in range(6)]
    assert spoken([]) == spoken(lines) == []
    lines[1] |= held("length", 0.4, 0.5)
    lines[2] |= held("length", 0.3, 0.5) | held("kl", 0.6, 0.5)
    lines[4] |= held("kl", 0.9, 0.5)
    lines[5] |= held("kl", 0.7, 0.6)  # the limit was changed on a resume
    length, kl = spoken(lines)
    assert (length.name, length.when, length.still, length.worst) == ("length", "2 steps, 1 to 2", False, 2)
    assert length.what == "completions are 0.30 times as long as at the run's beginning (limit 0.5)"
    assert (kl.when, kl.still, kl.worst) == ("3 steps, 2 to 5", True, 4)
    assert kl.what == "the policy is 0.9 nats per token away from its reference (limit 0.5)"
    assert kl.advice == GUARDS["kl"].advice
    assert spoken(lines[:2])[0].when == "step 1"
    lines[3]["update/skipped"] = lines[4]["update/skipped"] = 1
    *_, skipped = spoken(lines)
    assert (skipped.name, skipped.when, skipped.still, skipped.worst) == ("not_finite", "2 steps, 3 to 4", False, 3)
    assert "no step was made" in skipped.what
    # What can't be read says nothing.
    for odd in ({"guard/kl/figure": None}, {"guard/kl/limit": "x"}, held("none", 1.0, 0.5), {"guard/kl/figure": 1.0}):
        assert spoken([{"step": 0, **odd}]) == []


def test_the_reward_that_dominated_is_named_where_it_is_known() -> None:
    spread = {"spread/a": 0.01, f"spread/{HOSTILE}": 0.97}
    (named,) = spoken([{"step": 0, **held("dominance", 0.97, 0.95), **spread}])
    assert named.what.startswith(f"{HOSTILE} makes 97.0% of the differences")
    (nameless,) = spoken([{"step": 0, **held("dominance", 0.97, 0.95)}])
    assert nameless.what.startswith("one reward makes 97.0% of the differences")


def test_the_page_shows_warnings_where_there_are_any(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "a-run")
    page = Page(write_page(folder).path)
    assert "Warnings" not in page.text
    add(folder, {7: held("kl", 1.25, 0.5), 9: held("dominance", 0.97, 0.95) | {f"spread/{HOSTILE}": 0.97}})
    page = Page(write_page(folder).path)
    (section,) = [each for each in page.all("section") if each.attributes.get("id") == "guards"]
    for words in ("step 7", "1.25 nats per token", "(limit 0.5)", GUARDS["kl"].advice, "docs/guards.md#kl", HOSTILE):
        assert words in section.text
    assert section.text.index("step 7") < section.text.index("step 9")
    assert page.all("script") == []
    assert "#guards" in [each.attributes.get("href") for each in page.all("a")]


def test_a_runs_table_has_a_column_for_each_guard_that_held(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "a-run")
    add(folder, {7: held("kl", 1.25, 0.5)})
    metrics = RunResult(folder).metrics
    assert metrics["guard/kl/figure"].dropna().to_dict() == {7: 1.25}
    assert [name for name in metrics if name.startswith("guard/")] == ["guard/kl/figure", "guard/kl/limit"]
