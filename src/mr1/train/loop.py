"""The loop.

A step: prompts, rollout, scores, advantages, reference, update, record. With `updates_per_rollout` above 1 the first
four are skipped while a batch of rollouts is being used again.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from statistics import fmean
from typing import Any, TypeVar

import torch

from mr1.config import Config, Stage, divide
from mr1.data.source import expected_rows, open_sources
from mr1.data.unusable import BadRow, LeftOut
from mr1.errors import GuardError, RolloutError
from mr1.methods.base import Method, make_method
from mr1.models.policy import Reference, describe_policy
from mr1.parallel import ranks
from mr1.parallel.meeting import end_of_step
from mr1.parallel.sharding import check_processes
from mr1.report.console import Console
from mr1.report.write import write_page
from mr1.rewards import not_finite
from mr1.rewards.accuracy import take_undecided
from mr1.rewards.judged import take_counts
from mr1.train.batches import keep_batch
from mr1.train.data import PromptCache, PromptSource
from mr1.train.disk import needed_disk
from mr1.train.engines import make_engine
from mr1.train.evaluations import HeldOut
from mr1.train.fitting import Budget
from mr1.train.guards import Guards
from mr1.train.interrupt import Interrupt, TooLateError
from mr1.train.memory import keep_freed_memory
from mr1.train.metrics import batch_metrics, known
from mr1.train.optimizer import Optimizer, rate_factor
from mr1.train.policies import Policies
from mr1.train.resets import Resets
from mr1.train.resume import compare_data, identities
from mr1.train.rollouts import Rollouts
from mr1.train.run import Run
from mr1.train.saving import Saver
from mr1.train.state import Generators, RunState
from mr1.train.update import look, one_microbatch, score_reference, update
from mr1.types import Group

Result = TypeVar("Result")


class Trainer:
    """Everything that a run has in memory, and the loop over it."""

    def __init__(self, config: Config, run: Run, console: Console, grace: float | None = None) -> None:
        """Load the models; take up a checkpoint where the run is resumed.

        Args:
            config: the run's.
            run: its folder.
            console: what is said on the way.
            grace: seconds after a signal in which the step may be finished; None for as long as it takes.

        Raises:
            UserError: a source or a model that can't be loaded; what several processes can't do.
        """
        if not torch.cuda.is_available():
            keep_freed_memory()
        if ranks.several():
            check_processes(config, grace)
        self.config, self.run, self.console = config, run, console
        self.interrupt, self.saver = Interrupt(grace), Saver(run, console.say)
        self.sources = open_sources(config)
        found = [row for source in self.sources for row in source.unusable]
        self.expected = {source.name: expected_rows(config, source) for source in self.sources}
        self.left_out = LeftOut(config.data.max_unusable, found, self._leave_out)
        for rows in self.expected.values():
            self.left_out.expect(rows)
        resumed = run.checkpoint
        self.policies = Policies(config, resumed, self.sources)
        self.policy, self.origin = self.policies.policy, self.policies.origin
        self.start = 0
        if resumed:
            self.start = resumed.step
            compare_data(self.origin["data"], identities(self.sources))
            self.left_out.load_state_dict(resumed.state["data"]["left_out"])
            Generators().load_state_dict(resumed.state["generators"])
        self.cache = PromptCache(self.policy, config.image_cache * 2**20)
        self.budget = Budget(self.policy, console.say)
        self.engine = make_engine(
            config,
            self.policies.whole,
            lambda prompts: one_microbatch(self.policy, self.budget.within(self.stage.config), prompts),
            run.folder,
            console.say,
        )
        self.stages = divide(config)
        last = max(stage.first for stage in self.stages if stage.first <= self.start)
        self.begin(next(stage for stage in self.stages if stage.first == last), resumed.state if resumed else None)
        self.held_out = HeldOut(config, run, console, self.engine, self.cache.prompt, self.left_out)
        self.groups: list[Group] = []
        self.warned: set[str] = set()
        self.seconds: dict[str, float] = {}
        self.step = self.start

    def begin(self, stage: Stage, saved: Mapping[str, Any] | None = None) -> None:
        """Make all that a stage has of its own, and take up what a checkpoint within it holds."""
        config, self.stage = stage.config, stage
        saved = saved if saved and self.start > stage.first else None
        self.method = make_method(config, self.policy)
        self.optimizer = Optimizer(self.policy, config, self.method.owned())
        self.optimizer.adamw.register_step_pre_hook(lambda *_: self.hold())
        self.resets = Resets(config)
        self.reference: Reference | None = None  # the stage's before is let go of before another is made
        done = max(self.start - stage.first, 0)
        if any(self.method.needs_reference(step) for step in range(done, config.steps)):
            moved = saved is not None and "reference" in saved
            self.reference = self.policies.reference(moved, later=stage.first > 0)
        self.source = PromptSource(
            config, self.cache, self.left_out, partial(self.method.require, self.policy), self.method.curriculum()
        )
        kept = [line for line in self.run.kept() if line["step"] >= stage.first]
        self.guards = Guards(config, kept, self.console.say)
        self.rollouts = Rollouts(self.engine, self.method, self.source, self.console.say, bool(config.rollout.ahead))
        self.state = RunState(
            self.optimizer,
            self.method,
            self.source,
            self.rollouts,
            self.left_out,
            self.resets,
            self.reference,
            self.origin,
        )
        if saved:
            self.state.load_state_dict(saved)

    def train(self) -> None:
        """Run all steps, with the evaluations before and after them, and write the report.

        Raises:
            Stopped: a signal asked to stop; the run has been saved and can be resumed.
            GuardError: a guard has ended the run; the same.
        """
        with self.run, self.saver:
            self._train()

    def _train(self) -> None:
        for line in ranks.first(self.run.open, "the run's folder"):
            self.console.say(line)
        self.console.say(describe_policy(self.policy))
        for source in self.sources:
            self.console.say(source.describe(self.expected[source.name]))
        self.run.record_unusable(self.left_out.rows)
        self.console.say(str(needed_disk(self.config, self.policy, self.run.folder, self.method.modules.values())))
        if self.start == 0:
            self.held_out.test("before")
        take_undecided()  # of rewards before the run, in the same process
        with self.console.progress(self.start, self.config.steps), self.interrupt, ExitStack() as last:
            last.callback(lambda: self.let_go())  # of the stage that is under way by then
            for step in range(self.start, self.config.steps):
                self.begin_where_due(step)
                with self.saved_in_time(step):
                    self.train_step(step)
                self.save_where_due(step)
        if self.config.checkpoint.keep_best:
            self.keep_best(self.config.steps, self.validate())
        self.held_out.test("after")
        self.saver.wait()
        if ranks.is_first():
            page = write_page(self.run.folder).path
            self.console.summary(self.run.evaluations(), page, len(self.left_out.rows))

    def begin_where_due(self, step: int) -> None:
        """Begin the stage whose first step this is, and say so."""
        stage = next((stage for stage in self.stages if stage.first == step), None)
        if stage is None or not stage.name:
            return
        if stage is not self.stage:
            self.let_go()
            self.optimizer.close()
            self.begin(stage)
        self.console.say(f"step {step}: stage {stage.name}, {stage.config.steps} steps")

    def let_go(self) -> None:
        """End the threads that make a stage's batches."""
        self.rollouts.close()
        self.source.close()

    def train_step(self, step: int) -> None:
        """The algorithm: one optimiser step, counted from 0, and its record."""
        config, method, at = self.stage.config, self.method, step - self.stage.first
        self.step = step
        self.seconds = dict.fromkeys(("rollout", "reward", "score", "update"), 0.0)
        accuracies = self.evaluate_validation(step)
        reset = self.reset_where_due(step, accuracies)

        fresh = at % config.updates_per_rollout == 0
        if fresh:
            method.metrics.clear()
            with self.timed("rollout"):
                self.groups = self.rollouts.batch(step, at, last=at + config.updates_per_rollout >= config.steps)
            with self.timed("reward"):
                method.score(self.groups)
                self.warn_of_scores()
        if method.needs_reference(at):
            assert self.reference is not None, "loaded where any step needs it"
            with self.timed("score"), self.reference() as reference:
                self.fit(lambda fitting: score_reference(reference, self.groups, fitting))
        if fresh:
            if method.looks:
                with self.timed("score"):
                    self.fit(lambda fitting: look(self.policy, self.groups, method, fitting, at))
            method.assign_advantages(self.groups)
            self.source.earned(self.groups)
        if config.rollout.ahead and at + 1 < config.steps and not self.is_saved_behind(step):
            self.rollouts.begin(step + 1, at + 1, last=at + 2 >= config.steps)
        if type(method).after_backward is not Method.after_backward:
            self.hold()  # it may change what the method owns
        begun = time.monotonic()
        with self.timed("update"):
            results = self.fit(lambda fitting: update(self.policy, self.groups, method, self.optimizer, fitting, at))
            self.hold()  # the step is made, or there is none to make
            updated = time.monotonic()
            self.rollouts.settle()
            self.engine.sync(self.policy)
            method.after_update(at, known(results))
        if results["update/skipped"]:
            self.keep_batch(step)

        metrics: dict[str, Any] = {
            "step": step,
            **results,
            **method.metrics,
            **self.source.curriculum.metrics(),
            **self.budget.metrics(),
            **self.engine.metrics(),
            **self.rollouts.overlap((begun, updated)),
            **reset,
        }
        rate = config.optimizer.learning_rate * rate_factor(at, config.steps, config.optimizer)
        metrics |= {"learning_rate": rate, **batch_metrics(self.groups, config.rewards), **accuracies}
        self.seconds["checkpoint"] = self.saver.waited()
        metrics |= {f"time/{phase}": round(seconds, 4) for phase, seconds in self.seconds.items()}
        metrics |= end_of_step({"judge/undecided": take_undecided(), **take_counts()}, self.interrupt)
        metrics |= self.guards.look(metrics)
        self.run.record(step, self.groups if fresh and step % config.samples_every == 0 else None, metrics)
        self.console.step(metrics)

    def reset_where_due(self, step: int, accuracies: dict[str, float]) -> dict[str, int]:
        """Make the policy its own reference before a step, and the optimizer new, where the settings ask for it.

        Returns:
            `kl_reset`, 1 where it was done; nothing where the settings never ask for it.
        """
        if not self.stage.config.kl.resets:
            return {}
        reason = self.resets.due(step - self.stage.first, accuracies)
        if reason:
            if self.reference is not None:
                self.reference.reset(self.policy)
            self.optimizer.reset()
            self.console.say(f"step {step}: the policy is its own reference from here on, and AdamW new ({reason})")
        return {"kl_reset": int(bool(reason))}

    def hold(self) -> None:
        """From here on the step is finished, or it is lost."""
        self.interrupt.hold()
        ranks.hold()

    def fit(self, compute: Callable[[Config], Result]) -> Result:
        """Run the batch through a model in micro-batches that fit into memory (`Budget.fit`)."""
        return self.budget.fit(compute, self.stage.config, self.groups, self.method, self.optimizer)

    def keep_batch(self, step: int) -> None:
        """Keep the batch of a step that was skipped to be looked at, and say so."""
        if not ranks.is_first():
            return
        kept = keep_batch(self.run.folder, self.config, step, self.stage, self.groups)
        where = f"mr1 replay {shlex.quote(str(kept))} looks for where that comes from" if kept else "enough are kept"
        self.console.say(f"step {step} is skipped: its loss or gradient is not finite; {where}")

    def warn_of_scores(self) -> None:
        """Say it once of each reward function that gives what is no score; the metrics count it at every step."""
        for name, line in not_finite(self.groups).items():
            if name not in self.warned:
                self.warned.add(name)
                self.console.say(f"{line}; not_finite/{name} in metrics.jsonl counts them")

    def is_saved_behind(self, step: int) -> bool:
        """Whether the recipe asks for a checkpoint after this step."""
        every = self.config.steps_between_checkpoints
        return every > 0 and (step + 1) % every == 0

    def save_where_due(self, step: int) -> None:
        """Save a checkpoint after this step where the recipe, the run's end, a guard or a signal asks for one.

        A batch of rollouts is used up first: the policy that wrote it is gone, so it could not be made again.

        Raises:
            Stopped: a signal asked to, and the checkpoint is written.
            GuardError: a guard asked to; the report is written, too.
        """
        done = step + 1
        due = self.interrupt.asked or bool(self.guards.stop) or self.is_saved_behind(step)
        if done == self.config.steps or (due and done % self.config.updates_per_rollout == 0):
            self.save(done)
            if self.interrupt.asked:
                self.saver.wait()
                raise self.interrupt.stop()
            if self.guards.stop and done < self.config.steps:
                self.saver.wait()
                if ranks.is_first():
                    write_page(self.run.folder)
                raise GuardError(self.guards.stop)

    @contextmanager
    def saved_in_time(self, step: int) -> Iterator[None]:
        """Cut a step off at a signal's deadline, or where servers fail, and save what was before it.

        Raises:
            TooLateError: it has passed. In a batch of rollouts that is half used the checkpoint before it stays.
            RolloutError: the servers can't write the step's completions.
        """
        if self.interrupt.grace is None and not ranks.several() and self.config.rollout.engine == "local":
            yield
            return
        before, whole = self.state.mark(), step % self.config.updates_per_rollout == 0
        if ranks.several():
            breakable = ranks.rescuable(step if whole else None, lambda: self.rescue(step, before))
        else:
            breakable = self.interrupt.breakable()
        try:
            with breakable:
                yield
        except (TooLateError, RolloutError):  # the latter is raised by all of several processes
            if whole:
                self.rescue(step, before)
            self.saver.wait()
            raise

    def rescue(self, step: int, before: Callable[[], dict[str, Any]]) -> None:
        """Save the run as it was before a step that isn't finished."""
        if not self.saver.has(step):
            self.saver.save(step, self.policy, before())
        self.saver.wait()

    def save(self, step: int) -> None:
        """Save the run as it is, so many steps done; training may go on before it is written."""
        with self.interrupt.unbroken():
            self.saver.save(step, self.policy, self.state.state_dict())

    def keep_best(self, step: int, accuracies: dict[str, float]) -> None:
        """Keep a checkpoint of the policy where it is the best so far, by its accuracies before this step."""
        if not accuracies or step % self.config.updates_per_rollout:
            return
        trained = [accuracy for task, accuracy in accuracies.items() if task in self.config.tasks]
        accuracy = fmean(trained or accuracies.values())
        best = self.saver.best
        if best is None or accuracy > best[1]:
            if not self.saver.has(step):
                self.save(step)
            self.saver.name_best(step, accuracy)

    def evaluate_validation(self, step: int) -> dict[str, float]:
        """`eval/<task>/accuracy` of the policy that is about to make this step, on the steps where it is due."""
        every = self.config.evaluation.every
        if not every or step % every:
            return {}
        accuracies = self.validate()
        if self.config.checkpoint.keep_best and step > 0:
            self.keep_best(step, accuracies)
        return {f"eval/{task}/accuracy": accuracy for task, accuracy in accuracies.items()}

    def validate(self) -> dict[str, float]:
        """Accuracy on each task's validation split."""
        with self.timed("evaluation"):
            return self.held_out.validate()

    def _leave_out(self, row: BadRow) -> None:
        """Write down a row that has just turned out to be unusable, and say so."""
        self.run.record_unusable(self.left_out.rows)
        self.console.say(f"left out: {row}")

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Add to a phase's seconds of this step."""
        start = time.perf_counter()
        with ranks.together(f"{phase}, step {self.step}"):
            yield
        if torch.cuda.is_available():
            torch.cuda.synchronize()  # what is still under way would be booked on the next phase
        self.seconds[phase] = self.seconds.get(phase, 0.0) + time.perf_counter() - start
