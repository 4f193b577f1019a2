"""Counting in words: what a sample's words say is its answer."""

from __future__ import annotations

import re

import pytest

from mr1.rewards.facts import facts, false_facts
from mr1.tasks import load_task
from mr1.tasks.base import split_of
from mr1.tasks.counting.camera import SIZES
from mr1.tasks.counting.scene import CLEVR, MATERIALS, SHIFTED
from mr1.types import Sample

TASK = load_task("counting-words")
COLORS = {*CLEVR.colors, *SHIFTED.colors}


def told(sample: Sample) -> tuple[list[list[str]], list[str]]:
    """The listed objects, and the words that are asked for, as they stand in the question."""
    match = re.fullmatch(r"There are (.*)\. How many (.*) are there\?", sample.question)
    assert match is not None, sample.question
    listed = [words.removeprefix("a ").split() for words in match[1].split(", ")]
    *words, noun = match[2].split()
    noun = noun.removesuffix("s")
    return listed, [each for each in (*words, noun) if each not in ("different", "item", "object")]


@pytest.mark.parametrize("split", TASK.splits)
def test_the_list_has_as_many_as_the_answer_says(split: str) -> None:
    answers = set()
    for index in range(60):
        sample = TASK.sample(split, 3, index)
        assert sample == TASK.sample(split, 3, index)
        assert sample.images == ()
        listed, asked = told(sample)
        assert 3 <= len(listed) <= 10
        assert sample.answer == str(sum({*asked} <= {*words} for words in listed))
        colors = [color for _, color, _, _ in listed if color in COLORS]
        assert len(colors) == len(listed)
        assert all(words[0] in SIZES and words[2] in MATERIALS for words in listed)
        if split != "shifted":  # the key is the pictures': the objects' attributes, in whatever order
            key = ";".join(sorted(f"{shape},{color},{made},{size}" for size, color, made, shape in listed))
            assert split_of(key) == split
        answers.add(sample.answer)
        assert facts(f"<think>{sample.reasoning}</think>", sample) >= 0
        assert false_facts(f"<think>{sample.reasoning}</think>", sample) == 0
    assert len(answers) > 5


def test_teachers_count_in_the_lists_order() -> None:
    hasty = 0
    for index in range(40):
        sample = TASK.sample("train", 0, index)
        listed, asked = told(sample)
        colors = [color for size, color, made, shape in listed if {*asked} <= {size, color, made, shape}]
        perfect, other = (TASK.demonstrate(sample, teacher) for teacher in ("perfect", "hasty"))
        assert perfect.reasoning == (", ".join(f"{n} {color}" for n, color in enumerate(colors, 1)) or "none")
        assert perfect.answer == sample.answer
        hasty += other.answer != sample.answer
        assert int(other.answer) <= int(sample.answer)
    assert hasty > 10
    assert TASK.baseline("test") is None
    with pytest.raises(ValueError, match="unknown split 'dev' of task 'counting-words': expected one of train"):
        TASK.sample("dev", 0, 0)
