"""Parts of the speed benchmark that measure nothing themselves."""

from __future__ import annotations

import math
import mmap
from types import SimpleNamespace
from typing import Any

import pytest
from benchmarks.speed.counts import Counter
from benchmarks.speed.growth import slope
from benchmarks.speed.meter import Meter
from benchmarks.speed.pairs import ratios
from benchmarks.speed.reward import letters
from benchmarks.speed.targets import Outcome, found, results
from benchmarks.speed.work import Work


def test_slope_is_the_exponent() -> None:
    x = [4, 8, 16, 32]
    assert math.isclose(slope(x, [3 * each**1.5 for each in x]), 1.5)
    assert abs(slope(x, [2.0] * 4)) < 1e-12


def test_ratios_are_made_pair_by_pair() -> None:
    def step(seconds: float) -> dict[str, Any]:
        phases = dict.fromkeys(("rollout", "reward", "score", "other"), 0.1) | {"update": seconds - 0.4}
        return {"seconds": seconds, "phases": phases, "peak": {"beyond_imports": 100 * seconds}}

    found = ratios([step(1.0), step(2.0), step(1.0)], [step(3.0), step(8.0), step(5.0)])
    assert found["seconds"] == {"median": 4.0, "low": 3.0, "high": 5.0}
    assert found["memory"] == pytest.approx({"median": 4.0, "low": 3.0, "high": 5.0})
    assert found["score"]["median"] == 1.0


def test_a_phase_stops_the_clock_of_the_one_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = Meter()
    times = iter([0.0, 1.0, 3.0, 6.0, 10.0, 15.0])
    monkeypatch.setattr(meter, "_now", lambda: next(times))
    meter.begin(counting=False)
    with meter.phase("update"), meter.phase("rollout"):  # other until 1, update until 3, rollout until 6
        pass  # update again until 10
    seconds = meter.end({})["phases"]
    assert seconds == {"rollout": 3.0, "reward": 0.0, "score": 0.0, "update": 2.0 + 4.0, "other": 1.0 + 5.0}


def test_memory_counts_from_the_last_watch() -> None:
    meter = Meter()
    meter.gpu, meter.empty = False, 0
    meter.watch_memory()
    before = meter.peak()["raw"]
    held = mmap.mmap(-1, 64 * 2**20)  # from the system, whatever the allocator has kept
    held.write(bytes(len(held)))
    assert meter.peak()["raw"] >= before + 60 * 2**20
    del held
    meter.watch_memory()
    assert meter.peak()["raw"] < before + 30 * 2**20


def test_counts_images_and_tokens_by_phase() -> None:
    import torch

    class Module(torch.nn.Module):
        def forward(self, *_: Any, **__: Any) -> None:
            pass

    class Processor:
        def preprocess(self, images: Any) -> str:  # noqa: ARG002
            return "done"

    embedding = torch.nn.Embedding(2, 3)
    model = SimpleNamespace(model=SimpleNamespace(visual=Module(), get_input_embeddings=lambda: embedding))
    processor = Processor()
    phase = ["rollout"]
    counter = Counter(lambda: phase[0])
    counter.watch(processor, [model])

    def work() -> None:
        assert processor.preprocess([["a", "b"], ["c"]]) == "done"
        model.model.visual(torch.zeros(1), grid_thw=torch.ones(3, 3))
        embedding(torch.zeros(2, 5, dtype=torch.long))

    counter.switch(True)
    work()
    phase[0] = "update"
    embedding(torch.zeros(4, dtype=torch.long))
    expected = {"images_preprocessed": 3, "vision_images": 3, "vision_calls": 1, "tokens": 10, "language_calls": 1}
    assert counter.counts["rollout"] == expected
    assert counter.counts["update"]["tokens"] == 4
    counter.switch(False)
    work()
    assert counter.counts == {}
    assert "preprocess" not in vars(processor)


def test_the_reward_is_the_same_for_texts_and_messages() -> None:
    assert letters(["ab1 ", ""]) == [0.5, 0.0]
    assert letters([[{"role": "assistant", "content": "ab1 "}]]) == [0.5]


def test_words_for_a_work() -> None:
    assert Work().differs() == "base"
    assert Work(pixels=448, group_size=16).differs() == "pixels 448, group_size 16"


def test_a_target_that_was_missed_says_what_profiling_found() -> None:
    def outcome(pixels: int, tokens: int, reached: bool | None) -> Outcome:
        name = f"step of TRL over MR1's, {pixels} px, {tokens} new tokens"
        return Outcome(name, ">= 5", 4.0, reached, "times", "3 to 5")

    missed = [outcome(224, 32, False), outcome(448, 32, False), outcome(224, 512, False)]
    assert len({found(each) for each in missed} - {""}) == 3
    assert found(outcome(224, 32, True)) == found(outcome(224, 32, None)) == ""
    assert [each["found"] for each in results(missed)] == [found(each) for each in missed]
