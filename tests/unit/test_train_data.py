"""Batches: filled past what can't be used, made beside the step, and the same where a run is resumed."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from mr1.config import Config
from mr1.data.prompts import usable_prompt
from mr1.data.unusable import BadRow, LeftOut, TooManyError
from mr1.errors import UnusableError, UserError
from mr1.models.vlm import VLM
from mr1.tables import FILE
from mr1.tasks import load_task
from mr1.train.data import PromptCache, PromptSource
from mr1.types import Prompt

BAD = {"r2", "r5", "r9"}
"""Damaged, and only seen to be so when they are decoded."""


@pytest.fixture
def config(tmp_path: Path, make_config: Callable[..., Config]) -> Config:
    """A run on twelve rows, three of which can't be used, beside a procedural task."""
    for number in range(12):
        Image.effect_noise((56, 56), 50).convert("RGB").save(tmp_path / f"{number}.png")
        if f"r{number}" in BAD:
            (tmp_path / f"{number}.png").write_bytes((tmp_path / f"{number}.png").read_bytes()[:200])
    rows = [{"id": f"r{n}", "question": f"{n}?", "answer": n, "images": [f"{n}.png"]} for n in range(12)]
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return make_config(
        task="[own,counting,own]",
        prompts_per_step=4,
        sources__own__path=tmp_path / "rows.jsonl",
        sources__own__columns__id="id",
    )


Batches = list[list[str]]


def ids(prompts: list[Prompt]) -> list[str]:
    return [prompt.sample.id for prompt in prompts]


def drawn(config: Config, vlm: VLM, count: int, ahead: bool = True) -> tuple[Batches, LeftOut]:
    left_out = LeftOut(0.0)
    source = PromptSource(config, PromptCache(vlm, 2**20), left_out)
    batches = [ids(source.batch(last=not ahead)) for _ in range(count)]
    source.close()
    return batches, left_out


def test_a_row_that_cannot_be_used_is_passed_over_and_the_batch_filled(tiny: VLM, config: Config) -> None:
    batches, left_out = drawn(config, tiny, 9)
    flat = [identity for batch in batches for identity in batch]
    assert [len(batch) for batch in batches] == [4] * 9
    assert [identity.partition("/")[0] for identity in flat[:6]] == ["own", "counting", "own"] * 2
    own = [identity.removeprefix("own/train/") for identity in flat if identity.startswith("own")]
    assert [{name.partition("@")[0] for name in own[first : first + 9]} for first in (0, 9)] == [
        {f"r{number}" for number in range(12)} - BAD
    ] * 2
    assert {row.id for row in left_out.rows} == BAD
    assert all("is damaged" in row.reason for row in left_out.rows)


@pytest.mark.invariant
def test_batches_made_ahead_are_the_same_to_the_bit(tiny: VLM, config: Config) -> None:
    found = []
    for ahead in (False, True):
        source = PromptSource(config, PromptCache(tiny, 0), LeftOut(0.0))
        found.append([prompt for _ in range(4) for prompt in source.batch(last=not ahead)])
        source.close()
    for one, other in zip(*found, strict=True):
        assert one.sample.id == other.sample.id
        assert torch.equal(one.input_ids, other.input_ids)
        assert one.vision.keys() == other.vision.keys()
        assert all(torch.equal(one.vision[name], other.vision[name]) for name in one.vision)


@pytest.mark.invariant
@pytest.mark.parametrize("stop", [1, 2, 4])
def test_a_resumed_source_goes_on_where_the_used_batches_end(tiny: VLM, config: Config, stop: int) -> None:
    whole, all_left_out = drawn(config, tiny, 7)
    left_out = LeftOut(0.0)
    source = PromptSource(config, PromptCache(tiny, 0), left_out)
    for _ in range(stop):
        source.batch()  # the one behind it is under way, or done, when the state is taken
    state = json.loads(json.dumps({"source": source.state_dict(), "left_out": left_out.state_dict()}))
    source.close()
    told: list[BadRow] = []
    again = LeftOut(0.0, (), told.append)
    again.load_state_dict(state["left_out"])
    resumed = PromptSource(config, PromptCache(tiny, 0), again)
    resumed.load_state_dict(state["source"])
    assert [ids(resumed.batch()) for _ in range(7 - stop)] == whole[stop:]
    resumed.close()
    assert again.rows == all_left_out.rows
    assert [*left_out.rows, *told] == again.rows


def test_a_row_that_was_met_is_not_tried_again_even_where_it_was_fixed(
    tiny: VLM, config: Config, tmp_path: Path
) -> None:
    _, left_out = drawn(config, tiny, 5)
    assert {row.id for row in left_out.rows} == BAD
    for identity in BAD:
        Image.new("RGB", (56, 56)).save(tmp_path / f"{identity[1:]}.png")
    task = load_task("own", config.sources)
    found = [usable_prompt(refuse, task, "train", 0, index, "", left_out) for index in range(12)]
    assert {row.id for row in found if isinstance(row, BadRow) and "is damaged" in row.reason} == BAD


def refuse(*_: Any) -> Prompt:
    raise UnusableError("not to be asked for")


def test_unusable_rows_of_a_batch_ahead_are_told_when_it_is_used_and_end_the_run_then(
    tiny: VLM, config: Config, tmp_path: Path
) -> None:
    told: list[BadRow] = []
    left_out = LeftOut(0.0, (), told.append)
    source = PromptSource(config, PromptCache(tiny, 0), left_out)
    task = load_task("own", config.sources)
    order = [task.sample("train", 0, index).id for index in range(12) if not _is_bad(config, index)]
    source.batch(last=True)
    for identity in order[4:]:
        number = int(identity.rpartition("r")[2])
        (tmp_path / f"{number}.png").write_bytes(b"no image")
    before = list(told)
    source._ahead = source._thread.submit(source._draw, 4, deepcopy(source.curriculum), left_out.copy())
    source._ahead.result()
    assert told == before
    with pytest.raises(TooManyError, match=r"of 12 rows of own, split train, can't be used"):
        source.batch()
    assert len(told) > 5
    assert source.state_dict()["turn"] == 4
    source.close()


def _is_bad(config: Config, index: int) -> bool:
    task: Any = load_task("own", config.sources)
    return task.name_row("train", 0, index)[0] in BAD


def test_an_error_in_the_thread_comes_up_where_the_batch_would_be_used(tiny: VLM, config: Config) -> None:
    calls: list[int] = []

    def require(_prompt: Prompt) -> None:
        calls.append(threading.get_ident())
        if len(calls) > 4:
            raise UserError("the model's chat template can't be learned from")

    source = PromptSource(config, PromptCache(tiny, 0), LeftOut(0.0), require)
    source.batch()
    with pytest.raises(UserError, match="can't be learned from"):
        source.batch()
    source.close()
    assert calls[0] == threading.get_ident() != calls[-1]


def test_each_prompt_is_shown_to_who_may_refuse_it(tiny: VLM, make_config: Callable[..., Config]) -> None:
    seen: list[Prompt] = []
    source = PromptSource(make_config(), PromptCache(tiny, 0), LeftOut(1.0), seen.append)
    assert source.batch(last=True) == seen
    source.close()


def test_a_procedural_task_none_of_whose_prompts_fit_ends_the_run(
    tiny: VLM, make_config: Callable[..., Config]
) -> None:
    def require(_prompt: Prompt) -> None:
        raise UnusableError("it is too long")

    source = PromptSource(make_config(), PromptCache(tiny, 0), LeftOut(1.0), require)
    with pytest.raises(TooManyError, match="1 of 1 rows of counting"):
        source.batch()


def test_a_closed_source_stops_in_the_middle_of_a_batch(tiny: VLM, config: Config) -> None:
    entered, go_on = threading.Event(), threading.Event()
    made: list[Prompt] = []

    def require(prompt: Prompt) -> None:
        made.append(prompt)
        if len(made) > 4:
            entered.set()
            go_on.wait(10)

    source = PromptSource(config, PromptCache(tiny, 0), LeftOut(0.0), require)
    source.batch()
    assert entered.wait(10)
    threading.Timer(0.05, go_on.set).start()
    source.close()
    assert len(made) == 5


def test_the_cache_counts_what_images_take(tiny: VLM) -> None:
    """PIL keeps four bytes for each pixel of an RGB image."""
    cache = PromptCache(tiny, 2**30)
    prompt = cache.prompt(load_task("counting"), "test", 0, 0, "{question}")
    (image,) = prompt.sample.images
    assert cache.size == 4 * image.width * image.height + sum(each.nbytes for each in prompt.vision.values())


def test_prompts_are_made_while_the_tokenizer_is_used_for_completions(
    tiny: VLM, make_config: Callable[..., Config]
) -> None:
    source = PromptSource(make_config(prompts_per_step=8), PromptCache(tiny, 0), LeftOut(0.0))
    text = "<think>1 red, 2 blue</think><answer>2</answer>"
    for _ in range(4):
        source.batch()
        while not source._ahead or not source._ahead.done():
            written = tiny.written(text).token_ids
            assert tiny.tokenizer.batch_decode([written] * 8, skip_special_tokens=True) == [text] * 8
    source.close()


def test_what_is_kept_is_counted_and_the_longest_unused_goes_first(tiny: VLM) -> None:
    """Each image of 56 by 56 pixels is counted as PIL holds it, with its file, and as the model takes it."""
    counting = load_task("counting")
    made = [tiny.prompt(counting.sample("test", 0, index), "{question}") for index in range(3)]
    sizes = [
        sum(4 * image.width * image.height for image in prompt.sample.images)
        + sum(tensor.nbytes for tensor in prompt.vision.values())
        for prompt in made
    ]
    cache = PromptCache(tiny, sum(sizes[:2]))
    seen = [cache.prompt(counting, "test", 0, index, "{question}").vision for index in (0, 1, 0)]
    assert cache.size == sum(sizes[:2])
    assert all(seen[0][name] is seen[2][name] for name in seen[0])
    cache.prompt(counting, "test", 0, 2, "{question}")  # in the place of 1, which was used longest ago
    assert cache.size == sizes[0] + sizes[2]
    again = [cache.prompt(counting, "test", 0, index, "{question}").vision for index in (0, 1)]
    assert again[0]["pixel_values"] is seen[0]["pixel_values"]
    assert again[1]["pixel_values"] is not seen[1]["pixel_values"]
    assert torch.equal(again[1]["pixel_values"], seen[1]["pixel_values"])
    assert cache.size == sizes[0] + sizes[1]
    large = PromptCache(tiny, 2**30)
    large.prompt(counting, "train", 0, 0, "{question}")  # never comes again
    assert large.size == 0
    assert PromptCache(tiny, 0).prompt(counting, "test", 0, 0, "{question}").sample.id == made[0].sample.id


def test_a_kept_image_is_counted_with_its_file(tiny: VLM, config: Config) -> None:
    own = load_task("own", config.sources)
    cache = PromptCache(tiny, 2**30)
    prompt = cache.prompt(own, "train", 0, 0, "{question}")
    (image,) = prompt.sample.images
    arrays = sum(tensor.nbytes for tensor in prompt.vision.values())
    assert len(image.info[FILE]) > 100
    assert cache.size == 4 * 56 * 56 + len(image.info[FILE]) + arrays
