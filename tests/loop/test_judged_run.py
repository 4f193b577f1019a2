"""A run whose rewards a language model gives: what it asks, what it writes down, and when it does not begin."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from benchmarks.judge_server import Messages, served

from mr1.config import Config
from mr1.errors import UserError
from mr1.library.training import run
from mr1.report.console import Console

pytestmark = pytest.mark.loop

SHORT: dict[str, object] = {
    "steps": 2,
    "prompts_per_step": 1,
    "rollout__group_size": 2,
    "rollout__max_new_tokens": 2,
    "evaluation__every": 0,
    "evaluation__final_samples": 0,
    "rewards": "{format: 1, judge-facts: 0.5}",
}


def test_a_run_asks_its_judge_and_writes_down_whom_it_asked(make_config: Callable[..., Config]) -> None:
    asked: list[Messages] = []

    def reply(messages: Messages, most: int) -> str:
        asked.append(messages)
        assert most == 512
        return "".join(f"<info{number}>1</info{number}>" for number in range(1, 30))

    with served(reply) as address:
        config = make_config(**SHORT, endpoint__base_url=address, endpoint__model="m")
        run(config, "new", Console(quiet=True))
    lines = [json.loads(line) for line in (config.folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["endpoint/calls"] + line["endpoint/cache_hits"] for line in lines] == [2, 2]
    # One more: whether anybody is there.
    assert len(asked) == 1 + sum(line["endpoint/calls"] for line in lines)
    for line in lines:
        assert line["reward/judge-facts"] == 1.0
        assert line["reward/total"] == line["reward/format"] + 0.5
        assert line["endpoint/failures"] == line["endpoint/retries"] == line["not_finite/judge-facts"] == 0
    told = json.loads((config.folder / "judge.json").read_text())
    assert (told["base_url"], told["model"]) == (address, "m")
    assert asked[1][0]["content"] == told["prompts"]["judge-facts"]["system"]


def test_a_run_does_not_begin_where_nothing_answers(make_config: Callable[..., Config]) -> None:
    config = make_config(**SHORT, endpoint__base_url="http://127.0.0.1:1/v1", endpoint__model="m", endpoint__retries=0)
    with pytest.raises(UserError, match="nothing answers"):
        run(config, "new", Console(quiet=True))
    assert not config.folder.exists()
