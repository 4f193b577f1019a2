"""Chat templates that have begun the assistant's turn: what they opened counts as written, in one way for all."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as some
from rich.console import Console as RichConsole

from mr1.config import PROMPT, Config
from mr1.errors import UserError
from mr1.evaluate.evaluate import Protocol, evaluate_batch
from mr1.judge.tags import left_open, opened_by, turn
from mr1.judge.verdict import Verdict
from mr1.methods.sft import SFT
from mr1.models import VLM
from mr1.report.console import Console
from mr1.report.reading import Reader
from mr1.report.samples import training_groups
from mr1.rewards import score_groups
from mr1.rewards.functions import score_by_function
from mr1.rollout.local import LocalEngine
from mr1.tasks import load_task
from mr1.train.loop import Trainer
from mr1.train.run import Run
from mr1.types import Completion, Group, Prompt

pytestmark = pytest.mark.loop

HEADER = "<|im_start|>assistant\n"
EMPTY = "<think>\n\n</think>\n\n"
NO_SFT = {"kl__minimum": "null", "kl__maximum": "null", "kl__exploration": "null"}
QUIET = {"evaluation__final_samples": 0, "evaluation__every": 0, "steps": 1, "prompts_per_step": 2}


def opening(vlm: VLM, opened: str, behind: str = "") -> VLM:
    """The model with a chat template that begins the assistant's turn so; `behind` stands where nothing is begun."""
    processor = copy.copy(vlm.processor)
    template = vlm.processor.chat_template
    assert template.endswith(f"{HEADER}{{% endif %}}")
    processor.chat_template = template.removesuffix("{% endif %}") + opened + f"{{% else %}}{behind}{{% endif %}}"
    return replace(vlm, processor=processor)


def counting_prompt(vlm: VLM) -> Prompt:
    # Its question speaks of <think> and <answer> tags.
    return vlm.prompt(load_task("counting").sample("train", 0, 0), PROMPT)


@pytest.mark.parametrize("opened", ["", "<think>\n", "<think>", EMPTY, "<answer>", "<think>\n\n</think><answer>"])
@pytest.mark.parametrize("behind", ["", "<|endoftext|>", "</s>"])
def test_what_a_template_has_opened(tiny: VLM, opened: str, behind: str) -> None:
    prompt = counting_prompt(opening(tiny, opened, behind))
    assert prompt.opened == opened
    assert prompt.text.endswith(HEADER + opened)
    assert tiny.tokenizer.decode(prompt.input_ids).endswith(HEADER + opened)


@pytest.mark.parametrize(
    ("opened", "text"),
    [
        ("<think>\n", "1 red cube</think><answer>{}</answer>"),
        (EMPTY, "<answer>{}</answer>"),
        (EMPTY, "<think>1 red cube</think><answer>{}</answer>"),
        ("<think>\n\n</think><answer>", "{}</answer>"),
        ("", "<think>1 red cube</think><answer>{}</answer>"),
    ],
)
def test_a_perfect_continuation_earns_all(tiny: VLM, opened: str, text: str) -> None:
    vlm = opening(tiny, opened)
    prompt = counting_prompt(vlm)
    answer = prompt.sample.answer
    group = Group(prompt, [vlm.written(text.format(said)) for said in (answer, "1000")])
    score_groups([group], {"accuracy": 1.0, "accuracy-r1v": 1.0, "format": 1.0})
    assert group.scores["format"].tolist() == [1.0, 1.0]
    assert group.scores["accuracy"].tolist() == [1.0, 0.0]
    assert group.scores["accuracy-r1v"].tolist()[0] == 1.0

    class Says(LocalEngine):
        def greedy(self, prompts: Sequence[Prompt], *_: object, **__: object) -> list[Completion]:
            return [vlm.written(text.format(each.sample.answer)) for each in prompts]

    for outcome in evaluate_batch(Says(vlm), load_task("counting"), "test", range(3), Protocol(PROMPT, 64)):
        assert outcome.verdict is Verdict.RIGHT
        assert outcome.well_formed
        assert outcome.completion == opened + text.format(outcome.answer)


def test_what_was_not_opened_is_not_given(tiny: VLM) -> None:
    vlm = opening(tiny, EMPTY)
    group = Group(counting_prompt(vlm), [vlm.written("no tags at all")])
    score_groups([group], {"accuracy": 1.0, "format": 1.0})
    assert group.rewards is not None
    assert group.rewards.tolist() == [0.0]


def test_a_function_of_the_users_own_gets_the_completion_alone(tiny: VLM, tmp_path: Path) -> None:
    """As TRL passes it."""
    file = tmp_path / "reward_of_opened.py"
    file.write_text("def reward(prompts, completions, **_):\n    return [float(completions[0] == 'x</think>')]\n")
    vlm = opening(tiny, "<think>\n")
    group = Group(counting_prompt(vlm), [vlm.written("x</think>")])
    assert score_by_function(f"{file}:reward", group)[0].tolist() == [1.0]


@pytest.mark.parametrize("reasoning", [True, False])
@pytest.mark.parametrize("opened", ["", "<think>\n", EMPTY, "<answer>"])
def test_sft_goes_on_where_the_template_stopped(
    tiny: VLM, make_config: Callable[..., Config], opened: str, reasoning: bool
) -> None:
    vlm = opening(tiny, opened)
    method = SFT(make_config(method="sft", demonstrations__reasoning=reasoning, **NO_SFT))
    prompt = counting_prompt(vlm)
    if reasoning and opened not in ("", "<think>\n"):
        with pytest.raises(UserError, match=r"demonstrations\.reasoning: the model's chat template closes"):
            method.rollout(LocalEngine(vlm), [prompt], 0)
        return
    (group,) = method.rollout(LocalEngine(vlm), [prompt], 0)
    whole = turn(prompt, group.completions[0])
    assert whole.count("<think>") == whole.count("</think>") == (1 if reasoning or "<think>" in opened else 0)
    assert whole.count("<answer>") == 1
    score_groups([group], {"accuracy": 1.0, "format": 1.0})
    assert group.scores["accuracy"].tolist() == [1.0]
    assert group.scores["format"].tolist() == [float("<think>" in whole)]


def test_a_run_records_the_whole_turn(tiny: VLM, make_config: Callable[..., Config], tmp_path: Path) -> None:
    """The report then shows the thinking as such."""
    tiny.save(tmp_path / "thinking")
    opening(tiny, "<think>\n").processor.save_pretrained(tmp_path / "thinking")
    config = make_config(model=tmp_path / "thinking", method="sft", **NO_SFT, **QUIET)
    run = Run(config)
    Trainer(config, run, Console(RichConsole(quiet=True))).train()
    rows = pq.read_table(run.folder / "samples" / "step-000000.parquet").to_pylist()
    assert all(row["completion"].startswith("<think>\n") for row in rows)
    assert [part.kind for part in training_groups(Reader(run.folder))[0].completions[0].parts] == ["think", "answer"]


TAGS = ("<think>", "</think>", "<answer>", "</answer>", "<", "\n", "x")


@given(some.lists(some.sampled_from(TAGS), max_size=8).map("".join), some.lists(some.sampled_from(TAGS)).map("".join))
def test_opened_is_the_end_of_the_prompt_from_a_tag_on(begun: str, behind: str) -> None:
    before = "<think>in the question</think>" + "\nassistant: "
    opened = opened_by(before + begun, before)
    assert begun.endswith(opened)
    assert not opened or opened.startswith(("<think>", "<answer>"))
    assert "<think>" not in begun.removesuffix(opened)
    assert opened_by(before + begun, before + "|" + behind) == opened
    assert left_open(opened) == left_open(begun)
