"""The command line. Verbs are thin: each reads its arguments, then calls the part that does the work.

The field's libraries are imported inside the verbs, so that help and mistakes cost no seconds.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from mr1 import __version__
from mr1.errors import UserError

app = typer.Typer(
    help="MR1 teaches vision-language models to reason by reinforcement learning on verifiable rewards.",
    epilog="Start with: mr1 train recipes/counting-grpo-d.yaml",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
data = typer.Typer(help="Look at tasks and data.", no_args_is_help=True)
app.add_typer(data, name="data")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"mr1 {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def train(
    recipe: Annotated[Path, typer.Argument(help="A YAML file of settings, such as recipes/counting-grpo-d.yaml.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings put over the recipe's.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run folder's latest checkpoint.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run folder if it exists.")] = False,
) -> None:
    """Train a model by a recipe; everything it leaves behind is in runs/NAME.

    Examples:

      mr1 train recipes/counting-grpo-d.yaml seed=1 name=counting-seed-1

      mr1 train recipes/counting-grpo-d.yaml kl.minimum=0.02 rollout.group_size=16

      mr1 train runs/counting-seed-1/config.yaml --resume
    """
    if resume and overwrite:
        raise UserError("--resume: it goes on with the run folder, --overwrite replaces it; give one of them")
    from mr1.config import load_config

    config = load_config(recipe, overrides or [])
    from mr1.report.console import Console
    from mr1.train.run import Run

    run = Run(config, "resume" if resume else "overwrite" if overwrite else "new")
    from mr1.train.loop import Trainer

    try:
        Trainer(config, run, Console()).train()
    except KeyboardInterrupt:
        typer.echo(f"stopped; go on with: mr1 train {run.folder}/config.yaml --resume", err=True)
        raise typer.Exit(130) from None


@app.command("eval")
def evaluate(
    model: Annotated[str, typer.Argument(help="A bundled model (tiny), a Hugging Face folder, or a hub id.")],
    task: Annotated[list[str], typer.Option(help="A task to measure; may be given several times.")],
    split: Annotated[str, typer.Option(help="test, validation, train, or shifted where the task has it.")] = "test",
    samples: Annotated[int, typer.Option(min=1, help="Samples of each task.")] = 512,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest completion.")] = 256,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure a model's greedy accuracy on held-out samples, with 95 % intervals.

    Example: mr1 eval runs/demo/checkpoints/step-000100 --task counting --task geometry
    """
    from mr1.config import PROMPT
    from mr1.tasks import load_task

    tasks = [load_task(name) for name in dict.fromkeys(task)]
    for each in tasks:
        if split not in each.splits:
            raise UserError(f"--split: task {each.name} has no split '{split}'; it has {', '.join(each.splits)}")
    from mr1.evaluate.evaluate import evaluate as measure
    from mr1.models import load_vlm
    from mr1.report.console import Console, accuracy_table
    from mr1.rollout.engine import Engine

    engine = Engine(load_vlm(model))
    results = {each.name: measure(engine, each, split, samples, PROMPT, max_new_tokens).summary() for each in tasks}
    if as_json:
        typer.echo(json.dumps(results, indent=2))
    else:
        Console().rich.print(accuracy_table({split: results}))


@data.command("show")
def show(
    task: Annotated[str, typer.Argument(help="counting or geometry.")],
    out: Annotated[Path, typer.Option(help="The picture to write.")],
    split: Annotated[str, typer.Option(help="Which split.")] = "train",
    seed: Annotated[int, typer.Option(min=0, help="Which seed of the split.")] = 0,
    count: Annotated[int, typer.Option(min=1, max=400, help="How many samples.")] = 16,
    size: Annotated[int, typer.Option(min=56, max=2048, help="Side of each image in pixels.")] = 224,
) -> None:
    """Draw a contact sheet: images with their questions and answers.

    Example: mr1 data show counting --split shifted --out sheet.png
    """
    from mr1.report.sheet import contact_sheet
    from mr1.tasks import load_task

    source = load_task(task, image_size=size)
    if split not in source.splits:
        raise UserError(f"--split: task {task} has no split '{split}'; it has {', '.join(source.splits)}")
    sheet = contact_sheet([source.sample(split, seed, index) for index in range(count)], size)
    try:
        sheet.save(out)
    except (OSError, ValueError) as error:
        raise UserError(f"--out: {out} can't be written: {error}") from error
    typer.echo(f"{out}: {count} samples of {task}, split {split}")


def main() -> None:
    """Run the command; a user's mistake is one line and exit code 2."""
    try:
        app()
    except UserError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
    except FloatingPointError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)
