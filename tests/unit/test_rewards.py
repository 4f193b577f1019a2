"""Rewards: what is right, what is well formed, and the total."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some

from mr1.judge.pool import side_by_side
from mr1.rewards import REWARDS, score_groups
from mr1.rewards.accuracy import _Count, accuracy, accuracy_r1v, take_undecided
from mr1.rewards.format import well_formed, well_formed_r1v
from mr1.rewards.words import other_script, repetition, script_of
from mr1.types import Group, Sample


def _sample(answer: str) -> Sample:
    return Sample(id="t/0", images=(), question="How many?", answer=answer)


@pytest.mark.parametrize(
    ("answer", "truth", "right"),
    [
        ("7", "7", True),
        ("7.0", "7", True),
        ("70°", "70", True),
        (r"\frac{1}{2}", "0.5", True),
        ("8", "7", False),
        ("", "7", False),
        ("7 or 8", "7", False),
        ("many", "7", False),
    ],
)
def test_accuracy(answer: str, truth: str, right: bool) -> None:
    assert accuracy(f"<think>x</think><answer>{answer}</answer>", _sample(truth)) == float(right)


def test_accuracy_does_not_take_a_number_of_the_reasoning_for_the_answer() -> None:
    assert accuracy("<think>1 red cube, 2 blue cube</think><answer>3</answer>", _sample("2")) == 0.0
    assert accuracy("<think>2</think>", _sample("2")) == 0.0


def test_r1v_takes_a_number_of_the_reasoning_for_the_answer() -> None:
    assert accuracy_r1v("<think>1 red cube, 2 blue cube</think><answer>3</answer>", _sample("2")) == 1.0
    assert accuracy_r1v("<think>x</think><answer>3</answer>", _sample("3")) == 1.0
    assert accuracy_r1v("<think>x</think><answer>3</answer>", _sample("4")) == 0.0


def test_what_could_not_be_judged_earns_nothing_and_is_counted() -> None:
    take_undecided()
    assert accuracy(f"<answer>{'(' * 1000}1</answer>", _sample("1")) == 0.0
    assert accuracy("<answer>7 or 8</answer>", _sample("7 or 8")) == 0.0
    assert accuracy("<answer>2</answer>", _sample("1")) == 0.0
    assert accuracy("no tag", _sample("1")) == 0.0
    assert take_undecided() == 2
    assert take_undecided() == 0


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("<think>a</think><answer>1</answer>", 1.0),
        ("<think>a\nb</think> \n <answer>1</answer>", 1.0),
        ("<think>a</think> so <answer>1</answer>", 0.0),
        ("<answer>1</answer>", 0.0),
        ("<think>a</think><answer>1</answer>.", 0.0),
        (" <think>a</think><answer>1</answer>", 0.0),
        ("<think></think>\n<think>a</think><answer>1</answer>", 1.0),
    ],
)
def test_format(text: str, score: float) -> None:
    assert well_formed(text) == score


def test_threads_count_every_one_that_could_not_be_judged() -> None:
    take_undecided()
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        scores = side_by_side(lambda _: accuracy("<answer>7 or 8</answer>", _sample("7 or 8")), range(2000))
    finally:
        sys.setswitchinterval(before)
    assert scores == [0.0] * 2000
    assert take_undecided() == 2000


def test_groups_are_scored_side_by_side_as_they_are_alone(make_groups: Callable[[int], list[Group]]) -> None:
    groups, alone = make_groups(5), make_groups(5)
    answers = ["√12", "2√3", "9^{9^{9}}", "x"]
    for number, group in enumerate([*groups, *alone]):
        group.prompt.sample = _sample(["2√{3}", "x", "3"][number % 5 % 3])
        for completion, answer in zip(group.completions, answers, strict=False):
            completion.text = f"<think></think><answer>{answer}</answer>"
    weights = {"accuracy": 1.0, "format": 0.5, "accuracy-r1v": 0.25}
    score_groups(groups, weights)
    for group, expected in zip(groups, alone, strict=True):
        for name in weights:
            texts = [completion.text for completion in expected.completions]
            scores = [REWARDS[name](text, expected.prompt.sample) for text in texts]
            assert group.scores[name].tolist() == scores
    assert {group.scores["accuracy"].sum().item() for group in groups} == {0.0, 1.0, 2.0}


def test_total_is_accuracy_plus_alpha_format(make_groups: Callable[[int], list[Group]]) -> None:
    group = make_groups(1)[0]
    group.prompt.sample = _sample("3")
    score_groups([group], {"accuracy": 1.0, "format": 0.5})
    # The four texts of the fixture: wrong but formed; right; malformed; wrong but formed.
    assert group.scores["accuracy"].tolist() == [0.0, 1.0, 0.0, 0.0]
    assert group.scores["format"].tolist() == [1.0, 1.0, 0.0, 1.0]
    torch.testing.assert_close(group.rewards, torch.tensor([0.5, 1.5, 0.0, 0.5]))


def test_totals_that_are_equal_on_paper_are_equal(
    make_groups: Callable[[int], list[Group]], monkeypatch: pytest.MonkeyPatch
) -> None:
    group = make_groups(1)[0]
    wrote = [completion.text for completion in group.completions]
    one = {f"is {number}": lambda text, _, number=number: float(text == wrote[number]) for number in (0, 1)}
    monkeypatch.setattr("mr1.rewards.REWARDS", one | {"not 0": lambda text, _: float(text != wrote[0])})
    # 0.7 by one reward for the first, 0.1 + 0.6 by two for the second: in float32 they differ in the last place.
    assert torch.tensor(0.1) + torch.tensor(0.6) != torch.tensor(0.7)
    score_groups([group], {"is 0": 0.7, "is 1": 0.1, "not 0": 0.6})
    assert group.rewards is not None
    assert group.rewards[0] == group.rewards[1]


PIECES = ("<think>", "</think>", "<answer>", "</answer>", " ", "\n", "x")


@given(some.lists(some.sampled_from(PIECES), max_size=12).map("".join))
def test_the_format_is_one_thought_and_one_answer(text: str) -> None:
    for whole in (text, f"<think>{text}</answer>"):
        expected = re.fullmatch(r"<think>.*?</think>\s*<answer>.*?</answer>", whole, re.DOTALL) is not None
        assert well_formed_r1v(whole) == expected
        part = r"(?:(?!</?think>|</?answer>).)*"
        once = re.fullmatch(
            rf"(?:<think>\s*</think>\s*)?<think>{part}</think>\s*<answer>{part}</answer>", whole, re.DOTALL
        )
        assert well_formed(whole) == (once is not None)


def test_the_format_of_a_hostile_text_takes_no_time() -> None:
    start = time.perf_counter()
    for rule in (well_formed, well_formed_r1v):
        assert rule("<think>" + "</think><answer>" * 200_000) == 0.0
        assert rule("<think>" + "</think> " * 200_000 + "</answer>") == 0.0
    assert time.perf_counter() - start < 1.0


def test_threads_count_what_was_not_decided_together() -> None:
    count = _Count()
    assert count.take() == 0
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count.add, [1] * 500))
    assert (count.take(), count.take()) == (500, 0)


WORDS = [f"word{number}" for number in range(40)]


@pytest.mark.parametrize(
    ("words", "score"),
    [
        ([], 0.0),
        (["so"] * 19, 0.0),
        (WORDS, 0.0),
        # 21 n-grams, of which one is different from the others.
        (["so"] * 40, -20 / 21),
        # 41 n-grams: the last is the first again.
        ([*WORDS, *WORDS[:20]], -1 / 41),
        ([*WORDS, *map(str.upper, WORDS[:20])], -1 / 41),
    ],
)
def test_repetition(words: list[str], score: float) -> None:
    assert repetition("\n".join(words)) == pytest.approx(score)


@pytest.mark.parametrize(
    ("question", "text", "score"),
    [
        ("How many items are there?", "<think>two red cubes</think><answer>2</answer>", 0.0),
        # 4 letters of 16 are another script's.
        ("How many items are there?", "there are some红色方块", -4 / 16),
        ("How many items are there?", "Там есть", -1.0),
        ("How many items are there?", "x = 2, π is 3.14, Δ and ∠ΑΒΓ", 0.0),
        ("如图，∠ABC=40°，ABCD是圆，求∠BCD", r"<think>因为 \frac{1}{2} AB = 3 cm，sin x，ABCD</think>", 0.0),
        ("如图，∠ABC=40°，求∠BCD", "因为 therefore 所以", -9 / 13),
        ("いくつありますか", "三つの赤い球とコーン", 0.0),
        ("한 개?", "a few хорошо 한", -6 / 7),
        ("AB = ?", "AB is five", 0.0),
        ("3 + 4 = ?", "семь", 0.0),
        ("How many?", "7", 0.0),
    ],
)
def test_other_script(question: str, text: str, score: float) -> None:
    sample = Sample(id="t/0", images=(), question=question, answer="")
    assert other_script(text, sample) == pytest.approx(score)


def test_a_letter_without_a_name_has_no_script() -> None:
    assert (script_of("\ue000"), script_of("ー"), script_of("é")) == ("", "CJK", "LATIN")


def test_how_a_hostile_text_is_worded_takes_no_time() -> None:
    start = time.perf_counter()
    repetition("a " * 200_000)
    other_script("αa中" * 100_000 + "\\" * 100_000, _sample("1"))
    assert time.perf_counter() - start < 5.0
