"""Settings of rollouts by vLLM, and how its servers are started."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mr1.cli import app
from mr1.config import Config
from mr1.errors import UserError
from mr1.models.loading import BUNDLED
from mr1.rollout.vllm import fixes
from mr1.rollout.vllm.serve import VIDEO, command, find_vllm, served

MakeConfig = Callable[..., Config]
OVER: dict[str, object] = {"rollout__engine": "vllm", "rollout__servers": "[http://a:1, http://b:2]"}


def test_correction_is_on_with_vllm_and_off_in_process(make_config: MakeConfig) -> None:
    assert make_config().rollout.correction_level == "none"
    assert make_config(**OVER).rollout.correction_level == "token"
    assert make_config(**OVER, rollout__correction="none").rollout.correction_level == "none"
    assert make_config(rollout__correction="sequence").rollout.correction_level == "sequence"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rollout__engine": "vllm"}, "rollout.servers: missing"),
        ({"rollout__servers": "[http://a:1]"}, "rollout.servers: they are not asked without rollout.engine=vllm"),
        (OVER | {"rollout__servers": "[http://a:1, http://a:1]"}, "stands twice"),
        (OVER | {"rollout__servers": "[a:1]"}, "it should be an address"),
        (OVER | {"rollout__servers": "[http://me:secret@a:1]"}, "an address may hold no name, password or query"),
        (OVER | {"rollout__temperature": 5.5}, "rollout.temperature: vLLM can't keep to the allowed tokens above 5"),
        (OVER | {"rollout__routing": "count"}, "rollout.routing: not with rollout.engine=vllm"),
        (OVER | {"loading__quantize": "nf4", "lora__rank": 2}, "loading.quantize: not with rollout.engine=vllm"),
        (OVER | {"rollout__correction_cap": 0.5}, "rollout.correction_cap"),
    ],
)
def test_what_cant_work_is_refused(make_config: MakeConfig, settings: dict[str, object], words: str) -> None:
    with pytest.raises(UserError) as refused:
        make_config(**settings)
    assert words in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--engine", "vllm"], "name one model, and by --server the address of a server that has it"),
        (["--engine", "vllm", "--server", "file:///etc/passwd"], "--server: it should be an address"),
        (["--engine", "vllm", "--server", "http://me:secret@a:1"], "--server: an address may hold no name"),
        (["--server", "http://a:1"], "they are for --engine vllm"),
    ],
)
def test_servers_that_cant_be_compared_are_refused(arguments: list[str], words: str) -> None:
    found = CliRunner().invoke(app, ["check", "tiny", *arguments])
    assert isinstance(found.exception, UserError)
    assert words in str(found.exception)
    assert "secret" not in str(found.exception)


def test_the_command_that_is_run() -> None:
    words = command("vllm", "model", 8001, "127.0.0.1", "bfloat16", "gpu", ["--max-model-len", "4096"])
    assert words[:6] == ["vllm", "serve", "model", "--host=127.0.0.1", "--port=8001", "--dtype=bfloat16"]
    assert {"--enable-scale-out", "--logprobs-mode=processed_logprobs", "--no-mm-device-do-normalize"} <= {*words}
    assert words[-2:] == ["--max-model-len", "4096"]
    assert "--no-enable-chunked-prefill" in command("vllm", "model", 1, "h", "float32", "cpu", [])
    shown = CliRunner().invoke(app, ["serve", "tiny", "--show", "--port", "8001", "--device", "cpu", "--seed", "1"])
    assert shown.output.startswith("VLLM_SERVER_DEV_MODE=1 VLLM_CPU_KVCACHE_SPACE=1 vllm serve ")
    assert shown.output.rstrip().endswith("--no-enable-chunked-prefill --seed 1")


def test_a_folder_of_images_alone_gets_what_vllm_asks_of_videos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder of links; one that has it is served as it is."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    copy = Path(served("tiny"))
    assert copy.parent == tmp_path
    settings = json.loads((copy / VIDEO).read_text())
    assert settings["video_processor_type"] == "Qwen2VLVideoProcessor"
    assert settings["size"] == json.loads((copy / "processor_config.json").read_text())["image_processor"]["size"]
    assert (copy / "model.safetensors").resolve() == (BUNDLED["tiny"] / "model.safetensors").resolve()
    assert not (BUNDLED["tiny"] / VIDEO).exists()
    assert served(str(copy)) == str(copy)
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(UserError, match="it holds low-rank weights alone; serve the model under them"):
        served(str(tmp_path))


def test_without_vllm_the_way_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no such command; install vllm==.*--vllm"):
        find_vllm(tmp_path / "vllm")


def test_mends_are_put_among_packages(tmp_path: Path) -> None:
    fixes.install(tmp_path)
    assert (tmp_path / "mr1_vllm_cpu.py").read_text() == Path(fixes.__file__).read_text()
    assert (tmp_path / "mr1_vllm_cpu.pth").read_text() == "import mr1_vllm_cpu; mr1_vllm_cpu.before_imports()\n"
    about = tmp_path / f"vllm-{fixes.VERSION}+cpu.dist-info"
    assert f"Version: {fixes.VERSION}+cpu" in (about / "METADATA").read_text()
    assert "mr1_vllm_cpu = mr1_vllm_cpu:register" in (about / "entry_points.txt").read_text()
