"""`mr1 eval`: a folder with outcomes, figures and a page; stopped and gone on with."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import time
import weakref
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from rich.console import Console as RichConsole

from mr1.config import PROMPT, Loading
from mr1.data.images import decode
from mr1.data.source import _OPENED
from mr1.errors import UserError
from mr1.evaluate.evaluate import Protocol, evaluate
from mr1.evaluate.folder import EvaluationFolder, read_outcomes
from mr1.evaluate.outcome import Evaluation
from mr1.evaluate.run import run_evaluation
from mr1.evaluate.select import Choice, measurements
from mr1.folders import Mode
from mr1.judge.verdict import Verdict
from mr1.models import load_vlm
from mr1.models.vlm import VLM
from mr1.report.console import Console
from mr1.report.write import write_page
from mr1.rollout.local import LocalEngine
from mr1.tasks import load_task

pytestmark = pytest.mark.loop

GREEDY = Protocol(PROMPT, 40)


def opened(folder: Path, settings: dict[str, Any], mode: Mode = "new") -> EvaluationFolder:
    out = EvaluationFolder(folder, mode)
    try:
        out.open(settings)
    except UserError:
        out.close()
        raise
    return out


def test_stopped_and_continued_equals_not_stopped(tiny: VLM, tmp_path: Path) -> None:
    engine, task = LocalEngine(tiny), load_task("counting")
    protocol = Protocol(PROMPT, 12, attempts=3, temperature=1.5, batch_size=4)

    class StoppedError(Exception):
        pass

    def stop(_size: int) -> None:
        raise StoppedError

    folder = tmp_path / "out"
    with pytest.raises(StoppedError), opened(folder, {"a": 1}) as out:
        out.measure(engine, task, "test", 10, protocol, stop)
    first = folder / "outcomes" / "counting" / "000000.parquet"
    written = first.stat().st_mtime_ns
    again = opened(folder, {"a": 1}, "resume")
    done: list[int] = []
    again.measure(engine, task, "test", 10, protocol, done.append)
    assert done == [4, 4, 2]
    assert first.stat().st_mtime_ns == written
    first.write_bytes(first.read_bytes()[:-100])  # by a disk or a copy; it is measured again
    again.close()
    again = opened(folder, {"a": 1}, "resume")
    again.measure(engine, task, "test", 4, protocol, done.append)
    whole = evaluate(engine, task, "test", 10, protocol)
    resumed = Evaluation.from_table(read_outcomes(folder, "counting"))
    assert [(o.id, o.attempt, o.completion) for o in resumed.outcomes] == [
        (o.id, o.attempt, o.completion) for o in whole.outcomes
    ]
    assert len({o.completion for o in whole.outcomes[:3]}) > 1
    assert again.summarise()["counting"] == whole.summary()


def test_a_folder_is_not_touched_by_mistake(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    opened(folder, {"model": "a"}).close()
    with pytest.raises(UserError, match="exists; go on with it by --resume, replace it by --overwrite"):
        EvaluationFolder(folder, "new")
    with pytest.raises(UserError, match=r"--resume: model was a in .*, now it is b"):
        opened(folder, {"model": "b"}, "resume")
    with pytest.raises(UserError, match="there is no evaluation in"):
        EvaluationFolder(tmp_path / "nowhere", "resume")
    other = tmp_path / "other"
    other.mkdir()
    (other / "settings.json").write_text("{}")
    with pytest.raises(UserError, match="so it is left alone"):
        EvaluationFolder(other, "overwrite")
    assert [path.name for path in other.iterdir()] == ["settings.json"]
    opened(folder, {"model": "b"}, "overwrite").close()
    assert json.loads((folder / "settings.json").read_text()) == {"model": "b"}


def test_killed_in_the_middle_and_continued_by_the_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mr1", "eval", "tiny", "--task", "counting", "--task", "geometry"]
    command += ["--samples", "160", "--max-new-tokens", "24", "--out", "out", "--json"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    first = tmp_path / "out" / "outcomes" / "counting" / "000000.parquet"
    while not first.is_file() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "out" / "summary.json").exists()
    written = first.stat().st_mtime_ns
    result = subprocess.run([*command, "--resume"], cwd=tmp_path, capture_output=True, check=True)
    assert first.stat().st_mtime_ns == written
    figures = json.loads(result.stdout)
    assert figures == json.loads((tmp_path / "out" / "summary.json").read_text())
    assert [figures[task]["n"] for task in ("counting", "geometry")] == [160, 160]
    assert sum(part["n"] for part in figures["geometry"]["by_subject"].values()) == 160
    images = pq.read_table(first)["images"].to_pylist()
    assert all(image[0]["bytes"].startswith(b"\x89PNG") for image in images)


def test_the_page_stands_alone_and_escapes_what_a_model_wrote(tiny: VLM, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    settings = {"model": "<b>tiny</b>", "loading": {"dtype": "float32"}}
    task = {"split": "test", "scorer": "strict", "attempts": 1, "temperature": 1.0, "max_new_tokens": 40}
    made = opened(folder, settings | {"tasks": {"geometry": task}})
    made.measure(LocalEngine(tiny), load_task("geometry"), "test", 20, GREEDY, lambda _: None)
    outcomes = folder / "outcomes"
    for stray in (outcomes / ".DS_Store", outcomes / "geometry" / "Thumbs.db", outcomes / "geometry" / "._0.parquet"):
        stray.write_bytes(b"\0stray")
    (outcomes / "copy").mkdir()
    assert [*made.summarise()] == ["geometry"]
    page = write_page(folder).path.read_text()
    assert "<b>tiny</b>" not in page
    assert "&lt;b&gt;tiny&lt;/b&gt;" in page
    assert "By subject" in page
    assert page.count("data:image/png;base64,") >= 12
    assert "http://" not in page
    assert "<script" not in page


def _rows(folder: Path, count: int = 3) -> Path:
    """A JSONL file of one's own, with images by path."""
    task, lines = load_task("counting"), []
    for index in range(count):
        sample = task.sample("test", 0, index)
        sample.images[0].save(folder / f"{index}.png")
        row = {"question": sample.question, "answer": sample.answer, "image": f"{index}.png", "subject": "scenes"}
        lines.append(json.dumps(row) + "\n")
    (folder / "rows.jsonl").write_text("".join(lines))
    return folder / "rows.jsonl"


def _choice(**given: Any) -> Choice:
    known = {"split": None, "samples": None, "attempts": 1, "temperature": 1.0, "max_new_tokens": None, "prompt": None}
    return Choice(**(known | {"scorer": "strict", "preset": None} | given))


def test_data_of_ones_own_is_measured_like_a_task(tiny: VLM, tmp_path: Path) -> None:
    (chosen,) = measurements([], [str(_rows(tmp_path))], _choice(max_new_tokens=72))
    assert (chosen.task.name, chosen.split, chosen.samples) == ("rows", "train", 3)
    own = evaluate(LocalEngine(tiny), chosen.task, chosen.split, 99, chosen.protocol)
    procedural = evaluate(LocalEngine(tiny), load_task("counting"), "test", 3, Protocol(PROMPT, 72))
    assert sorted(each.completion for each in own.outcomes) == sorted(each.completion for each in procedural.outcomes)


def test_an_evaluation_holds_no_image_longer_than_its_prompt_needs(
    tiny: VLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (chosen,) = measurements([], [str(_rows(tmp_path, 12))], _choice(max_new_tokens=2))
    alive: set[int] = set()
    most: list[int] = []

    def counted(found: Any) -> Image.Image:
        image = decode(found)
        alive.add(id(image))
        weakref.finalize(image, alive.discard, id(image))
        most.append(len(alive))
        return image

    monkeypatch.setattr("mr1.data.source.decode", counted)
    tables: list[pa.Table] = []
    protocol = Protocol(PROMPT, 2, attempts=2, batch_size=6)
    found = evaluate(LocalEngine(tiny), chosen.task, "train", 12, protocol, keep=tables.append)
    assert len(most) == 12
    assert max(most) <= 2
    assert not any(outcome.images for outcome in found.outcomes)
    assert [len(table) for table in tables] == [12, 12]
    assert all(table["images"][row].as_py()[0]["bytes"].startswith(b"\x89PNG") for table in tables for row in range(12))


def test_unusable_rows_are_left_out_counted_and_known_after_a_stop(tmp_path: Path) -> None:
    file = _rows(tmp_path, 10)
    for number in (2, 7):
        (tmp_path / f"{number}.png").write_bytes(b"\x89PNG")
    rows = file.read_text().splitlines()
    rows[4] = json.dumps(json.loads(rows[4]) | {"answer": "7 or 8"})
    file.write_text("\n".join(rows))
    said = io.StringIO()
    console = Console(RichConsole(file=said, width=200))

    def run(mode: Any, share: float = 0.0) -> dict[str, Any]:
        chosen = measurements([], [str(file)], _choice(max_new_tokens=2))
        return dict(run_evaluation("tiny", Loading(), chosen, tmp_path / "out", mode, console, share)["rows"])

    figures = run("new")
    assert (figures["n"], figures["unusable"]) == (7, 3)
    assert f"{file}, row 5 (id 5): its answer '7 or 8' says nothing that can be compared" in said.getvalue()
    assert f"left out: {file}, row 3 (id 3): image {tmp_path}/2.png is no image in a known format" in said.getvalue()
    listed = (tmp_path / "out/unusable.jsonl").read_text()
    assert [json.loads(line)["id"] for line in listed.splitlines()] == ["5", "3", "8"]
    assert run("resume") == figures
    assert (tmp_path / "out/unusable.jsonl").read_text() == listed
    assert said.getvalue().count("left out:") == 2
    for number in range(4):
        (tmp_path / f"{number}.png").write_bytes(b"\x89PN")
    with pytest.raises(UserError, match=r"--max-unusable: 6 of 10 rows of rows, split train, can't be used"):
        run("overwrite")
    assert len((tmp_path / "out/unusable.jsonl").read_text().splitlines()) == 6
    assert run("overwrite", share=0.6)["n"] == 4


def test_presets_are_r1vs_prompts_and_limits(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    row = {"image_path": "./images/a.png", "question": "How many?", "ground_truth": 4}
    file = tmp_path / "superclevr_test200_counting_problems.jsonl"
    file.write_text(json.dumps(row) + "\n")
    load_task("counting").sample("test", 0, 0).images[0].save(tmp_path / "images" / "a.png")
    (chosen,) = measurements([], [str(file)], _choice(preset="superclevr-200", scorer="r1v"))
    assert chosen.task.sample(chosen.split, 0, 0).answer == "4"
    assert chosen.protocol.prompt == (
        "{question} First output the thinking process in <think> </think> and final answer (number) in <answer> "
        "</answer> tags."
    )
    assert (chosen.protocol.max_new_tokens, chosen.protocol.attempts) == (256, 1)
    assert chosen.protocol.rule("<think>9</think><answer> 4 </answer>", "4") is Verdict.RIGHT
    (geoqa,) = measurements(["geometry"], [], _choice(preset="geoqa-test"))
    assert geoqa.protocol.prompt == PROMPT.replace("  ", " ")
    assert geoqa.protocol.max_new_tokens == 1024


def test_super_clevrs_real_scenes(tiny: VLM, shared_data: Path) -> None:
    path = shared_data / "superclevr" / "superCLEVR_questions_5.json"
    (chosen,) = measurements([], [f"superclevr={path}"], _choice())
    assert chosen.samples == 45
    tables: list[pa.Table] = []
    evaluate(LocalEngine(tiny), chosen.task, chosen.split, 5, Protocol(PROMPT, 8), keep=tables.append)
    files = [image["bytes"] for (image,) in tables[0]["images"].to_pylist()]
    assert [Image.open(io.BytesIO(file)).size for file in files] == [(640, 480)] * 5


@pytest.mark.parametrize(
    ("names", "data", "given", "message"),
    [
        ([], [], {}, "what to measure? give --task or --data"),
        (["counting"], [], {"split": "tset"}, "--split: counting has no split 'tset'; it has "),
        (["counting"], [], {"prompt": "Count."}, "--prompt: the template needs {question}"),
        (["counting"], [], {"preset": "superclever-200"}, "did you mean 'superclevr-200'?"),
        ([], ["nothing.jsonl"], {}, "nothing.jsonl"),
    ],
)
def test_what_can_not_be_measured(names: list[str], data: list[str], given: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        measurements(names, data, _choice(**given))
    assert message in str(caught.value)


def test_data_is_called_as_its_folder_or_told_by_what_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "a-set"
    folder.mkdir()
    (folder / "test.jsonl").write_text('{"question": "1+1?", "answer": "2"}\n')
    monkeypatch.chdir(folder)
    assert [each.task.name for each in measurements([], ["."], _choice())] == ["a-set"]
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    for what, message in (
        (".", r"--data \.: path: \. can't be read by datasets"),
        ("", "--data: it is empty; give a file, a folder, a hub id, a preset, PRESET=PATH or a recipe"),
        ("rows.jsonl", r"--data rows.jsonl: path: there is no file rows.jsonl"),
    ):
        with pytest.raises(UserError, match=message):
            measurements([], [what], _choice())


def test_a_resume_takes_no_outcomes_of_another_model_or_other_rows(tiny: VLM, tmp_path: Path) -> None:
    model, rows, out = tmp_path / "model", _rows(tmp_path), tmp_path / "out"
    tiny.save(model)

    def measure(file: Path, mode: Mode) -> Any:
        chosen = measurements([], [str(file)], _choice(max_new_tokens=4))
        return run_evaluation(str(model), Loading(), chosen, out, mode, Console(RichConsole(quiet=True)))

    figures = measure(rows, "new")
    assert measure(rows, "resume") == figures
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with pytest.raises(UserError, match=r"--resume: tasks\.rows\.source\.path was "):  # a file of the same name
        measure(_rows(elsewhere), "resume")
    written = rows.read_text()
    rows.write_text(written.replace('"answer": "', '"answer": "1', 1))
    _OPENED.clear()
    with pytest.raises(UserError, match=r"--resume: tasks\.rows\.rows was "):
        measure(rows, "resume")
    rows.write_text(written)
    _OPENED.clear()
    changed = load_vlm(str(model))
    with torch.no_grad():
        next(changed.model.parameters()).add_(1e-3)
    changed.save(model)
    with pytest.raises(UserError, match="--resume: weights was "):
        measure(rows, "resume")
