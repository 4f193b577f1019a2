"""The engine over servers, against ones that compute, and fail, as they are told to."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from vllm_server import FakeVLLM, serving

from conftest import SHORT
from mr1.config import PROMPT, Config, LoRA, Rollout
from mr1.errors import RolloutError, ToldError, UserError
from mr1.library.results import RunResult
from mr1.library.training import run
from mr1.models.lora import add_lora
from mr1.models.vlm import VLM
from mr1.parallel.engine import SpreadEngine
from mr1.parallel.ranks import _portable
from mr1.report.console import Console
from mr1.rollout.engine import Begun, nothing
from mr1.rollout.local import LocalEngine
from mr1.rollout.vllm.comparison import compare
from mr1.rollout.vllm.engine import VLLMEngine
from mr1.rollout.vllm.server import Server
from mr1.rollout.vllm.servers import ServersError
from mr1.rollout.vllm.trust import UntrueError, without_images
from mr1.rollout.vllm.wire import body, likeliest
from mr1.types import Group, Prompt

pytestmark = pytest.mark.loop

MakePrompt = Callable[..., Prompt]
KEY = (0, 0)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mr1.rollout.vllm.servers.LOOK", 0.05)
    monkeypatch.setattr("mr1.rollout.vllm.servers.TICK", 0.02)


@pytest.fixture
def servers(tiny: VLM) -> Iterator[list[FakeVLLM]]:
    with ExitStack() as stack:
        yield [stack.enter_context(serving(tiny)) for _ in range(2)]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def policy(tiny: VLM) -> VLM:
    """One that may be changed."""
    copy = tiny.frozen_copy()
    copy.model.requires_grad_(True)
    return copy


def engine(policy: VLM, servers: list[FakeVLLM], folder: Path, said: list[str], timeout: float = 20.0) -> VLLMEngine:
    return VLLMEngine(policy, rollout(servers, timeout), folder / "weights", said.append)


def rollout(servers: list[FakeVLLM], timeout: float = 20.0) -> Rollout:
    urls = [server.url for server in servers]
    return Rollout(group_size=3, max_new_tokens=6, engine="vllm", servers=urls, timeout=timeout, batch_size=6)


def move(policy: VLM, by: float = 1e-3) -> None:
    """What an update does."""
    with torch.no_grad():
        torch.manual_seed(1)
        for parameter in policy.model.parameters():
            parameter += by * torch.randn_like(parameter)


def gap(policy: VLM, groups: list[Group]) -> float:
    """The largest distance of the sampler's log-probs from the trainer's."""
    from mr1.train.packing import make_rows
    from mr1.train.scoring import token_logprobs

    with torch.no_grad():
        own, _ = token_logprobs(policy, make_rows(groups, policy.adapter), temperature=1.0)
    theirs = torch.cat([each.logprobs for group in groups for each in group.completions if each.logprobs is not None])
    return float((own - theirs).abs().max())


def test_greedy_is_the_in_process_engines(
    policy: VLM, servers: list[FakeVLLM], make_prompt: MakePrompt, tmp_path: Path, said: list[str]
) -> None:
    """Also after an update, which the servers are given with the next prompts, each once, and not before."""
    prompts, made = [make_prompt(index) for index in range(3)], engine(policy, servers, tmp_path, said)
    for count in (1, 2):
        expected = LocalEngine(policy).greedy(prompts, 8)
        found = made.greedy(prompts, 8)
        assert [each.token_ids.tolist() for each in found] == [each.token_ids.tolist() for each in expected]
        assert [each.finish_reason for each in found] == [each.finish_reason for each in expected]
        assert [len(server.folders) for server in servers] == [count, count]
        assert made.gap < 1e-5
        move(policy)
        made.sync(policy)
        made.sync(policy)  # a second update on the same rollouts
    assert not said


def test_samples_come_with_the_log_probs_they_were_drawn_with(
    policy: VLM, servers: list[FakeVLLM], make_prompt: MakePrompt, tmp_path: Path, said: list[str]
) -> None:
    prompts, made = [make_prompt(index) for index in range(4)], engine(policy, servers, tmp_path, said)
    move(policy, 1e-2)
    groups = made.sample(prompts, rollout(servers), KEY)
    assert [group.prompt for group in groups] == prompts
    assert [len(group.completions) for group in groups] == [3] * 4
    assert gap(policy, groups) < 1e-5
    metrics = made.metrics()
    assert (metrics["rollout/asked"], metrics["rollout/failed"], metrics["rollout/prepared"]) == (4, 0, 2)
    assert made.metrics()["rollout/asked"] == 0


def test_a_completion_goes_on(
    policy: VLM, servers: list[FakeVLLM], make_prompt: MakePrompt, tmp_path: Path, said: list[str]
) -> None:
    whole = LocalEngine(policy).greedy([make_prompt()], 8)[0]
    made, settings = engine(policy, servers, tmp_path, said), rollout(servers)
    first = made.extend([Begun(make_prompt(), nothing(), 0, 3)], settings, None)
    again = made.extend([Begun(make_prompt(), first[0], 0, 5)], settings, None)
    assert again[0].token_ids.tolist() == whole.token_ids[:8].tolist()
    assert made.extend([], settings, None) == []


@pytest.mark.parametrize("failure", ["hang up", "500", "garbage", "cut off"])
def test_prompts_of_a_server_that_fails_go_to_the_other(
    policy: VLM, servers: list[FakeVLLM], make_prompt: MakePrompt, tmp_path: Path, said: list[str], failure: str
) -> None:
    made, prompts = engine(policy, servers, tmp_path, said), [make_prompt(index) for index in range(6)]
    made.greedy(prompts[:1], 2)
    servers[0].failures = [failure]
    groups = made.sample(prompts, rollout(servers), KEY)
    assert [len(group.completions) for group in groups] == [3] * 6
    assert gap(policy, groups) < 1e-5
    assert made.metrics()["rollout/failed"] >= 1
    assert any(line.startswith(f"vLLM at {servers[0].url} ") for line in said)


def test_a_server_that_hangs_is_given_up_after_its_time(
    policy: VLM, servers: list[FakeVLLM], make_prompt: MakePrompt, tmp_path: Path, said: list[str]
) -> None:
    made = engine(policy, servers, tmp_path, said, timeout=4.0)
    made.greedy([make_prompt()], 2)
    servers[0].failures = ["hang"]
    assert len(made.greedy([make_prompt(index) for index in range(4)], 2)) == 4
    assert f"vLLM at {servers[0].url} gave no answer within 4 s (rollout.timeout); its prompts go to the others" in said


def test_a_server_that_was_started_again_gets_the_present_weights(
    policy: VLM, tiny: VLM, servers: list[FakeVLLM], make_prompt: MakePrompt, tmp_path: Path, said: list[str]
) -> None:
    move(policy)
    made, prompts = engine(policy, servers[:1], tmp_path, said), [make_prompt(index) for index in range(3)]
    made.greedy(prompts, 2)
    servers[0].restart(tiny)
    groups = made.sample(prompts, rollout(servers[:1]), KEY)
    assert gap(policy, groups) < 1e-5
    assert "answered with weights 'default'" in said[0]
    assert said[1].endswith("is up again, and has the present weights")
    assert len(servers[0].folders) == 2


def test_another_version_of_vllm_is_said_once(
    policy: VLM, servers: list[FakeVLLM], make_prompt: MakePrompt, tmp_path: Path, said: list[str]
) -> None:
    servers[0].vllm = "0.31.1"
    made = engine(policy, servers, tmp_path, said)
    for _ in range(2):
        made.greedy([make_prompt()], 1)
        made.sync(policy)
    assert said == [f"vLLM at {servers[0].url} is 0.31.1; MR1 is written for 0.32.0"]


def test_servers_are_compared_on_a_prompt_with_an_image(
    policy: VLM, servers: list[FakeVLLM], make_prompt: MakePrompt, tmp_path: Path
) -> None:
    """Also where those that came first had none."""
    made = engine(policy, servers[:1], tmp_path, [])
    servers[0].blind = True
    made.greedy([without_images(make_prompt())], 1)
    assert made.prompt is not None
    assert not made.prompt.vision
    made.sync(policy)
    with pytest.raises(UntrueError, match="it sees other pixels"):
        made.greedy([without_images(make_prompt()), make_prompt()], 1)


def test_a_slow_server_is_named(
    policy: VLM, servers: list[FakeVLLM], make_prompt: MakePrompt, tmp_path: Path, said: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("mr1.rollout.vllm.servers.ENOUGH", 2)
    servers[1].delay = 0.6
    made = engine(policy, servers, tmp_path, said)
    made.greedy([make_prompt(index) for index in range(12)], 1, batch_size=2)
    assert any(line.startswith(f"vLLM at {servers[1].url} is slow: ") for line in said)


def test_without_any_server_the_run_ends(policy: VLM, make_prompt: MakePrompt, tmp_path: Path, tiny: VLM) -> None:
    with serving(tiny) as gone:
        made = engine(policy, [gone], tmp_path, [], timeout=0.5)
    with pytest.raises(ServersError, match=r"rollout.servers: none is left; http://127.*can't be reached"):
        made.greedy([make_prompt()], 2)


def test_a_request_that_ends_every_server_ends_the_run(
    policy: VLM, servers: list[FakeVLLM], make_prompt: MakePrompt, tmp_path: Path
) -> None:
    made = engine(policy, servers, tmp_path, [])
    made.greedy([make_prompt()], 2)
    for server in servers:
        server.failures = ["500"] * 9
    with pytest.raises(ServersError, match=r"a request failed 5 times; .*EngineDeadError"):
        made.greedy([make_prompt()], 2)


def test_a_sync_that_changed_nothing_stops_the_run(
    policy: VLM, servers: list[FakeVLLM], make_prompt: MakePrompt, tmp_path: Path
) -> None:
    """However small the step was; a large one is told by the earlier weights, whose scores it has."""
    made = engine(policy, servers[:1], tmp_path, [])
    made.greedy([make_prompt()], 2)
    servers[0].deaf = True
    move(policy, 1e-5)
    made.sync(policy)
    with pytest.raises(UntrueError, match="has changed nothing at http"):
        made.greedy([make_prompt()], 2)


def test_weights_of_an_earlier_sync_stop_the_run(
    policy: VLM, servers: list[FakeVLLM], make_prompt: MakePrompt, tmp_path: Path
) -> None:
    made = engine(policy, servers[:1], tmp_path, [])
    made.greedy([make_prompt()], 2)
    move(policy, 1e-2)
    made.sync(policy)
    made.greedy([make_prompt()], 2)
    first, trust = made.version, made.trust
    assert trust is not None
    move(policy, 1e-2)
    made.sync(policy)
    servers[0].deaf = True
    trust.theirs.clear()  # as for a server that is new
    with pytest.raises(UntrueError, match=f"nats per token away .*it still has the weights of {first}$"):
        made.greedy([make_prompt()], 2)


@pytest.mark.parametrize(("times", "words"), [(0, "are not in it"), (2, "are in it twice")])
def test_low_rank_weights_that_are_missing_or_doubled_stop_the_run(
    policy: VLM, servers: list[FakeVLLM], make_prompt: MakePrompt, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, times: int, words: str,
) -> None:  # fmt: skip
    low_rank = _with_lora(policy)
    made = engine(low_rank, servers[:1], tmp_path, [])
    made.greedy([make_prompt()], 2)
    assert made.gap < 1e-5
    _wrongly_merged(monkeypatch, times)
    made.sync(low_rank)
    with pytest.raises(UntrueError, match=f"the low-rank weights {words}$"):
        made.greedy([make_prompt()], 2)


def test_other_pixels_stop_the_run(
    policy: VLM, servers: list[FakeVLLM], make_prompt: MakePrompt, tmp_path: Path
) -> None:
    servers[0].blind = True
    with pytest.raises(UntrueError, match="on text alone they agree, so it sees other pixels"):
        engine(policy, servers[:1], tmp_path, []).greedy([make_prompt()], 2)


def test_what_a_server_lacks_is_named(
    policy: VLM, servers: list[FakeVLLM], make_prompt: MakePrompt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers[0].RequestHandlerClass, "do_POST", lambda self: self.say(404, {"error": "Not Found"}))
    with pytest.raises(RolloutError, match=r"rollout.servers: http.* has no /collective_rpc .404.*mr1 serve MODEL"):
        engine(policy, servers[:1], tmp_path, []).greedy([make_prompt()], 2)


def test_a_server_is_compared_by_what_it_makes_of_chats_and_by_log_probs(
    tiny: VLM, servers: list[FakeVLLM], make_prompt: MakePrompt
) -> None:
    """Of three prompts one's ids and another's pixels are not the trainer's; log-probs are of the trainer's own."""
    prompts = [make_prompt(index) for index in range(3)]

    def rendered(prompt: Prompt, add: float = 0.0) -> dict[str, Any]:
        pixels = prompt.vision["pixel_values"] + add
        return body(tiny, likeliest(tiny, replace(prompt, vision=prompt.vision | {"pixel_values": pixels}), 1), "")

    other = rendered(prompts[1]) | {"token_ids": [1, 2]}
    servers[0].rendered = [rendered(prompts[0]), other, rendered(prompts[2], add=0.5)]
    found = compare(tiny, Server(servers[0].url, 20.0), prompts, PROMPT)
    assert (found.prompts, found.ids_differ) == (3, 1)
    assert found.pixels == pytest.approx(0.5, abs=1e-6)
    assert 0 <= found.gap <= found.largest < 1e-4
    (turn,) = servers[0].chats[0]
    picture, words = turn["content"]
    assert Image.open(io.BytesIO(base64.b64decode(picture["image_url"]["url"].partition(",")[2]))).size == (
        prompts[0].sample.images[0].size
    )
    assert prompts[0].sample.question in words["text"]

    move(servers[0].vlm, 1e-2)
    servers[0].rendered = [rendered(prompts[0])]
    assert compare(tiny, Server(servers[0].url, 20.0), prompts[:1], PROMPT).gap > 1e-3
    servers[0].rendered = [{"token_ids": []}]
    with pytest.raises(UserError, match="--server: http"):
        compare(tiny, Server(servers[0].url, 20.0), prompts[:1], PROMPT)


def test_of_several_processes_one_asks_and_all_can_save(
    policy: VLM, servers: list[FakeVLLM], make_prompt: MakePrompt, tmp_path: Path
) -> None:
    """Here the one; `make test-vllm` starts two."""
    made = SpreadEngine(engine(policy, servers, tmp_path, []), alone=True)
    prompts = [make_prompt(index) for index in range(2)]
    assert [len(group.completions) for group in made.sample(prompts, rollout(servers), KEY)] == [3, 3]
    assert len(made.greedy(prompts, 2)) == 2
    assert made.metrics()["rollout/asked"] == 4
    told = _portable(ServersError("none is left"))
    assert isinstance(told, RolloutError)
    assert isinstance(told, ToldError)
    assert not isinstance(_portable(UserError("other")), RolloutError)


def _with_lora(policy: VLM) -> VLM:
    low_rank = add_lora(policy, LoRA(rank=2), {"language"}, "tiny", 0)
    with torch.no_grad():
        for name, parameter in low_rank.model.named_parameters():
            if ".lora_B." in name:
                parameter += 0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3))
    return low_rank


def _wrongly_merged(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    from mr1.models.lora import whole_weight

    def wrong(layer: Any) -> torch.Tensor:
        base = layer.base_layer.weight.detach()
        return base + times * (whole_weight(layer) - base)

    monkeypatch.setattr("mr1.rollout.vllm.weights.whole_weight", wrong)


def test_a_run_that_servers_leave_is_saved_and_goes_on(
    servers: list[FakeVLLM], make_config: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The servers die within the second step: what is saved is the run after the first."""
    urls = f"[{','.join(server.url for server in servers)}]"
    config = make_config(
        **SHORT, method="grpo", steps=3, rollout__engine="vllm", rollout__servers=urls, rollout__max_new_tokens=8
    )
    answer = FakeVLLM.answer

    def die(self: FakeVLLM, body: dict[str, Any]) -> dict[str, Any]:
        if len(RunResult(config.folder).metrics):
            self.failures = ["500"] * 99
        return answer(self, body)

    monkeypatch.setattr(FakeVLLM, "answer", die)
    with pytest.raises(ServersError) as stopped:
        run(config, "new", Console(quiet=True))
    assert stopped.value.__notes__[0].startswith("saved up to step 1 of 3; go on with: ")
    assert len(RunResult(config.folder).metrics) == 1

    monkeypatch.undo()
    for server in servers:
        server.failures = []
    metrics = run(config, "resume", Console(quiet=True)).metrics
    assert metrics.index.tolist() == [0, 1, 2]
    assert (metrics["sampler/logprob_gap"] < 1e-4).all()
    assert (metrics["sampler/correction"] - 1).abs().max() < 1e-4
    assert (metrics["rollout/asked"] == 2).all()
    completions = RunResult(config.folder).samples
    assert len(completions) == 3 * 2 * 3
    assert set(completions["origin"]) == {"engine"}
