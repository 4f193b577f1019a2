"""The command as a user types it: verbs, and mistakes that end in one line and exit code 2."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from mr1.cli import main

pytestmark = pytest.mark.loop

RECIPE = "counting-grpo-d"


def mr1(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder of its own."""
    return subprocess.run(
        [sys.executable, "-m", "mr1", *arguments],
        cwd=cwd,
        env=os.environ | {"COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def _existing_run(folder: Path) -> None:
    (folder / "runs" / "x").mkdir(parents=True)
    (folder / "runs" / "x" / "config.yaml").write_text("name: x\n")


def _weightless_model(folder: Path) -> None:
    (folder / "empty").mkdir()
    (folder / "empty" / "config.json").write_text("{}")


MISTAKES: dict[str, tuple[list[str], str]] = {
    "unknown key": (["stepz=3"], "unknown key 'stepz'; did you mean 'steps'?"),
    "unknown method": (["method=gprod"], "method: unknown 'gprod'; did you mean 'grpo-d'?"),
    "group of one": (["rollout.group_size=1"], "rollout.group_size: input should be greater than or equal to 2"),
    "no length": (["rollout.max_new_tokens=0"], "rollout.max_new_tokens: input should be greater than or equal to 1"),
    "no weights": (["model=empty"], "model: the folder empty has no weights (*.safetensors)"),
    "no such folder": (["model=./nowhere"], "model: there is no folder ./nowhere"),
    "no such model": (["model=tinny"], "model: tinny"),
    "no value": (["seed="], "override 'seed=': no value stands behind '='"),
    "two arguments": (["prompt={question}", "x"], "put both between quotes: 'prompt={question} x'"),
    "unwritable output": (["output=/dev/null/runs"], "name: /dev/null/runs/x can't be made: Not a directory"),
    "existing run": ([], "the run folder runs/x exists; go on with it by --resume, replace it by --overwrite"),
    "a folder of others": (
        ["--resume"],
        "runs/x is no folder that MR1 made (it has no .mr1.json), so it is left alone",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_and_exit_code_2(
    mistake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """One of them in a process of its own, the others in this one, where all has been imported."""
    arguments, message = MISTAKES[mistake]
    _weightless_model(tmp_path)
    if mistake in ("existing run", "a folder of others"):
        _existing_run(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    command = ["train", RECIPE, "name=x", *arguments]
    code: object
    if mistake == "existing run":
        result = mr1(*command, cwd=tmp_path)
        code, said = result.returncode, result.stderr
    else:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["mr1", *command])
        with pytest.raises(SystemExit) as ended:
            main()
        code, said = ended.value.code, capfd.readouterr().err
    assert code == 2
    assert message in said
    assert len(said.splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before  # nothing half-written


def test_a_missing_recipe_is_named_with_the_nearest(tmp_path: Path) -> None:
    result = mr1("train", "counting-grpod", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr == (
        "error: recipe: there is none of the name 'counting-grpod', and no such file; did you mean 'counting-grpo-d'?\n"
    )


def test_help_names_every_verb(tmp_path: Path) -> None:
    result = mr1("--help", cwd=tmp_path)
    assert result.returncode == 0
    for verb in ("train", "eval", "data"):
        assert verb in result.stdout


def test_train_prints_plain_lines_and_the_table(tmp_path: Path) -> None:
    settings = ["name=x", "steps=2", "prompts_per_step=2", "rollout.group_size=2", "rollout.max_new_tokens=8"]
    settings += ["evaluation.final_samples=8", "evaluation.samples=4"]
    result = mr1("train", RECIPE, *settings, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "step 0" in result.stdout
    assert "\x1b" not in result.stdout
    assert "before" in result.stdout
    assert "after" in result.stdout
    assert "runs/x/report.html" in result.stdout
    assert result.stderr == ""


def interrupted(*arguments: str, after: str, cwd: Path) -> tuple[int, str]:
    """Press Ctrl-C once the command has said something; its exit code and what it then wrote to stderr."""
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "mr1", *arguments]
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs ignore Ctrl-C, and so would what they start.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        assert any(after in line for line in process.stdout)
        process.send_signal(signal.SIGINT)
        try:
            _, said = process.communicate(timeout=120)
        finally:
            process.kill()
    return process.returncode, said


def test_ctrl_c_before_the_first_step_advises_what_can_work(tmp_path: Path) -> None:
    code, said = interrupted("train", RECIPE, "name=x", after="evaluating before", cwd=tmp_path)
    assert code == 130
    assert said == "stopped\nno checkpoint was saved yet; the same command with --resume begins again\n"
    settings = ["steps=1", "prompts_per_step=1", "rollout.group_size=2", "evaluation.every=0"]
    command = ["train", RECIPE, "name=x", *settings, "evaluation.final_samples=0", "--resume"]
    begun = mr1(*command, cwd=tmp_path)
    assert begun.returncode == 0, begun.stderr
    assert "runs/x has no checkpoint to go on from: the run begins" in begun.stdout


def test_ctrl_c_during_an_evaluation_advises_by_what_is_on_the_disk(tmp_path: Path) -> None:
    command = ("eval", "tiny", "--task", "counting", "--samples", "4096")
    code, said = interrupted(*command, "--out", "out", after="4096 samples", cwd=tmp_path)
    assert code == 130
    assert re.fullmatch(r"stopped\n\d+ batches are in out; go on with the same command and --resume\n", said)
    code, said = interrupted(*command, after="4096 samples", cwd=tmp_path)
    assert said == "stopped\nnothing was kept; give --out a folder, and it can be gone on with\n"
    missing = mr1("eval", "nowhere/model", "--task", "counting", "--out", "out", "--overwrite", cwd=tmp_path)
    assert missing.returncode == 2
    assert len(missing.stderr.splitlines()) == 1  # its batches are another model's: no advice to go on
    assert (tmp_path / "out" / "settings.json").is_file()  # a mistyped model costs nothing
    assert mr1("eval", "no/model", "--task", "counting", "--out", "new", cwd=tmp_path).returncode == 2
    assert not (tmp_path / "new").exists()


def test_eval_measures_a_model(tmp_path: Path) -> None:
    result = mr1("eval", "tiny", "--task", "counting", "--split", "shifted", "--samples", "8", "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["counting"]["n"] == 8
    wrong = mr1("eval", "tiny", "--task", "geometry", "--split", "shifted", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "--split: geometry has no split 'shifted'" in wrong.stderr


@pytest.mark.parametrize("task", ["counting", "geometry"])
def test_data_show_draws_a_contact_sheet(task: str, tmp_path: Path) -> None:
    result = mr1("data", "show", task, "--count", "4", "--size", "112", "--out", "sheet.png", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    sheet = Image.open(tmp_path / "sheet.png")
    assert sheet.width > 2 * 112
    assert sheet.height > 2 * 112


def test_score_judges_a_file_of_outputs(tmp_path: Path) -> None:
    rows = [
        {"model_output": "<answer>√12</answer>", "ground_truth": "2√{3}"},
        {"model_output": "so it is 7", "ground_truth": 7},
        {"model_output": "<answer>3</answer>", "ground_truth": "?"},
    ]
    (tmp_path / "outputs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ("score", "outputs.jsonl", "--preset", "geoqa-test")
    strict = json.loads(mr1(*command, "--json", cwd=tmp_path).stdout)
    assert (strict["correct"], strict["missing"], strict["unreadable_truths"]) == (1, 1, [2])
    r1v = json.loads(mr1(*command, "--scorer", "r1v", "--json", cwd=tmp_path).stdout)
    assert r1v["correct"] == 1
    shown = mr1(*command, cwd=tmp_path)
    assert "33.33%" in shown.stdout
    listed = mr1(*command, "--differences", cwd=tmp_path).stdout
    assert "| 1 | `7` | `so it is 7` | right | missing |" in listed
    mistaken = mr1("score", "outputs.jsonl", "--preset", "geoqa", cwd=tmp_path)
    assert mistaken.returncode == 2
    assert mistaken.stderr == "error: --preset: unknown 'geoqa'; did you mean 'geoqa-test'?\n"
