"""What a run measures before, on and after its way, and how: for the loop, and for the memory estimate."""

from __future__ import annotations

from mr1.config import Config
from mr1.data.prompts import MakePrompt
from mr1.data.unusable import LeftOut
from mr1.evaluate.evaluate import BATCH, Keep, Protocol, evaluate
from mr1.evaluate.outcome import Evaluation
from mr1.report.console import Console
from mr1.rollout.engine import Engine
from mr1.tasks import load_task
from mr1.train.run import Run, When


def protocol(config: Config) -> Protocol:
    """How a run's evaluations put their samples to the policy: greedily, by the evaluations' prompt."""
    return Protocol(
        prompt=config.evaluation.prompt or config.prompt,
        max_new_tokens=config.rollout.max_new_tokens,
        batch_size=min(BATCH, config.rollout.batch_size),
    )


class HeldOut:
    """The policy, measured on samples that it never learns from."""

    def __init__(
        self, config: Config, run: Run, console: Console, engine: Engine, make: MakePrompt, left_out: LeftOut
    ) -> None:
        """By an engine that writes with the policy's present weights, from prompts that may be kept (`make`)."""
        self.config, self.run, self.console = config, run, console
        self.engine, self.make, self.left_out = engine, make, left_out

    def test(self, when: When) -> None:
        """Measure every evaluation task on its test split, and record it."""
        if self.config.evaluation.final_samples:
            with self.console.status(f"evaluating {when} training"), self.run.outcomes(when) as keep:
                evaluations = self._evaluate("test", self.config.evaluation.final_samples, keep)
            self.run.record_evaluation(when, evaluations)

    def validate(self) -> dict[str, float]:
        """Accuracy on each task's validation split."""
        evaluations = self._evaluate("validation", self.config.evaluation.samples)
        return {evaluation.task: evaluation.accuracy for evaluation in evaluations}

    def _evaluate(self, split: str, count: int, keep: Keep | None = None) -> list[Evaluation]:
        tasks = [load_task(name, self.config.sources) for name in self.config.evaluation.tasks]
        how = protocol(self.config)
        return [evaluate(self.engine, task, split, count, how, self.left_out, self.make, keep) for task in tasks]
