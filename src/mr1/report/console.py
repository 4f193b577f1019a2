"""What a run says on the terminal: a progress bar where there is one, plain lines where there is none.

Names of runs, tasks, files and models are shown as they are: nothing that is printed here is read as rich's markup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console as RichConsole
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from mr1.models.check import Check
    from mr1.models.verdicts import Verdict
    from mr1.rollout.vllm.comparison import Comparison

WHOLE = 1000
"""More columns than any table has."""
LOG_WIDTH = 120
"""Columns where there is no terminal, so that the table's cells keep to one line."""
DESCRIPTION = TextColumn("{task.description}", markup=False)


class Console:
    """Progress, then a table. All text is plain."""

    def __init__(self, rich: RichConsole | None = None, stderr: bool = False, quiet: bool = False) -> None:
        self.rich = rich or RichConsole(stderr=stderr, quiet=quiet, markup=False, emoji=False)
        if not self.rich.is_terminal:
            self.rich.width = max(self.rich.width, LOG_WIDTH)
        self._progress: Progress | None = None
        self._task = TaskID(0)
        self._accuracies: dict[str, float] = {}

    def say(self, text: str) -> None:
        """A line."""
        self.rich.print(Text(text), soft_wrap=True)

    def show(self, table: Table, whole: bool = False) -> None:
        """A table; where there is no terminal, and it is to be `whole`, as wide as it is."""
        width = self.rich.width
        if whole and not self.rich.is_terminal:
            self.rich.width = WHOLE
        self.rich.print(table)
        self.rich.width = width

    @contextmanager
    def status(self, text: str) -> Iterator[None]:
        """Show that something without steps is under way."""
        if not self.rich.is_terminal:
            self.say(f"{text} ...")
            yield
            return
        # A spinner and a bar's column read text as markup whatever the console does; a bar's is a format, too.
        with self.rich.status(Text(text)):
            yield

    @contextmanager
    def counting(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """While open, what it gave moves a bar by a number of samples."""
        if not self.rich.is_terminal:
            self.say(f"{name}: {total} samples ...")
            yield lambda _: None
            return
        columns = (DESCRIPTION, MofNCompleteColumn(), BarColumn(bar_width=30), TimeRemainingColumn())
        with Progress(*columns, console=self.rich) as progress:
            task = progress.add_task(name, total=total)
            yield lambda count: progress.advance(task, count)

    @contextmanager
    def progress(self, start: int, steps: int) -> Iterator[None]:
        """While open, `step` moves the bar."""
        if not self.rich.is_terminal:
            yield
            return
        columns = (
            TextColumn("step"),
            MofNCompleteColumn(),
            BarColumn(bar_width=12),
            DESCRIPTION,
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.rich) as progress:
            self._progress = progress
            self._task = progress.add_task("", total=steps, completed=start)
            yield
        self._progress = None

    def step(self, metrics: Mapping[str, Any]) -> None:
        """A step is done."""
        held_out = {key: value for key, value in metrics.items() if key.startswith("eval/")}
        self._accuracies |= {
            key.removeprefix("eval/").removesuffix("/accuracy"): value for key, value in held_out.items()
        }
        text = describe(metrics, self._accuracies)
        if self._progress:
            self._progress.update(self._task, advance=1, description=text)
        elif held_out or metrics["step"] % 10 == 0:
            self.say(f"step {metrics['step']}  {text}")

    def summary(
        self, evaluations: Mapping[Any, Mapping[str, Mapping[str, Any]]], report: Path, left_out: int = 0
    ) -> None:
        """Accuracy before and after, and where the report is."""
        if evaluations:
            self.show(accuracy_table(evaluations))
        if left_out:
            self.say(f"{left_out} rows can't be used and were left out: {report.with_name('unusable.jsonl')}")
        self.say(f"report: {report}")


def describe(metrics: Mapping[str, Any], accuracies: Mapping[str, float]) -> str:
    """A step in a few words."""
    reward = metrics["reward/total"]
    held_out = [f"{task} {accuracy:.0%}" for task, accuracy in accuracies.items()]
    if reward is None:
        return "  ".join([f"loss {metrics['loss']:.3f}", *held_out])
    return "  ".join([f"reward {reward:.2f}", *held_out, f"KL weight {metrics['kl_weight']:.4f}"])


def evaluation_table(results: Mapping[str, Mapping[str, Any]]) -> Table:
    """A row for each task that was measured; intervals at 95 %."""
    table = Table(title="accuracy (95 % interval)")
    passes = [name for name in next(iter(results.values())) if name.startswith("pass@")]
    for name in ("task", "accuracy", "without image", *passes, "format", "missing", "undecided", "samples"):
        table.add_column(name, justify="left" if name == "task" else "right")
    for task, figures in results.items():
        cells = [f"{figures['accuracy']:.1%}\n{figures['low']:.1%} to {figures['high']:.1%}", _baseline(figures)]
        cells += [f"{figures[name]:.1%}" for name in (*passes, "format_rate")]
        cells += [str(figures["missing"]), str(sum(figures["undecided"].values())), str(figures["n"])]
        table.add_row(task, *cells)
    return table


def accuracy_table(evaluations: Mapping[Any, Mapping[str, Mapping[str, Any]]]) -> Table:
    """A row for each task, a column for each stage; intervals at 95 %."""
    table = Table(title="held-out accuracy, greedy (95 % interval)")
    table.add_column("task")
    for stage in evaluations:
        table.add_column(str(stage), justify="right")
    tasks = dict.fromkeys(task for stage in evaluations.values() for task in stage)
    if len(evaluations) == 2:
        table.add_column("change", justify="right")
    table.add_column("without image", justify="right")
    table.add_column("samples", justify="right")
    for task in tasks:
        results = [stage[task] for stage in evaluations.values()]
        cells = [f"{r['accuracy']:.1%} ({r['low']:.1%} to {r['high']:.1%})" for r in results]
        if len(results) == 2:
            cells.append(f"{100 * (results[1]['accuracy'] - results[0]['accuracy']):+.1f} points")
        table.add_row(task, *cells, _baseline(results[-1]), str(results[-1]["n"]))
    return table


def _baseline(figures: Mapping[str, Any]) -> str:
    """What an accuracy is to be compared with; nothing where an older run didn't measure it."""
    baseline = figures.get("baseline")
    return f"{baseline['share']:.1%}\n{baseline['name']}" if baseline else ""


def words_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Lines of text as they are."""
    table = Table(title=title)
    for name in head:
        table.add_column(Text(name))
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def verdict_table(verdicts: Sequence[Verdict]) -> Table:
    """A row for each family; it reads as Markdown."""
    table = Table(box=box.MARKDOWN)
    numbers = ("log-prob", "gradient", "transformers", "sampler", "reload", "LoRA")
    for name in ("family", "rows", *numbers, "tokens", "plain", "encoded", "otherwise"):
        table.add_column(name, justify="left" if name in ("family", "rows", "otherwise") else "right", no_wrap=True)
    for each in verdicts:
        if each.check is None or each.conduct is None:
            table.add_row(each.family, each.way, *[""] * (len(numbers) + 3), Text(each.reason))
            continue
        check, conduct = each.check, each.conduct
        differences = (
            *(check.logprob_difference, check.gradient_difference, check.transformers_difference),
            *(conduct.sampler_difference, conduct.reload_difference, conduct.low_rank_difference),
        )
        counts = {
            "prompts with other ids": check.prompts_differ,
            "greedy completions that differ": conduct.generated_differ,
            "forbidden tokens sampled": conduct.forbidden_sampled,
            "prompts with two first tokens": conduct.first_tokens,
            "choices of experts that differ": conduct.routed_otherwise,
        }
        table.add_row(
            each.family,
            each.way,
            *(f"{difference:.0e}" for difference in differences),
            *(str(check.tokens), str(check.plain_tokens), f"{check.encoded:g}"),
            Text("; ".join([each.reason] * bool(each.reason) + [f"{n} {name}" for name, n in counts.items() if n])),
        )
    return table


def comparison_table(found: Sequence[Comparison]) -> Table:
    """A row for each server that was compared with the trainer; it reads as Markdown."""
    table = Table(box=box.MARKDOWN)
    for name in ("server", "prompts", "ids by chat", "pixels by chat", "log-prob, mean", "largest"):
        table.add_column(name, justify="left" if name == "server" else "right", no_wrap=True)
    for each in found:
        ids = f"{each.ids_differ} differ" if each.ids_differ else "same"
        figures = (f"{number:.0e}" for number in (each.pixels, each.gap, each.largest))
        table.add_row(each.server, str(each.prompts), ids, *figures)
    return table


def check_table(checks: Sequence[Check]) -> Table:
    """A row for each model that was checked; it reads as Markdown."""
    table = Table(box=box.MARKDOWN)
    names = ("family", "rows", "log-prob", "gradient", "transformers", "ids", "tokens", "plain", "encoded")
    for name in names:
        table.add_column(name, justify="left" if name in ("family", "rows") else "right", no_wrap=True)
    for check in checks:
        table.add_row(
            check.family,
            "packed" if check.packs else "plain",
            f"{check.logprob_difference:.0e}",
            f"{check.gradient_difference:.0e}",
            f"{check.transformers_difference:.0e}",
            f"{check.prompts_differ} differ" if check.prompts_differ else "same",
            str(check.tokens),
            str(check.plain_tokens),
            f"{check.encoded:g}",
        )
    return table
