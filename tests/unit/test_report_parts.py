"""What the report page is put together from: curves, parts of completions, images, numbers as text."""

from __future__ import annotations

import base64
import html
import io
import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mr1.config import Config
from mr1.config.reading import make_config
from mr1.report.drawing import binned, smooth, window_of
from mr1.report.html import signed
from mr1.report.outline import outline
from mr1.report.page import duration
from mr1.report.plots import column, run_plots
from mr1.report.samples import LARGEST_IMAGE, data_uri, split_parts


def test_long_runs_are_drawn_with_few_points() -> None:
    def size(steps: int) -> int:
        config = Config.model_validate({"name": "a", "steps": steps, "method": "sft", "task": "counting"})
        rng = np.random.default_rng(0)
        keys = ("kl", "kl_weight", "reward/total", "reward/accuracy", "entropy", "grad_norm", "time/rollout")
        metrics = [{"step": step, **dict(zip(keys, rng.random(len(keys)), strict=True))} for step in range(steps)]
        return sum(len(plot.svg) for plot in run_plots(outline(config, metrics, {}), metrics, {}))

    assert size(20_000) < 2 * size(400)


def test_names_in_plots_are_shown_as_they_are_and_all_of_them() -> None:
    names = ["$x_$", "a$\\frac$", "_hidden", "<b>", "{", *map(str, range(5))]
    config = Config.model_validate({"name": "a", "steps": 2, "method": "sft", "task": "counting"})
    evaluation = config.evaluation.model_copy(update={"tasks": names})
    config = config.model_copy(update={"rewards": dict.fromkeys(names, 1.0), "evaluation": evaluation})
    metrics = [{"step": 0, "reward/total": 1.0} | {f"eval/{name}/accuracy": 0.5 for name in names}]
    for plot in (
        plot
        for plot in run_plots(outline(config, metrics, {}), metrics, {})
        if plot.title in ("Rewards", "Held-out accuracy")
    ):
        texts = [html.unescape(text).strip("\u200b ") for text in re.findall(r"<text[^>]*>([^<]*)</text>", plot.svg)]
        assert {text.partition(" (")[0] for text in texts} >= set(names)


def test_every_plot_shows_where_a_stage_begins() -> None:
    config = make_config(
        {"name": "a", "steps": 8, "method": "sft", "task": "counting", "stages": {"first": {}, "second": {"share": 3}}}
    )
    keys = ("kl", "kl_weight", "reward/total", "entropy", "grad_norm", "time/rollout", "completion/length_mean")
    metrics = [{"step": step, **dict.fromkeys(keys, 1.0)} for step in range(8)]
    about = outline(config, metrics, {})
    assert about.stages == {"first": 0, "second": 2}
    plots = run_plots(about, metrics, {})
    assert len(plots) == 5
    for plot in plots:
        places = [re.search(rf'x="([\d.]+)"[^>]*>{name}</text>', plot.svg) for name in about.stages]
        first, second = (float(place[1]) for place in places if place)
        assert 0 < first < second


def test_null_is_a_gap_and_stays_one() -> None:
    values = column([{"kl": 1.0}, {"kl": None}, {}, {"kl": 4.0}], "kl")
    np.testing.assert_array_equal(values, [1.0, np.nan, np.nan, 4.0])
    np.testing.assert_array_equal(smooth(values, 3), [1.0, np.nan, np.nan, 4.0])


def test_smoothing_takes_the_mean_of_the_neighbours_that_exist() -> None:
    np.testing.assert_allclose(smooth(np.array([1.0, 2.0, 6.0, 4.0]), 3), [1.5, 3.0, 4.0, 5.0])
    np.testing.assert_allclose(smooth(np.array([1.0, np.nan, 6.0, 4.0]), 3)[[0, 2, 3]], [1.0, 5.0, 5.0])
    np.testing.assert_allclose(smooth(np.array([2.0, 4.0]), 5), [3.0, 3.0])
    assert [window_of(points) for points in (1, 11, 12, 60, 90)] == [1, 1, 3, 5, 7]


def test_bins_are_means_without_the_gaps() -> None:
    np.testing.assert_array_equal(binned(np.array([1.0, 3.0, np.nan, 5.0, np.nan, np.nan, 9.0]), 2), [2, 5, np.nan, 9])


def test_parts_of_a_completion() -> None:
    def parts(text: str) -> list[tuple[str, str]]:
        return [(part.kind, part.text) for part in split_parts(text)]

    assert parts("<think> a </think>\n<answer>4</answer>") == [("think", "a"), ("answer", "4")]
    assert parts("so <answer>4</answer> done") == [("other", "so"), ("answer", "4"), ("other", "done")]
    assert parts("<think>never closed") == [("other", "<think>never closed")]
    assert parts("<answer></answer>") == [("answer", "")], "an empty answer is an answer"
    assert parts("") == []


PIECES = ["<think>", "</think>", "<answer>", "</answer>", "a", " ", "\n", "<", "</", "think>"]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_parts_are_those_of_a_regular_expression(text: str) -> None:
    expected, end = [], 0
    for match in re.finditer(r"<(think|answer)>(.*?)</\1>", text, re.DOTALL):
        expected += [("other", text[end : match.start()].strip()), (match[1], match[2].strip())]
        end = match.end()
    expected.append(("other", text[end:].strip()))
    found = [(part.kind, part.text) for part in split_parts(text)]
    assert found == [(kind, body) for kind, body in expected if body or kind != "other"]


def test_large_images_are_made_smaller_and_keep_their_shape() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (4 * LARGEST_IMAGE, 2 * LARGEST_IMAGE)).save(buffer, "PNG")
    uri = data_uri(buffer.getvalue())
    assert uri.startswith("data:image/jpeg;base64,")
    with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as image:
        assert image.size == (LARGEST_IMAGE, LARGEST_IMAGE // 2)


def test_numbers_as_text() -> None:
    assert [signed(value) for value in (0.5, -0.5, 0.0, -0.001)] == ["+0.50", "−0.50", "0.00", "0.00"]
    assert [duration(seconds) for seconds in (2.25, 48.4, 120, 3599, 7260)] == [
        "2.2 s",
        "48 s",
        "2 min",
        "1 h 00 min",
        "2 h 01 min",
    ]
