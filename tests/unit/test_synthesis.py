"""The pipeline through HTTP: a server that sees pictures answers by rule; stopped anywhere, the result is the same."""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from endpoint_server import Server, serving
from hypothesis import strategies as st
from PIL import Image

from mr1.config import load_source_settings
from mr1.data.source import SourceTask
from mr1.endpoint.cache import file_of
from mr1.errors import UnusableError, UserError
from mr1.judge.verdict import Verdict
from mr1.rewards.judgements import Tiers
from mr1.synthesis import prompts, replies
from mr1.synthesis.checks import fault, states, truth_of
from mr1.synthesis.make import Made, make_rows
from mr1.synthesis.replies import Answer, Draft, Unread
from mr1.synthesis.settings import load_make

SIDE = 8
"""A picture of n squares is n times as wide as it is high."""
QUESTIONS: dict[str, tuple[str, list[str], list[str]]] = {
    "How many squares are there?": ("short", [], ["reasoning", "math"]),
    "Which number is it?": ("choice", ["1", "2", "3", "4"], ["reasoning", "recognition"]),
    "Is it a nice picture?": ("short", [], ["reasoning", "knowledge"]),
    "How high is it?": ("short", [], ["reasoning", "spatial"]),
    "Why is it red?": ("prose", [], ["reasoning", "generation"]),
    "What is it?": ("short", [], ["reasoning"]),
    "How many corners are there?": ("short", [], ["reasoning", "ocr"]),
    "How many more?": ("short", [], ["reasoning", "ocr", "math"]),
}
ANSWERS = {
    "How many squares are there?": ("{n}", "{n}.0", ""),
    "Which number is it?": ("{letter}", "({letter}) {n}", ""),
    "Why is it red?": ("It was painted.", "Somebody painted it.", ""),
    "How high is it?": ("7", "8", "8 "),
    "How many corners are there?": ("2", "3", "5"),
}
"""Of the writer, the VLM and the decider."""
FINE = {
    "How many squares are there?": "writer",
    "Which number is it?": "writer",
    "Why is it red?": "writer",
    "How high is it?": "vlm",
}
"""What is kept, and whose answer."""


def scene(body: dict[str, Any]) -> int:
    """How many squares the picture of a request shows, or its description tells of."""
    content = body["messages"][1]["content"]
    if isinstance(content, str):
        return int(content.partition(" red squares")[0][-1])
    url = content[0]["image_url"]["url"]
    assert url.startswith("data:image/png;base64,")
    width, height = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).size
    return width // height


def answer(body: dict[str, Any], user: str) -> str:
    n = scene(body)
    question = next(each for each in ANSWERS if each in user)
    said = ANSWERS[question][["writer", "vlm", "decider"].index(body["model"])]
    return f"<think>I see {n}.</think>So <answer>{said.format(n=n, letter='ABCD'[n - 1])}</answer>"


def reply(body: dict[str, Any]) -> Any:
    """What a model says, by rule: as each step asks for it."""
    system, content = body["messages"][0]["content"], body["messages"][1]["content"]
    user = content if isinstance(content, str) else content[-1]["text"]
    if "whether you are there" in system:
        return "yes"
    if system == prompts.DESCRIBE.system:
        return f"{scene(body)} red squares." if scene(body) < 5 else "<think>Too many.</think>"
    if system == prompts.ASK.system:
        return "<think>What else?</think><ask>Of what size?</ask>" if "nothing yet" in user else "<enough/>"
    if system == prompts.LOOK.system:
        assert "1. Of what size?" in user
        return f"<reply1>{SIDE} pixels</reply1>"
    if system == prompts.MERGE.system:
        assert f"Of what size? {SIDE} pixels" in user
        return f"<description>{scene(body)} red squares of {SIDE} pixels.</description>"
    if system == prompts.WRITE.system:
        keys = ("form", "choices", "abilities")
        made = [dict(zip(keys, each, strict=True)) | {"question": text} for text, each in QUESTIONS.items()]
        return f"Here they are:\n```json\n{json.dumps(made)}\n```"
    if system == prompts.FILTER.system:
        return "<keep>no: a matter of taste</keep>" if "nice" in user else "<keep>yes</keep>"
    if system in (prompts.READ.system, prompts.SEE.system):
        return answer(body, user)
    if system == Tiers.system:
        return "<score>1</score>"
    assert system == prompts.REFINE.system
    return f"<reasoning>{scene(body)} squares.</reasoning>" if "How high" not in user else "Shorter is not possible."


def draw(folder: Path) -> None:
    """Pictures of one to three squares, one that can't be described, one twice, and no pictures."""
    (folder / "photos").mkdir()
    for n in (1, 2, 3, 5):
        Image.new("RGB", (SIDE * n, SIDE), "red").save(folder / f"photos/{n}.png")
    (folder / "photos/2b.png").write_bytes((folder / "photos/2.png").read_bytes())
    (folder / "photos/4.jpg").write_text("no picture")
    (folder / "photos/notes.txt").touch()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Made, list[str]]]:
    """A make that nothing came between: its folder, what came of it, and what was asked."""
    with pytest.MonkeyPatch.context() as patch, serving() as made:
        patch.chdir(folder := tmp_path_factory.mktemp("whole"))
        draw(folder)
        made.script = reply
        yield folder, make(made), [json.dumps(body) for body in made.asked]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    """Answers by rule; the pictures are in the folder `photos`."""
    monkeypatch.setattr("mr1.endpoint.client.FIRST_PAUSE", 0.001)
    monkeypatch.chdir(tmp_path)
    draw(tmp_path)
    with serving() as made:
        made.script = reply
        yield made


def settings(server: Server, *more: str, decider: bool = True) -> list[str]:
    address = f"http://127.0.0.1:{server.server_address[1]}/v1"
    roles = ["vlm", "writer", *(["decider"] if decider else [])]
    if not decider:
        more = (*more, "decider.base_url=null", "decider.model=null")
    of_roles = [f"{role}.{key}" for role in roles for key in (f"base_url={address}", f"model={role}", "concurrency=1")]
    return [*of_roles, *(f"{role}.retries=0" for role in roles), "questions=7", *more]


def make(server: Server, *more: str, decider: bool = True) -> Made:
    return make_rows(load_make("wethink", settings(server, *more, decider=decider)))


def files(name: str, root: Path = Path()) -> dict[str, Any]:
    """All that a make has written of its result."""
    folder = root / "made" / name
    about = json.loads((folder / "make.json").read_text())
    images = {path.name: path.read_bytes() for path in (folder / "images").iterdir()}
    texts = {each: (folder / each).read_text() for each in ("problems.jsonl", "dropped.jsonl")}
    return {**texts, "images": images, "counts": about["counts"], "waiting": about["waiting"]}


def rows(name: str, file: str = "problems.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (Path("made") / name / file).read_text().splitlines()]


def test_rows_are_what_agrees_and_say_how_they_came_about(
    whole: tuple[Path, Made, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, made, asked = whole
    monkeypatch.chdir(folder)
    assert made.counts == {
        "dropped/agree": 3,
        "dropped/describe": 1,
        "dropped/filter": 3,
        "dropped/picture": 2,
        "dropped/write": 6,
        "pictures": 4,
        "rows": 12,
        "rows/choice": 3,
        "rows/judge": 3,
        "rows/rule": 6,
    }
    writing = [body for body in asked if json.loads(body)["messages"][0]["content"] == prompts.WRITE.system]
    assert all(f"red squares of {SIDE} pixels" in body for body in writing)
    kept = rows("wethink")
    for n, some in enumerate((kept[:4], kept[4:8], kept[8:]), 1):
        assert {row["question"].partition("\n")[0]: row["provenance"]["answer"] for row in some} == FINE
        right = {row["reward"]: row["answer"] for row in some if row["answer"] != "8"}
        assert right == {"rule": str(n), "choice": "ABCD"[n - 1], "judge": "It was painted."}
        for row in some:
            how = row["provenance"]
            assert how["file"] == f"photos/{n}.png"
            assert row["reasoning"] == ("" if row["answer"] == "8" else f"{n} squares.")
            assert how["decided"] == ("decider" if row["answer"] == "8" else "agreement")
            assert how["models"] == {"vlm": "vlm", "writer": "writer", "decider": "decider"}
            for step, key in how["replies"].items():
                said = json.loads(file_of(Path("made/wethink/replies"), key).read_text())
                assert said["request"]["model"] == step.rpartition(", ")[2]
            assert {"describe, vlm", "look 1, vlm", "answer, writer", "answer, vlm", "refine, vlm"} <= {*how["replies"]}
    why = Counter((each["step"], each["reason"].partition(" photos")[0]) for each in rows("wethink", "dropped.jsonl"))
    assert why == {
        ("picture", "it is the same picture as"): 1,
        ("picture", "image"): 1,
        ("describe", "vlm: the reply is empty"): 1,
        ("write", "it needs reasoning and no other ability, or no reasoning"): 3,
        ("write", "it is more than the 7 that were asked for"): 3,
        ("filter", "a matter of taste"): 3,
        ("agree", "all three answers differ"): 3,
    }
    task = SourceTask("made", load_source_settings("made", ["path=made/wethink/problems.jsonl"]))
    assert (task.size("train"), task.unusable, task.unreadable("train")) == (12, [], [])
    assert not {len(task.sample("train", 0, index).images) for index in range(12)} - {1}


def test_without_a_decider_what_differs_is_dropped_and_no_prose_is_asked_for(server: Server) -> None:
    made = make(server, "reasoning=false", "turns=0", "images.limit=1", decider=False)
    assert (made.counts["rows"], made.counts["dropped/agree"], made.counts["dropped/write"]) == (2, 2, 3)
    assert [row["reasoning"] for row in rows("wethink")] == ["", ""]
    reasons = [each["reason"] for each in rows("wethink", "dropped.jsonl")]
    assert "its answer is prose, and there is no decider to say whether answers agree" in reasons
    assert reasons.count("the answers differ, and there is no decider") == 2
    asked = [body for body in server.asked if body["messages"][0]["content"] == prompts.WRITE.system]
    assert "prose" not in asked[0]["messages"][1]["content"]


def hello(asked: list[str]) -> int:
    """How often it was asked whether somebody is there."""
    return sum("whether you are there" in body for body in asked)


def test_what_a_failing_server_left_open_is_asked_again_and_the_result_is_the_same(
    server: Server, whole: tuple[Path, Made, list[str]]
) -> None:
    numbers, failed = iter(range(10_000)), set[str]()

    def script(body: dict[str, Any]) -> Any:
        fails = next(numbers) % 12 == 11
        if fails:
            failed.add(json.dumps(body))
        return (503, {}, 0) if fails else reply(body)

    server.script = script
    made = make(server)
    assert len(made.waiting) == len(failed) > 3
    assert 0 < made.counts["rows"] < 12
    answered = {json.dumps(body) for body in server.asked} - failed
    server.asked.clear()
    server.script = reply
    assert make(server).waiting == []
    assert files("wethink") == files("wethink", whole[0])
    again = [json.dumps(body) for body in server.asked]
    assert sorted([*answered, *again]) == sorted([*whole[2], *whole[2][: hello(again)]])
    # Once it is finished, nobody has to be there.
    server.script = lambda _: (500, {}, 0)
    asked = len(server.asked)
    assert (make(server).calls["calls"], len(server.asked)) == (0, asked)
    with pytest.raises(UserError, match=r"what other settings made \(turns was 2, now 1\)"):
        make(server, "turns=1")


def test_killed_at_a_question_it_goes_on_with_it(server: Server, whole: tuple[Path, Made, list[str]]) -> None:
    running: list[subprocess.Popen[bytes]] = []

    def kill(body: dict[str, Any]) -> Any:
        if len(server.asked) == 40:
            os.kill(running[0].pid, signal.SIGKILL)
        return reply(body)

    server.script = kill
    program = "import sys; from mr1.cli import main; sys.argv[0] = 'mr1'; main()"
    command = [sys.executable, "-c", program, "data", "make", "wethink", *settings(server)]
    server.lock.acquire()  # nothing is answered before the process is known
    running.append(subprocess.Popen(command))
    server.lock.release()
    assert running[0].wait(60) == -signal.SIGKILL
    assert not Path("made/wethink/problems.jsonl").exists()
    assert len(server.asked) == 40
    server.script = reply
    make(server)
    assert files("wethink") == files("wethink", whole[0])
    # The one at which it was killed is asked once more, and each of the three models whether it is there.
    asked = [json.dumps(body) for body in server.asked]
    assert (hello(asked), len(asked)) == (6, len(whole[2]) + 1 + 3)


def test_scenes_of_a_task_may_be_what_models_are_asked_about(server: Server) -> None:
    made = make(server, "images.path=null", "scenes.task=counting", "scenes.count=1", "scenes.image_size=56", "turns=0")
    assert made.counts["pictures"] == 1
    assert rows("wethink")[0]["provenance"]["task"] == "counting"
    assert rows("wethink")[0]["picture"] == "counting-train-0-0"


def test_a_comparison_that_was_lost_is_made_again(server: Server) -> None:
    few = ("reasoning=false", "turns=0", "images.limit=1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mr1.synthesis.checks.strict.judge_answer", lambda *_: Verdict.LOST)
        with pytest.raises(UserError, match=r"no question was kept; .* says why, and 4 questions got no reply"):
            make(server, *few, decider=False)
    assert make(server, *few, decider=False).counts["rows"] == 2


def test_settings_of_a_make_that_came_to_nothing_may_be_others(server: Server) -> None:
    server.script = lambda _: (404, {}, 0)
    with pytest.raises(UserError, match="knows no model"):
        make(server)
    server.script = reply
    few = ("reasoning=false", "turns=0", "images.limit=1")
    assert make(server, *few, decider=False).counts["rows"] == 2


def test_where_nothing_can_be_made_it_is_said(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^images.path: no picture is in nowhere; name a folder that has some"):
        make(server, "images.path=nowhere")
    with pytest.raises(UserError, match=r"^images.path: no picture is in photos/\*.gif"):
        make(server, "images.path=photos/*.gif")
    assert not (tmp_path / "made").exists()
    with pytest.raises(UserError, match=r"no question was kept; made/wethink/dropped.jsonl says why"):
        make(server, "images.path=photos/4*")
    server.script = lambda _: (404, {}, 0)
    with pytest.raises(UserError, match=r"^vlm.model: .* knows no model 'vlm'") as raised:
        make(server, "name=other")
    assert raised.value.__notes__ == ["started again, it goes on; what was answered is not asked again"]
    with pytest.raises(UserError, match=r"^writer.model: missing; a model has to write the questions"):
        load_make("wethink", ["writer.model=null"])
    with pytest.raises(UserError, match=r"^decider.base_url: missing; an address and a model belong together"):
        load_make("wethink", ["decider.base_url=null"])


@hypothesis.given(st.text(alphabet='<>/askrepl1yn:[]{}",\\ \ud800'))
@hypothesis.settings(max_examples=60, deadline=None)
def test_any_reply_is_read_or_unread(text: str) -> None:
    readers = [replies.words, replies.asked, replies.looked, replies.kept, replies.answered, replies.refined]
    for form in ("{}", "<ask>{}</ask>", "<keep>no: {}</keep>", "<answer>{}</answer>", "<reasoning>{}</reasoning>"):
        for read in (*readers, replies.drafts):
            str(read(form.replace("{}", text))).encode()
    str(replies.drafts(f"[{text}]")).encode()


@pytest.mark.parametrize(
    ("read", "reply", "said"),
    [
        (replies.words, "<think>a</think> A cat. ", "A cat."),
        (replies.words, "<think>a</think>", Unread("the reply is empty")),
        (replies.asked, "1. <ask>How\nmany?</ask> <ask>Where?</ask>", ("How many?", "Where?")),
        (replies.asked, "<think><ask>no</ask></think><enough/>", ()),
        (replies.asked, "How many?", Unread("the reply has neither <ask> nor <enough/>")),
        (replies.looked, "<reply2>b</reply2><reply1>a\nb</reply1>", {1: "a b", 2: "b"}),
        (replies.looked, "a", Unread("the reply has no <reply1>")),
        (replies.drafts, "[1]", (Draft("", "", (), (), "other"),)),
        (replies.drafts, '[{"question": "a", "choices": "b"}]', (Draft("a", "", (), (), "other"),)),
        (replies.drafts, '[{"question": "a\\ud800"}]', (Draft("a?", "", (), (), "other"),)),
        (replies.drafts, "[{]", Unread("the reply has no list of questions in JSON")),
        (replies.kept, "<keep>Yes</keep>", ""),
        (replies.kept, "<keep>yes</keep> or <keep>no: two fit</keep>", "two fit"),
        (replies.kept, "<keep>no</keep>", "no reason given"),
        (replies.kept, "yes", Unread("the reply has no <keep>yes</keep> or <keep>no: ...</keep>")),
        (replies.answered, "<think>1 + 1</think> is <answer>2</answer>", Answer("2", "1 + 1 is")),
        (replies.answered, "<answer>Unknown.</answer>", Unread("it can't be told")),
        (replies.answered, "2", Unread("the reply has no <answer>")),
        (replies.refined, "<reasoning>\n1 + 1 = 2\n</reasoning>", "1 + 1 = 2"),
        (
            replies.refined,
            "<reasoning><think>2</think></reasoning>",
            Unread("the reply has no <reasoning> without further tags in it"),
        ),
    ],
)
def test_replies_are_read(read: Any, reply: str, said: Any) -> None:
    assert read(reply) == said


def draft(form: str = "short", *choices: str, abilities: tuple[str, ...] = ("reasoning", "math")) -> Draft:
    return Draft("How many?", form, choices, abilities, "count")


def test_questions_that_are_not_as_they_should_be() -> None:
    before = [Draft("how MANY?", "short", (), ("reasoning", "ocr"), "")]
    same = [Draft("Where?", "short", (), ("math", "reasoning"), "")]
    for wrong, reason in (
        (Draft(" " * 0, "short", (), (), ""), "it has no question"),
        (draft("essay"), "its form is 'essay'"),
        (draft("choice", "a", "<image_1>"), "it holds <image>"),
        (draft("prose"), "its answer is prose"),
        (draft(abilities=("math",)), "it needs reasoning and no other ability, or no reasoning"),
        (draft(abilities=("reasoning", "music", "math")), "it needs 'music', which is none"),
        (draft("choice", "a", "a", "b"), "it has 2 different choices"),
        (draft("choice"), "it has 0 different choices"),
    ):
        assert fault(wrong, ["math", "ocr"], ["short", "choice"], []).startswith(reason)
    assert fault(draft(), ["math"], ["short"], before) == "it is asked twice"
    assert fault(draft(), ["math"], ["short"], same) == "another question of the picture needs the same abilities"
    assert fault(draft("choice", "a", "b"), ["math"], ["choice"], []) == ""


def test_answers_agree_where_the_judge_says_so() -> None:
    for form, choices, one, other, agree in (
        ("short", (), "1/2", "0.5", True),
        ("short", (), "3", "three", True),
        ("short", (), "yes", "no", False),
        ("choice", ("red", "blue"), "B", "(B) blue", True),
        ("choice", ("red", "blue"), "blue", "B", True),
        ("choice", ("red", "blue"), "A", "blue", False),
    ):
        assert states(other, truth_of(draft(form, *choices), one)) is agree
    for form, choices, wrong in (
        ("short", (), "7 or 8"),
        ("choice", ("a", "b"), "c"),
        ("choice", ("x", "y"), "A and B"),
    ):
        with pytest.raises(UnusableError, match="its answer"):
            truth_of(draft(form, *choices), wrong)
