"""The report page, read back as a browser would: with an HTML parser, from run folders made by hand."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import pytest
from PIL import Image
from report_folders import (
    HOSTILE,
    Element,
    Page,
    config_of,
    make_run,
    outcome,
    png,
    write_group,
    write_outcomes,
    write_rows,
)

from mr1.config import dump_config
from mr1.errors import UserError
from mr1.report.page import SHOWN
from mr1.report.samples import LONGEST_PART
from mr1.report.write import write_page


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The page of a whole run."""
    folder = make_run(tmp_path_factory.mktemp("runs") / "a-run")
    write_outcomes(folder)
    write_group(folder, 0, [1.0, 2.0, 2.0], [-1.15, 0.577, 0.577])
    write_group(folder, 10, [1.0, 2.0, 2.0], [-1.15, 0.577, 0.577])
    write_group(folder, 19, [2.0, 2.0, 2.0], [0.0, 0.0, 0.0])
    return Page(write_report(folder))


def write_report(folder: Path) -> Path:
    return write_page(folder).path


def test_the_page_needs_nothing_from_outside(full: Page) -> None:
    references = [
        value
        for element in full.elements
        for name, value in element.attributes.items()
        if name in {"src", "href", "xlink:href", "srcset", "data", "action", "poster"}
    ]
    assert len(references) > 2 * SHOWN
    assert all(reference.startswith(("data:", "#")) for reference in references)
    styles = "".join(each.text for each in full.all("style")) + "".join(
        each.attributes.get("style", "") for each in full.elements
    )
    assert "@import" not in styles
    assert styles.count("url(") == styles.count("url(#")
    [policy] = [each.attributes["content"] for each in full.all("meta") if "http-equiv" in each.attributes]
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_completions_are_shown_as_text_and_never_as_markup(full: Page) -> None:
    assert full.all("script") == []
    assert full.text.count(HOSTILE) == SHOWN - 1, "counting, before, but for the sample without tags"
    assert "evil.example" not in str([each.attributes for each in full.elements])


def test_what_is_right_without_the_image_stands_beside_every_accuracy(full: Page) -> None:
    assert full.text.count("words alone: 22.9%") == 4, "two tasks, before and after"


def test_names_within_the_page_are_unique_and_lead_somewhere(full: Page) -> None:
    names = [each.attributes["id"] for each in full.elements if "id" in each.attributes]
    assert len(names) == len(set(names))
    links = {value[1:] for each in full.elements for value in each.attributes.values() if value.startswith("#")}
    assert links >= {"results", "training", "samples", "groups", "settings"}
    assert links <= set(names)


def test_head_and_settings(full: Page) -> None:
    assert [each.text for each in full.all("h1")] == ["a-run"]
    facts = dict(zip([e.text for e in full.all("dt")], [e.text for e in full.all("dd")], strict=True))
    assert facts.pop("Training time") == "48 s", "20 steps of 2 s and 4 evaluations of 2 s"
    assert facts.pop("Batch") == "16 prompts × 8 completions"
    assert facts == {"Method": "grpo", "Model": "tiny", "Trained on": "counting", "Steps": "20", "Seed": "3"}
    [settings] = full.all("pre")
    assert settings.text.strip() == dump_config(config_of("grpo")).strip()


def test_the_table_states_both_stages_and_the_change(full: Page) -> None:
    rows = [" ".join(each.text.split()) for each in full.all("tr")][1:]
    assert len(rows) == 2
    words = "words alone: 22.9%"
    stages = f"25.0% 21.4% to 28.9% {words} 87.5% 84.3% to 90.1% {words}"
    assert rows[0].startswith(f"counting trained {stages} +62.5 points")
    assert "2 wrong → right 1 right → wrong" in rows[0]
    assert rows[0].endswith("33.3% → 100.0% 512")
    stages = f"50.0% 45.7% to 54.3% {words} 45.0% 40.7% to 49.3% {words}"
    assert rows[1].startswith(f"geometry transfer {stages} −5.0 points")
    assert "0 wrong → right 0 right → wrong" in rows[1]
    assert "Wilson" in full.text
    assert "one seed (3)" in full.text


def test_every_plot_is_there(full: Page) -> None:
    titles = ["Rewards", "KL and its weight", "Held-out accuracy", "Completion length", "Exploration and stability"]
    assert [each.attributes["aria-label"] for each in full.all("svg")] == [*titles, "Time per step"]
    assert all("#5a6472" not in each.attributes.get("style", "") for each in full.elements), "text follows the page"
    [rewards, _, held_out, *_] = full.all("svg")
    assert {"accuracy", "format", "total", "step", "mean reward"} <= {line.strip() for line in rewards.text.split("\n")}
    assert "counting (trained)" in held_out.text
    assert "geometry (transfer)" in held_out.text


def test_samples_are_the_first_of_each_task_matched_by_id(full: Page) -> None:
    articles = full.all("article", "sample")
    questions = [full.inside(each, "problem")[0].text.split("\n")[1].strip() for each in articles]
    assert questions == [f"{task} question {i}?" for task in ("counting", "geometry") for i in range(SHOWN)]
    for index, article in enumerate(articles[:SHOWN]):
        [after] = full.inside(article, "after")
        assert [part.text for part in full.inside(after, "answer")] == [f"answer{index}a"]


def test_marks_say_right_wrong_and_malformed(full: Page) -> None:
    def marks(article: Element, stage: str) -> list[str]:
        [shown] = full.inside(article, stage)
        return [mark.text for mark in full.inside(shown, "mark")]

    articles = full.all("article", "sample")
    assert marks(articles[0], "before") == ["✗ wrong", "malformed"]
    assert marks(articles[0], "after") == ["✓ right"]
    assert marks(articles[1], "before") == ["✓ right"]
    assert marks(articles[1], "after") == ["✗ wrong"]
    assert marks(articles[SHOWN], "before") == ["✓ right", "malformed"]
    [first] = full.inside(articles[0], "before")
    assert [part.text for part in full.inside(first, "other")] == ["outside the tagsno tags"]


def test_images_are_inside_the_page(full: Page) -> None:
    images = full.all("img")
    assert len(images) == 2 * SHOWN + 2, "one for each sample and for each of two training groups"
    shades = []
    for image in images[:SHOWN]:
        encoded = image.attributes["src"].removeprefix("data:image/png;base64,")
        with Image.open(io.BytesIO(base64.b64decode(encoded))) as opened:
            assert opened.size == (8, 6)
            shades.append(opened.convert("RGB").getpixel((0, 0)))
    assert shades == [(index, 40, 90) for index in range(SHOWN)]


def test_training_groups_are_the_first_of_the_first_and_last_step(full: Page) -> None:
    groups = full.all("article", "group")
    questions = [full.inside(each, "problem")[0].text.split("\n")[1].strip() for each in groups]
    assert questions == ["the first question of step 0", "the first question of step 19"]
    scores = [" ".join(each.text.split()) for each in full.inside(groups[0], "scores")]
    assert scores == [
        "accuracy 0 · format 1 · total 1 · advantage −1.15",
        "accuracy 1 · format 1 · total 2 · advantage +0.58",
        "accuracy 1 · format 1 · total 2 · advantage +0.58",
    ]
    assert {each.text for each in full.inside(groups[0], "judged")} == {"judge: no closed <answer> tag"}
    assert [each.text for each in full.inside(groups[0], "mark")] == ["✗ wrong", "✓ right", "cut off", "✓ right"]
    assert full.text.count("this group taught nothing") == 1, "step 19 alone"


def test_a_run_without_evaluation_or_samples_says_so(tmp_path: Path) -> None:
    page = Page(write_report(make_run(tmp_path / "a-run")))
    assert "no evaluation on test samples" in page.text
    assert "kept no test samples" in page.text
    assert "kept no training samples" in page.text
    assert page.all("table") == page.all("img") == []
    assert len(page.all("svg")) == 6


@pytest.mark.parametrize("stage", ["before", "after"])
def test_a_stage_alone(tmp_path: Path, stage: str) -> None:
    folder = make_run(tmp_path / "a-run")
    write_outcomes(folder)
    summaries = json.loads((folder / "evaluation.json").read_text())
    (folder / "evaluation.json").write_text(json.dumps({stage: summaries[stage]}))
    other = "after" if stage == "before" else "before"
    (folder / "samples" / f"{other}.parquet").unlink()
    page = Page(write_report(folder))
    articles = page.all("article", "sample")
    assert len(articles) == 2 * SHOWN
    for article in articles:
        [missing], [present] = page.inside(article, other), page.inside(article, stage)
        assert missing.text.strip().endswith("not measured")
        assert page.inside(missing, "part") == []
        assert page.inside(present, "part")
    assert "points" not in page.all("table")[0].text


def test_an_empty_run_is_a_page_too(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "a-run")
    (folder / "metrics.jsonl").write_text("")
    (folder / "evaluation.json").write_text("{}")
    page = Page(write_report(folder))
    assert page.all("svg") == []
    assert "No step has been recorded." in page.text
    assert "0 of 20" in page.text


def test_an_sft_run_has_a_loss_and_no_rewards(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "a-run", "sft")
    row = {"step": 0, "id": "counting/train/0/0", "images": [png(0)], "question": "q", "answer": "4"}
    row |= {"completion": "<answer>4</answer>", "tokens": 5, "finish_reason": "stop"}
    write_rows(folder / "samples" / "step-000000.parquet", [row | {"reward/total": 1.0, "advantage": 1.0}])
    page = Page(write_report(folder))
    titles = [each.attributes["aria-label"] for each in page.all("svg")]
    assert titles == ["Loss", "Held-out accuracy", "Completion length", "Exploration and stability", "Time per step"]
    assert "perfect teacher" in page.text
    assert len(page.all("article", "group")) == 1, "one step was recorded, so it is not shown twice"
    assert page.all("p", "scores") == []
    assert "taught nothing" not in page.text


def test_a_very_long_completion_is_clipped_with_a_note(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "a-run")
    long = f"<think>{'x' * (LONGEST_PART + 1234)}</think><answer>7</answer>"
    write_rows(folder / "samples" / "after.parquet", [outcome("counting", 0, long, False)])
    page = Page(write_report(folder))
    assert "x" * LONGEST_PART in page.source
    assert "x" * (LONGEST_PART + 1) not in page.source
    assert "clipped: 1,234 characters left out" in page.text
    [article] = page.all("article", "sample")
    assert [part.text for part in page.inside(article, "answer")] == ["answer7"], "the answer is not clipped away"


def test_the_old_page_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "a-run")
    (folder / "report.html").write_text("old")
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(Path, "replace")
        with pytest.raises(AttributeError):
            write_report(folder)
    assert (folder / "report.html").read_text() == "old"
    assert write_report(folder) == folder / "report.html"
    assert "a-run" in (folder / "report.html").read_text()
    assert sorted(path.name for path in folder.iterdir()) == ["config.yaml", "metrics.jsonl", "report.html"]


def test_the_same_run_gives_the_same_page(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "a-run")
    assert write_report(folder).read_bytes() == write_report(folder).read_bytes()


def test_no_run_no_page(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is the folder neither of a run"):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []
