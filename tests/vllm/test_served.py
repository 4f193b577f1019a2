"""The engine over real vLLM servers: what they compute, that faults are found, and whole runs."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest
import torch
from vllm_running import FIGURES, Running

from conftest import MEASURED
from mr1.config import PROMPT, Config, LoRA, Rollout
from mr1.errors import RolloutError
from mr1.library.results import RunResult
from mr1.library.training import run
from mr1.models import load_vlm
from mr1.models.check import example_groups
from mr1.models.lora import add_lora, whole_weight
from mr1.models.small import build_small
from mr1.models.small.families import LINES
from mr1.models.small.sizes import merged
from mr1.models.vlm import VLM
from mr1.report.console import Console
from mr1.rollout.engine import Begun, nothing
from mr1.rollout.local import LocalEngine
from mr1.rollout.vllm.engine import VLLMEngine
from mr1.rollout.vllm.images import image_features
from mr1.rollout.vllm.server import Server
from mr1.rollout.vllm.trust import UntrueError
from mr1.tasks import load_task
from mr1.train.packing import make_rows
from mr1.train.scoring import token_logprobs
from mr1.types import Group, Prompt

pytestmark = pytest.mark.vllm

STEPS = 10
LANGUAGE = {"hidden_size": 128, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32}
VISION = {"out_hidden_size": 128, "hidden_size": 64}
ROTARY: dict[str, Any] = {"rope_type": "default", "rope_theta": 10000.0}
LARGER: dict[str, Any] = {
    "qwen2_5_vl": {
        "text_config": LANGUAGE | {"rope_parameters": ROTARY | {"mrope_section": [4, 6, 6]}},
        "vision_config": VISION,
    },
    "qwen3_vl": {
        "text_config": LANGUAGE | {"rope_parameters": ROTARY | {"mrope_section": [8, 4, 4], "mrope_interleaved": True}},
        "vision_config": VISION,
    },
}
"""Over the usual small models."""


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[list[Running]]:
    """Two servers of the bundled model; what was measured on them is printed at the end."""
    request.config.stash[MEASURED] = FIGURES
    folder = tmp_path_factory.mktemp("servers")
    servers = [Running(folder, name) for name in ("one", "two")]
    try:
        for server in servers:
            server.start()
        for server in servers:
            server.wait()
        yield servers
    finally:
        for server in servers:
            server.kill()


@pytest.fixture
def servers(pair: list[Running]) -> list[Running]:
    """Both, started again where a test has killed them."""
    down = [server for server in pair if server.process is None]
    for server in down:
        server.start()
    for server in down:
        server.wait()
    return pair


@pytest.fixture
def policy(tiny: VLM) -> VLM:
    """One that may be changed."""
    copy = tiny.frozen_copy()
    copy.model.requires_grad_(True)
    return copy


@pytest.fixture
def prompts(tiny: VLM) -> list[Prompt]:
    """Of both tasks, with images of several sizes."""
    return [
        tiny.prompt(load_task(task).sample("train", 0, index), PROMPT)
        for task in ("counting", "geometry")
        for index in range(8)
    ]


def rollout(servers: list[Running], **other: Any) -> Rollout:
    return Rollout(
        engine="vllm",
        servers=[each.url for each in servers],
        max_new_tokens=48,
        **{"timeout": 120.0, "batch_size": 64, **other},
    )


def engine(policy: VLM, servers: list[Running], folder: Path) -> VLLMEngine:
    return VLLMEngine(policy, rollout(servers), folder / "weights", FIGURES.append)


def gaps(policy: VLM, groups: list[Group]) -> torch.Tensor:
    """Each token's distance between the sampler's log-prob and the trainer's."""
    with torch.no_grad():
        own, _ = token_logprobs(policy, make_rows(groups, policy.adapter), temperature=1.0)
    theirs = torch.cat([each.logprobs for group in groups for each in group.completions if each.logprobs is not None])
    return (own - theirs).abs()


def move(policy: VLM, by: float = 1e-3) -> None:
    """What an update does."""
    with torch.no_grad():
        torch.manual_seed(1)
        for parameter in policy.model.parameters():
            parameter += by * torch.randn_like(parameter)


def test_it_is_the_version_that_this_is_written_for(servers: list[Running]) -> None:
    assert Server(servers[0].url, 10.0).other_version() == ""


def test_greedy_and_log_probs_are_the_in_process_engines(
    policy: VLM, servers: list[Running], prompts: list[Prompt], tmp_path: Path
) -> None:
    """In float32: before an update and after two."""
    made, settings = engine(policy, servers, tmp_path), rollout(servers)
    for update in range(3):
        expected = LocalEngine(policy).greedy(prompts, 48)
        found = made.greedy(prompts, 48)
        same = [
            (one.token_ids.tolist(), one.finish_reason) == (other.token_ids.tolist(), other.finish_reason)
            for one, other in zip(found, expected, strict=True)
        ]
        groups = made.sample(prompts, settings, (0, update))
        away = gaps(policy, groups)
        FIGURES.append(
            f"after {update} updates: greedy equal {sum(same)} of {len(same)}; log-prob gap, {len(away)} tokens: "
            f"mean {float(away.mean()):.1e}, largest {float(away.max()):.1e} nats; after the sync {made.gap:.1e}"
        )
        assert all(same)
        assert float(away.max()) < 1e-4
        again = made.sample(prompts, settings, (0, update))
        texts = [[each.text for group in one for each in group.completions] for one in (groups, again)]
        assert texts[0] == texts[1]  # by the same seeds
        move(policy)
        made.sync(policy)


def test_prompts_have_no_image_or_several(policy: VLM, servers: list[Running], tmp_path: Path) -> None:
    _exact(policy, servers, tmp_path)


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_families_that_came_later_are_exact(family: str, tmp_path: Path) -> None:
    """As small random models with heads of a size that vLLM has on a CPU."""
    build_small(family, tmp_path / family, line=merged(LINES[family], LARGER[family]))
    server = Running(tmp_path, "server", str(tmp_path / family))
    try:
        server.start()
        server.wait()
        _exact(load_vlm(str(tmp_path / family)), [server], tmp_path)
    finally:
        server.kill()


def test_seeds_are_each_completions_own(
    policy: VLM, servers: list[Running], prompts: list[Prompt], tmp_path: Path
) -> None:
    """Whatever else is asked for: other prompts, a larger group."""
    made = engine(policy, servers, tmp_path)
    alone = made.sample(prompts[3:4], rollout(servers, group_size=4), (5, 6))[0]
    among = made.sample(prompts, rollout(servers, group_size=8), (5, 6))[3]
    assert [each.text for each in among.completions[:4]] == [each.text for each in alone.completions]
    assert len({each.text for each in among.completions}) > 1
    other = made.sample([replace(prompts[3], attempt=1)], rollout(servers, group_size=4), (5, 6))[0]
    assert [each.text for each in other.completions] != [each.text for each in alone.completions]


def test_a_completion_goes_on_and_ends_at_a_string(
    policy: VLM, servers: list[Running], prompts: list[Prompt], tmp_path: Path
) -> None:
    made, settings, whole = engine(policy, servers, tmp_path), rollout(servers), LocalEngine(policy)
    begun = [Begun(prompts[0], nothing(), 0, 40)]
    (expected,) = whole.extend(begun, settings, None, ["</think>"])
    (found,) = made.extend(begun, settings, None, ["</think>"])
    assert found.finish_reason == expected.finish_reason == "string"
    assert found.token_ids.tolist() == expected.token_ids.tolist()
    (rest,) = made.extend([Begun(prompts[0], found, 0, 20)], settings, None)
    assert rest.token_ids.tolist() == whole.greedy(prompts[:1], len(rest))[0].token_ids.tolist()


def test_a_sync_that_changed_nothing_stops_the_run(
    policy: VLM, servers: list[Running], prompts: list[Prompt], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = engine(policy, servers[:1], tmp_path)
    made.greedy(prompts[:1], 2)

    def forgotten(self: Server, folder: Path, version: str) -> None:  # noqa: ARG001
        self._call("/update_weight_version", {"new_version": version})

    monkeypatch.setattr(Server, "take_weights", forgotten)
    move(policy, 1e-5)
    made.sync(policy)
    _stops(made, prompts, "has changed nothing at http")
    move(policy, 1e-2)
    made.sync(policy)
    assert made.trust is not None
    made.trust.theirs.clear()
    _stops(made, prompts, r"it still has the weights of \w+-0$")


@pytest.mark.parametrize(("times", "words"), [(0, "are not in it"), (2, "are in it twice")])
def test_low_rank_weights_that_are_missing_or_doubled_stop_the_run(
    policy: VLM, servers: list[Running], prompts: list[Prompt], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, times: int, words: str,
) -> None:  # fmt: skip
    low_rank = add_lora(policy, LoRA(rank=2), {"language"}, "tiny", 0)
    with torch.no_grad():
        for name, parameter in low_rank.model.named_parameters():
            if ".lora_B." in name:
                parameter += 0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3))
    made = engine(low_rank, servers[:1], tmp_path)
    made.greedy(prompts[:1], 2)
    FIGURES.append(f"low-rank weights merged: {made.gap:.1e} nats after the sync")

    def wrong(layer: Any) -> torch.Tensor:
        base = layer.base_layer.weight.detach()
        return base + times * (whole_weight(layer) - base)

    monkeypatch.setattr("mr1.rollout.vllm.weights.whole_weight", wrong)
    made.sync(low_rank)
    _stops(made, prompts, f"the low-rank weights {words}$")


def test_other_pixels_stop_the_run(
    policy: VLM, servers: list[Running], prompts: list[Prompt], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gray(vlm: VLM, prompt: Prompt, salt: str) -> Any:
        if not prompt.vision:
            return None
        pixels = torch.zeros_like(prompt.vision["pixel_values"])
        return image_features(vlm, replace(prompt, vision=prompt.vision | {"pixel_values": pixels}), salt)

    monkeypatch.setattr("mr1.rollout.vllm.wire.image_features", gray)
    _stops(engine(policy, servers[:1], tmp_path), prompts, "on text alone they agree, so it sees other pixels")


def test_the_check_compares_rows(servers: list[Running], policy: VLM, prompts: list[Prompt], tmp_path: Path) -> None:
    engine(policy, servers[:1], tmp_path).greedy(prompts[:1], 2)  # the bundled weights again
    command = [sys.executable, "-m", "mr1", "check", "tiny", "--engine", "vllm", "--server", servers[0].url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    FIGURES.extend(line for line in done.stdout.splitlines() if line.startswith("|"))
    assert "same" in done.stdout


def test_ten_steps_earn_what_they_earn_in_process(servers: list[Running], make_config: Callable[..., Config]) -> None:
    """GRPO-D on counting: mean rewards within three standard errors, over the groups of both runs."""
    earned = {}
    for name, more in (("local", {}), ("vllm", _over(servers))):
        lines, groups = _run(_counting(make_config, name=name, **more))
        assert len(lines) == STEPS
        earned[name] = groups
        if name == "vllm":
            worst = max(line["sampler/logprob_gap"] for line in lines)
            FIGURES.append(f"ten steps with vLLM: largest mean log-prob gap of a step {worst:.1e} nats")
            assert worst < 1e-4
            assert all(line["sampler/capped_fraction"] == 0 for line in lines)
    means = {name: fmean(groups) for name, groups in earned.items()}
    errors = {name: stdev(groups) / len(groups) ** 0.5 for name, groups in earned.items()}
    FIGURES.append(
        "mean reward of ten steps: "
        + ", ".join(f"{name} {means[name]:.3f} (standard error {errors[name]:.3f})" for name in means)
    )
    assert abs(means["vllm"] - means["local"]) < 3 * (errors["vllm"] ** 2 + errors["local"] ** 2) ** 0.5


def test_a_killed_server_costs_no_prompt_and_none_left_ends_the_run_saved(
    servers: list[Running], make_config: Callable[..., Config]
) -> None:
    config = _counting(make_config, name="killed", checkpoint__every=0, rollout__timeout=20, **_over(servers))
    file = config.folder / "metrics.jsonl"

    def kill() -> None:
        for number, done in ((0, 2), (1, 5)):
            while not file.is_file() or len(file.read_text().splitlines()) < done:
                time.sleep(0.05)
            servers[number].kill()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    with pytest.raises(RolloutError, match=r"none is left; http.*can't be reached"):
        _run(config)
    killer.join()
    stopped = len(file.read_text().splitlines())
    FIGURES.append(f"one server killed after 2 steps, the other after 5: the run ended after {stopped}, saved")
    for server in servers:
        server.start()
        server.wait()
    lines, _ = _run(config, "resume")
    learned = len(RunResult(config.folder).samples)
    asked = STEPS * config.prompts_per_step * config.rollout.group_size
    FIGURES.append(f"resumed with both: {len(lines)} steps; completions asked {asked}, learned {learned}")
    assert [line["step"] for line in lines] == [*range(STEPS)]
    assert asked == learned


def test_two_processes_train_over_one_set_of_servers(servers: list[Running], tmp_path: Path) -> None:
    """The first asks for both: what is earned is what one process earns."""
    over = ["rollout.engine=vllm", f"rollout.servers=[{servers[0].url}]", "evaluation.every=0"]
    over += ["steps=2", "evaluation.final_samples=0", "parallel.timeout=200", f"output={tmp_path}"]
    for name, verb in (("one", ["train"]), ("two", ["launch", "--processes", "2"])):
        subprocess.run([sys.executable, "-m", "mr1", *verb, "counting-grpo-d", f"name={name}", *over], check=True)
    one, two = (RunResult(tmp_path / name).metrics for name in ("one", "two"))
    assert one["reward/total"].tolist() == two["reward/total"].tolist()
    assert (two["sampler/logprob_gap"] < 1e-4).all()
    assert (one["loss"] - two["loss"]).abs().max() < 1e-4


def _exact(policy: VLM, servers: list[Running], folder: Path) -> None:
    """Of prompts with one, two, no and three images: greedy completions, and log-probs, before and after an update."""
    prompts = [group.prompt for group in example_groups(policy)]
    made, whole = engine(policy, servers, folder), LocalEngine(policy)
    for update in range(2):
        expected, found = whole.greedy(prompts, 24), made.greedy(prompts, 24)
        away = gaps(policy, made.sample(prompts, rollout(servers, group_size=4), (0, update)))
        FIGURES.append(
            f"{policy.model.config.model_type}, prompts with {[len(each.sample.images) for each in prompts]} images, "
            f"after {update} updates: log-prob gap mean {float(away.mean()):.1e}, largest {float(away.max()):.1e} nats"
        )
        assert [each.token_ids.tolist() for each in found] == [each.token_ids.tolist() for each in expected]
        assert float(away.max()) < 1e-4
        move(policy)
        made.sync(policy)


def _stops(made: VLLMEngine, prompts: list[Prompt], words: str) -> None:
    with pytest.raises(UntrueError, match=words) as stopped:
        made.greedy(prompts[:1], 2)
    FIGURES.append(f"provoked: {stopped.value}")


def _over(servers: list[Running]) -> dict[str, object]:
    return {"rollout__engine": "vllm", "rollout__servers": f"[{','.join(each.url for each in servers)}]"}


def _counting(make_config: Callable[..., Config], **settings: object) -> Config:
    usual = {
        "steps": STEPS, "prompts_per_step": 16, "rollout__group_size": 8, "rollout__max_new_tokens": 72,
        "optimizer__learning_rate": 1e-4, "kl__minimum": 0.0, "kl__maximum": 0.02,
        "evaluation__every": 0, "evaluation__final_samples": 0,
    }  # fmt: skip
    return make_config(**{**usual, **settings})


def _run(config: Config, mode: Any = "new") -> tuple[list[dict[str, Any]], list[float]]:
    """Train; gives the steps' lines and each group's mean reward."""
    result = run(config, mode, Console(quiet=True))
    lines = result.metrics.reset_index().to_dict("records")
    groups = result.samples.groupby(["step", "id"])["reward/total"].mean()
    return lines, [float(each) for each in groups]
