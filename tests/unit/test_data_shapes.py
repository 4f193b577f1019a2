"""Shapes of rows: docs/shapes.md from the page itself, and images in their places, whatever the words."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mr1.data.chat import place_images, read_chat, unplaced
from mr1.data.settings import Source
from mr1.data.source import SourceTask
from mr1.errors import UnusableError
from mr1.models.vlm import chat
from mr1.types import IMAGE_PLACE, Sample

PAGE = (Path(__file__).parents[2] / "docs/shapes.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SIZES = {"a.png": (8, 6), "b.png": (6, 8)}


def examples() -> list[tuple[str, str, str]]:
    """The page's rows, with the settings and what is shown of each."""
    blocks = [(found[1], found[2]) for found in BLOCK.finditer(PAGE)]
    found, rest = [], iter(blocks)
    for kind, row in rest:
        assert kind == "json", row
        kind, text = next(rest)
        settings, shown = (text, next(rest)[1]) if kind == "yaml" else ("{}", text)
        found.append((row, settings, shown))
    return found


def shown(sample: Sample, template: str = "{question}") -> str:
    """What a model is shown of a sample, and what is right."""
    names = iter([name for image in sample.images for name, size in SIZES.items() if size == image.size])
    lines = []
    for message in chat(sample, template):
        parts = [part["text"] if part["type"] == "text" else f"[{next(names)}]" for part in message["content"]]
        lines.append(f"{message['role']}: {''.join(parts)}")
    return "\n".join([*lines, f"answer: {' | '.join(sample.truth.accepted)}", ""])


@pytest.mark.parametrize(("row", "settings", "expected"), examples())
def test_every_shape_of_the_page(tmp_path: Path, row: str, settings: str, expected: str) -> None:
    for name, size in SIZES.items():
        Image.new("RGB", size).save(tmp_path / name)
    for name, text in (("rows.jsonl", row), ("rows.json", f"[{row}]")):
        (tmp_path / name).write_text(text, encoding="utf-8")
        task = SourceTask("own", Source(path=str(tmp_path / name), **yaml.safe_load(settings)))
        assert shown(task.sample("train", 0, 0)) == expected


def test_the_page_has_them_all() -> None:
    assert len(examples()) == len(re.findall("^```json$", PAGE, re.MULTILINE)) >= 14


WORDS = st.text(st.characters(exclude_characters="<>", exclude_categories=["Cs"]), max_size=6)
IMAGES = [f"{number}.png" for number in range(12)]


def _shown(question: str, images: list[str]) -> str:
    """A placed question with its images' names in their places."""
    places = question.count(IMAGE_PLACE)
    assert places in (0, len(images))
    parts = question.split(IMAGE_PLACE) if places else ["", *[""] * (len(images) - 1), question]
    return "".join(f"[{images[place - 1]}]{part}" if place else part for place, part in enumerate(parts))


@given(st.lists(WORDS, min_size=2, max_size=7), st.sampled_from(["<image>", "<IMAGE>"]))
def test_each_image_stands_where_the_words_say(words: list[str], mark: str) -> None:
    images, text = IMAGES[: len(words) - 1], mark.join(words)
    question, found = place_images(text, images)
    assert found == images
    if IMAGE_PLACE in question:
        expected = words[0] + "".join(f"[{image}]{word}" for image, word in zip(images, words[1:], strict=True))
        assert _shown(question, found) == expected.strip()
    else:  # all in front of the words
        assert (words[0] + "".join(words[1:-1])).strip() == ""
        assert question == words[-1].strip()
    last, messages, held = read_chat([{"role": "user", "content": text}], images)
    assert held == images
    content = messages[0]["content"]
    assert "".join(part.get("text", "<image>") for part in content) == "<image>".join(words)
    assert last == " ".join(word for word in words if word)


@given(
    st.permutations(range(5)), st.sampled_from(["<image {}>", "<image_{}>", "<image{}>", "<Image-{}>"]), st.booleans()
)
def test_numbered_images_stand_by_their_numbers(order: list[int], mark: str, from_nought: bool) -> None:
    text = "so: " + ", ".join(mark.format(number if from_nought else number + 1) for number in [*order, order[0]])
    question, images = place_images(text, IMAGES[:5])
    assert images == [IMAGES[number] for number in order]
    again = order[0] if from_nought else order[0] + 1
    assert question == "so: " + ", ".join([IMAGE_PLACE] * 5) + f", image {again}"
    _, messages, held = read_chat([{"from": "human", "value": text}], IMAGES[:5])
    assert held == images
    assert "".join(part.get("text", IMAGE_PLACE) for part in messages[0]["content"]) == question


@given(st.integers(0, 4), st.integers(0, 4))
def test_more_or_fewer_places_than_images_are_named(places: int, count: int) -> None:
    if places in (0, count):
        return
    said = f"has room for {places} images, its columns hold {count}; they must agree"
    text = "x" + " <image>" * places
    with pytest.raises(UnusableError, match=f"its question {said}"):
        place_images(text, IMAGES[:count])
    with pytest.raises(UnusableError, match=f"its prompt {said}"):
        read_chat([{"role": "user", "content": text}], IMAGES[:count])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("see <image 1> and <image 3>", "has room for the images 1, 3, its columns hold 2"),
        ("see <image 1> and <image>", "has room for the images 1, one without a number, its columns hold 2"),
        ("see <image 2>", "has room for the images 2, its columns hold 2"),
        ("see <image 999>", "has room for the images 999, its columns hold 2"),
    ],
)
def test_numbers_that_are_no_images_are_named(text: str, said: str) -> None:
    with pytest.raises(UnusableError, match=said):
        place_images(text, IMAGES[:2])


def test_names_in_one_image_are_words() -> None:
    assert unplaced("Which <image1>\nis <image2>?") == "Which image 1\nis image 2?"
    assert unplaced("How many?\n<image1>") == "How many?"
    assert unplaced("How many?") == "How many?"


def test_images_have_their_places_in_the_runs_prompt() -> None:
    sample = Sample("s/0", tuple(Image.new("RGB", size) for size in SIZES.values()), "is <image> as <image>", "1")
    assert shown(sample, "Look: {question}?").startswith("user: Look: is [a.png] as [b.png]?\n")
    in_front = Sample("s/0", sample.images, "Compare.", "1")
    assert shown(in_front, "Look: {question}").startswith("user: [a.png][b.png]Look: Compare.\n")
    literal = Sample("s/0", sample.images[:1], "Compare.", "1")
    assert shown(literal, "An <image>, an <image>: {question}").startswith("user: [a.png]An <image>, an <image>: ")


PART = st.one_of(
    st.text(max_size=5),
    st.none(),
    st.dictionaries(
        st.sampled_from(["type", "text", "image", "image_url", "url", "source", "role"]),
        st.one_of(st.none(), st.sampled_from(["text", "image", "image_url", "<image>", "a"]), st.integers()),
        max_size=3,
    ),
)
MESSAGE = st.one_of(
    PART,
    st.fixed_dictionaries(
        {},
        optional={
            "role": st.sampled_from(["user", "assistant", "system", "tool", 3, None]),
            "from": st.sampled_from(["human", "gpt", "bing", []]),
            "content": st.one_of(st.lists(PART, max_size=3), PART),
            "value": st.text(max_size=5),
        },
    ),
)


@given(st.lists(MESSAGE, max_size=4), st.integers(0, 2))
def test_any_list_is_a_chat_or_named(prompt: list[Any], count: int) -> None:
    before = json.dumps(prompt)
    try:
        words, messages, held = read_chat(prompt, IMAGES[:count])
    except UnusableError:
        return
    assert isinstance(words, str)
    parts = [part for message in messages for part in message["content"]]
    assert all(part.keys() == ({"type", "text"} if part["type"] == "text" else {"type"}) for part in parts)
    assert len(held) == sum(part["type"] == "image" for part in parts) >= count
    assert {message["role"] for message in messages} <= {"system", "user", "assistant"}
    assert json.dumps(prompt) == before
