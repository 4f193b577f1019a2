"""The places where methods of one's own join: each is used by one that needs it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console as RichConsole
from torch.nn import functional

from conftest import SHORT
from mr1.config import Config, dump_config, load_config, read_config
from mr1.config.reading import make_config as make_tree
from mr1.config.reading import read_settings
from mr1.errors import UserError
from mr1.estimate.step import estimate
from mr1.folders import Mode
from mr1.methods import method_class
from mr1.report.console import Console
from mr1.train.loop import Trainer
from mr1.train.packing import make_rows
from mr1.train.run import Run
from mr1.train.scoring import token_logprobs
from mr1.train.update import update
from mr1.types import Group

pytestmark = pytest.mark.loop

OWN = Path(__file__).with_name("own_methods.py")
Started = Callable[..., Trainer]


@pytest.fixture
def start(make_config: Callable[..., Config]) -> Iterator[Started]:
    """A trainer of a short run."""
    runs: list[Run] = []

    def make(method: object, mode: Mode = "new", **settings: object) -> Trainer:
        short = SHORT | {"rollout__max_new_tokens": 12, "method": method}
        runs.append(Run(make_config(**short | settings), mode))
        return Trainer(runs[-1].config, runs[-1], Console(RichConsole(file=io.StringIO())))

    yield make
    for run in runs:
        run.close()


def untimed(trainer: Trainer) -> list[dict[str, Any]]:
    return [{key: each for key, each in line.items() if key[:5] != "time/"} for line in trainer.run.metrics()]


def resumed_equals_whole(start: Started, method: object, **settings: object) -> Trainer:
    """Train 2 steps or more, and again with a stop in the second; return the one that was resumed."""
    settings = {"steps": 2} | settings | {"checkpoint__every": 1}
    whole = start(method, name="whole", **settings)
    whole.train()
    parts = start(method, name="parts", **settings)
    record = parts.run.record

    def die(step: int, *given: Any) -> None:
        record(step, *given)
        if step == 1:
            raise SystemExit("killed")

    parts.run.record = die  # type: ignore[method-assign, assignment]
    with pytest.raises(SystemExit):
        parts.train()
    resumed = start(method, "resume", name="parts", **settings)
    resumed.train()
    assert untimed(resumed) == untimed(whole)
    ends = [torch.load(each.run.checkpoints.latest().path / "trainer.pt") for each in (whole, resumed)]
    assert ends[0]["data"] == ends[1]["data"]
    for name, tensors in ends[0]["modules"].items():
        assert all(torch.equal(tensor, ends[1]["modules"][name][key]) for key, tensor in tensors.items())
    return resumed


@pytest.mark.invariant
@pytest.mark.parametrize("budget", [8192, 150], ids=["one micro-batch", "several"])
def test_a_critic_is_trained_and_resumed(start: Started, budget: int) -> None:
    method = f"{{name: '{OWN}:Critic', rate: 0.01}}"
    trainer = resumed_equals_whole(start, method, tokens_per_microbatch=budget)
    critic, slow = (next(trainer.method.modules[name].parameters()) for name in ("critic", "slow"))
    torch.manual_seed(trainer.config.seed)
    assert not torch.equal(critic, torch.nn.Linear(critic.shape[1], 1).weight)
    assert not torch.equal(critic, slow)  # it is half a step behind
    assert not slow.requires_grad
    lines = untimed(trainer)
    assert [line["kl"] is None for line in lines] == [False, True]
    for line in lines:
        assert min(line["grad_norm/critic"], line["value_loss"], line["features"]) > 0
        assert [line[f"kl_weight{which}"] for which in ("/min", "", "/max")] == pytest.approx([0, 0.025, 0.05])
    assert lines[-1]["value_loss"] < lines[0]["value_loss"]


def test_a_methods_modules_are_in_the_estimate(start: Started) -> None:
    """A head of a width and a bias, twice; one of them learns, with a gradient, two moments and the number of steps."""
    with_it = estimate(start(f"{OWN}:Critic", name="with").config, "cpu").phases["update"]
    without = estimate(start("grpo", name="without").config, "cpu").phases["update"]
    size = 4 * (192 + 1)
    assert with_it["method's modules"] == 2 * size
    assert with_it["AdamW moments"] - without["AdamW moments"] == 2 * size + 2 * 4
    assert "method's modules" not in without


def test_pairs_are_compared_whole_whatever_a_microbatch_holds(
    start: Started, make_groups: Callable[[int], list[Group]]
) -> None:
    trainer = start(f"{OWN}:Pairs")
    groups, policy = make_groups(2), trainer.policy
    worth = [torch.tensor([0.0, 2.0, -1.0, 1.0]), torch.tensor([-3.0, 0.0, 1.0])]
    for group, rewards in zip(groups, worth, strict=True):
        group.rewards = rewards
        for completion in group.completions:
            completion.logprobs = torch.full((len(completion),), -0.5)
    trainer.method.assign_advantages(groups)
    expected = 0.0
    for group, best, worst in zip(groups, (1, 2), (2, 0), strict=True):
        sums = [
            (token_logprobs(policy, make_rows([Group(group.prompt, [each])], policy.adapter), 1.0)[0] + 0.5).sum()
            for each in group.completions
        ]
        expected -= functional.logsigmoid(sums[best] - sums[worst]).item()
    for budget in (8192, 1):
        config = trainer.config.model_copy(update={"tokens_per_microbatch": budget})
        for group in groups:
            for completion in group.completions:
                completion.ref_logprobs = torch.zeros(int(completion.mask.sum()))
        weights = [parameter.detach().clone() for parameter in policy.model.parameters()]
        metrics = update(policy, groups, trainer.method, trainer.optimizer, config, 0)
        assert metrics["loss"] == pytest.approx(expected, rel=1e-4)
        with torch.no_grad():
            for parameter, was in zip(policy.model.parameters(), weights, strict=True):
                parameter.copy_(was)


@pytest.mark.invariant
def test_a_step_that_is_skipped_changes_nothing_but_the_count_of_steps(start: Started) -> None:
    """The KL controller, which goes by what the steps measure, is told nothing that is not finite."""
    adaptive = {"kl__controller": "adaptive", "kl__target": 0.01, "kl__minimum": 0.01, "kl__maximum": 1}
    trainer = resumed_equals_whole(start, f"{OWN}:Poisoned", steps=3, **adaptive)
    lines = trainer.run.metrics()
    assert [line["update/skipped"] for line in lines] == [0, 1, 0]
    assert all(0 < line["kl_weight"] < 1 for line in lines)


@pytest.mark.invariant
def test_a_rollout_asks_for_more_and_the_order_follows_what_was_earned(start: Started) -> None:
    # Too short for any reward: all groups are alike.
    settings: dict[str, object] = {"rollout__max_new_tokens": 2, "rollout__temperature": 100}
    trainer = resumed_equals_whole(start, f"{OWN}:Asks", **settings)
    assert trainer.source.state_dict()["again"]
    # Step 0: samples 0 and 1 teach nothing, 2 and 3 take their places, and each of these comes twice again.
    once = start(f"{OWN}:Asks", name="once", steps=2, **settings)
    seen: list[list[tuple[str, int]]] = []
    texts: list[list[list[int]]] = []
    with once.run:
        once.run.open()
        for step in range(2):
            once.train_step(step)
            seen.append([(group.prompt.sample.id, group.prompt.attempt) for group in once.groups])
            texts.append([each.token_ids.tolist() for group in once.groups for each in group.completions])
    names = [[(identity.rpartition("/")[2], attempt) for identity, attempt in batch] for batch in seen]
    assert names == [[("2", 0), ("3", 0)], [("3", 0), ("3", 1)]]
    assert texts[1][:3] != texts[1][3:]


def test_what_a_loss_is_given(start: Started, make_groups: Callable[[int], list[Group]]) -> None:
    trainer = start("grpo")
    groups = make_groups(2)
    completions = [each for group in groups for each in group.completions]
    for number, completion in enumerate(completions):
        completion.mask[0] = False
        completion.ref_logprobs = torch.zeros(len(completion) - 1)
        completion.advantages = torch.arange(float(len(completion)))
        completion.tensors["own"] = -torch.arange(float(len(completion)))
        if number != 3:
            completion.logprobs = torch.full((len(completion),), float(-number))
    completions[3].origin = "expert"
    given: list[Any] = []
    loss = trainer.method.loss
    trainer.method.loss = lambda inputs: given.append(inputs) or loss(inputs)  # type: ignore[method-assign, func-returns-value]
    config = trainer.config.model_copy(update={"tokens_per_microbatch": 1})
    update(trainer.policy, groups, trainer.method, trainer.optimizer, config, 0)
    assert len(given) == len(completions)  # each alone, and numbered in the whole batch
    for number, (inputs, completion) in enumerate(zip(given, completions, strict=True)):
        tokens = len(completion) - 1
        assert inputs.completion.tolist() == [number] * tokens
        assert inputs.group.tolist() == [int(number >= len(groups[0].completions))] * tokens
        assert inputs.advantages.tolist() == [*range(1, tokens + 1)]
        assert inputs.tensors["own"].tolist() == [-each for each in range(1, tokens + 1)]
        assert inputs.hidden is None
        assert inputs.kl_weights.tolist() == pytest.approx([0.05] * tokens)
        expected = torch.full((tokens,), float("nan") if number == 3 else float(-number))
        torch.testing.assert_close(inputs.behaviour_logprobs, expected, equal_nan=True)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("grpo-e", "method: unknown 'grpo-e'; did you mean 'grpo-d'?"),
        ("{name: grpo, gamma: 1}", "unknown key 'method.gamma'"),
        (f"{{name: '{OWN}:Critic', speed: 1}}", "unknown key 'method.speed'"),
        (f"{{name: '{OWN}:Critic', rate: fast}}", "method.rate: input should be a valid number, got 'fast'"),
        (f"{OWN}:Critics", f"method: {OWN} has no method 'Critics'; did you mean 'Critic'?"),
        ("nowhere.py:Own", "method: there is no file nowhere.py; it is looked for from "),
        ("no.such:Own", "method: no.such can't be imported: ModuleNotFoundError"),
    ],
)
def test_what_is_wrong_with_a_method_is_said(make_config: Callable[..., Config], method: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        make_config(method=method)
    assert str(caught.value).startswith(message)


def test_a_methods_settings_by_overrides_and_back(make_config: Callable[..., Config], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^kl.exploration: method .*Critic does not use it"):
        make_config(method=f"{OWN}:Critic")
    without = {"kl__weight": 0.1, "kl__minimum": "null", "kl__maximum": "null", "kl__exploration": "null"}
    assert make_config(method="grpo", **without).model_dump()["method"] == "grpo"
    config = make_config(method=f"{OWN}:Critic", method__rate="0.5", **without)
    assert config.model_dump()["method"] == {"name": f"{OWN}:Critic", "rate": 0.5, "momentum": 0.5}
    (tmp_path / "written.yaml").write_text(dump_config(config))
    assert load_config(tmp_path / "written.yaml").model_dump() == config.model_dump()
    again = load_config(tmp_path / "written.yaml", ["method={momentum: 0.25}", "method.rate=1"])
    assert again.model_dump()["method"] == {"name": f"{OWN}:Critic", "rate": 1.0, "momentum": 0.25}
    assert load_config(tmp_path / "written.yaml", ["method={name: grpo}"]).method.name == "grpo"
    # Without running its code, its settings are taken as they stand.
    (tmp_path / "written.yaml").write_text(dump_config(config).replace(str(OWN), str(tmp_path / "gone.py")))
    assert read_config(tmp_path / "written.yaml").method.name == f"{tmp_path / 'gone.py'}:Critic"
    assert read_config(tmp_path / "written.yaml").judged_splits >= {"train"}


def test_a_method_of_ones_own_from_python(tmp_path: Path) -> None:
    settings = {"kl": {"weight": 0.1}, "output": tmp_path, "name": "own", "steps": 1, "task": "counting"}
    for method, rate in ({"name": f"{OWN}:Critic", "rate": 0.5}, 0.5), (f"{OWN}:Critic", 1e-3):
        written = read_settings({**settings, "method": method})
        assert make_tree(written).method.model_dump() == {"name": f"{OWN}:Critic", "rate": rate, "momentum": 0.5}
    recipe = {**settings, "method": f"{OWN}:Critic"}
    slower = make_tree(read_settings(recipe, {"method.momentum": 0.25}))
    assert slower.method.model_dump() == {"name": f"{OWN}:Critic", "rate": 1e-3, "momentum": 0.25}
    assert make_tree(read_settings(slower)) == slower
    with pytest.raises(UserError, match=r"^unknown key 'method.speed'"):
        read_settings(recipe, {"method.speed": 0.25})
    assert make_tree(read_settings(slower, {"method": "grpo"})).model_dump()["method"] == "grpo"


def test_the_example_of_the_page_is_a_method(
    make_config: Callable[..., Config],
    make_groups: Callable[[int], list[Group]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = Path("docs/hooks.md").read_text(encoding="utf-8")
    (tmp_path / "my_method.py").write_text(page.partition("```python\n")[2].partition("```")[0])
    monkeypatch.chdir(tmp_path)
    without = {"kl__weight": 0.1, "kl__minimum": "null", "kl__maximum": "null", "kl__exploration": "null"}
    config = make_config(method="{name: my_method.py:Mine, gamma: 0.5}", **without)
    groups = make_groups(1)
    groups[0].rewards = torch.tensor([0.0, 1.0, 0.0, 0.0])
    method_class(config.method.name)(config).assign_advantages(groups)
    completion = groups[0].completions[1]
    assert completion.advantages is not None
    assert completion.advantages[-1] > 0
    torch.testing.assert_close(completion.advantages[:-1], completion.advantages[1:] / 2)
