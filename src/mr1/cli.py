"""The command line. Verbs are thin: each reads its arguments, then calls the part that does the work.

The field's libraries are imported inside the verbs, so that help and mistakes cost no seconds.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from mr1.cli_check import check
from mr1.cli_data import data
from mr1.cli_judge import judge, score
from mr1.cli_launch import launch
from mr1.cli_options import Dtype, DtypeOption, MaxPixels, MaxTiles, MinPixels, Revision, TrustRemoteCode, given
from mr1.cli_recipes import complete, complete_study, recipes
from mr1.cli_replay import replay
from mr1.cli_serve import OPTIONS_OF_ITS_OWN, serve
from mr1.cli_stop import stoppable
from mr1.errors import RankError, ToldError, UserError
from mr1.folders import as_mode
from mr1.version import __version__

app = typer.Typer(
    help="MR1 teaches vision-language models to reason by reinforcement learning on verifiable rewards.",
    epilog="Start with: mr1 train counting-grpo-d",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


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


Recipe = Annotated[
    str,
    typer.Argument(
        help="A recipe's name, as `mr1 recipes` lists them, or a YAML file of settings.", autocompletion=complete
    ),
]


@app.command()
def train(
    recipe: Recipe,
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings put over the recipe's.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the run folder's latest checkpoint; begin where there is none.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run folder if it exists.")] = False,
    grace: Annotated[
        float | None,
        typer.Option(min=0.0, help="Seconds after a signal in which the step may be finished; as long as it takes."),
    ] = None,
) -> None:
    """Train a model by a recipe; everything it leaves behind is in runs/NAME.

    SIGINT (Ctrl-C), SIGTERM and SIGUSR1 let the step be finished and saved; a second one ends at once. The exit code is
    130, 143 or 138, and 3 where a guard of guards.stop has ended the run. Both go on by --resume.

    Examples:

      mr1 train counting-grpo-d seed=1 name=counting-seed-1

      mr1 train counting-grpo-d kl.minimum=0.02 rollout.group_size=16

      mr1 train runs/counting-seed-1/config.yaml --resume
    """
    mode = as_mode(resume, overwrite)
    from mr1.config import load_config
    from mr1.recipes import find_recipe

    with stoppable():
        file = find_recipe(recipe)
        config = load_config(file, overrides or [])
        from mr1.library.training import run
        from mr1.report.console import Console

        run(config, mode, Console(), file, grace)


@app.command()
def compare(
    study: Annotated[
        str,
        typer.Argument(help="A study's name: quick, othink-mr1, kl; or a YAML file.", autocompletion=complete_study),
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Put over the study's; settings.KEY=VALUE holds for all runs."),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Runs at a time; each has its share of the cores.")] = 1,
    dry: Annotated[bool, typer.Option("--dry", help="List the runs with their time and memory; start none.")] = False,
    tables: Annotated[bool, typer.Option("--tables", help="Make the tables of what is done; start no run.")] = False,
) -> None:
    """Run a study: methods, training tasks and seeds, each an ordinary run; then its tables, plots and page.

    What is done stays: a study that was stopped, however it was, goes on when it is started again.

    Examples:

      mr1 compare quick --jobs 2

      mr1 compare othink-mr1 --dry

      mr1 compare othink-mr1 "seeds=[0]" settings.model=my-model name=my-study
    """
    from mr1.study.settings import load_study

    with stoppable():
        chosen = load_study(study, overrides or [])
        from mr1.report.console import Console

        console = Console()
        if dry:
            from mr1.study.dry import dry_table

            table, said = dry_table(chosen, jobs, console)
            console.show(table)
            console.say(said)
        else:
            from mr1.study.compare import compare as run

            run(chosen, jobs, console, start=not tables)


@app.command("eval")
def evaluate(
    model: Annotated[str, typer.Argument(help="A bundled model (tiny), a Hugging Face folder, or a hub id.")],
    task: Annotated[list[str] | None, typer.Option(help="A procedural task; may be given several times.")] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(help="A file, folder, hub id, preset, PRESET=PATH, or a recipe with sources; several times, too."),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="superclevr-200 or geoqa-test: R1-V's prompt and limit, and its rule for r1v.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="test, validation, train, or shifted; test.")] = None,
    samples: Annotated[
        int | None, typer.Option(min=1, help="The first so many; 512 of a procedural task, all of --data.")
    ] = None,
    attempts: Annotated[int, typer.Option(min=1, help="Completions of each sample; 1 is greedy.")] = 1,
    temperature: Annotated[float, typer.Option(min=1e-6, help="Of several attempts.")] = 1.0,
    max_new_tokens: Annotated[int | None, typer.Option(min=1, help="Longest completion; 256.")] = None,
    prompt: Annotated[str | None, typer.Option(help="The user's turn, with {question} in it.")] = None,
    scorer: Annotated[Literal["strict", "r1v"], typer.Option(help="The judge's rules.")] = "strict",
    out: Annotated[Path | None, typer.Option(help="Folder for outcomes, figures and a page.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the folder; what is done stays.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the folder if it exists.")] = False,
    max_unusable: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of a split's rows that may be unusable and left out.")
    ] = 0.01,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    dtype: DtypeOption = None,
    min_pixels: MinPixels = None,
    max_pixels: MaxPixels = None,
    max_tiles: MaxTiles = None,
    revision: Revision = None,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Measure a model's accuracy on held-out samples, with 95 % intervals.

    Examples:

      mr1 eval runs/demo/checkpoints/step-000100 --task counting --task geometry --out evals/demo

      mr1 eval tiny --task counting --attempts 8

      mr1 eval Qwen/Qwen2-VL-2B-Instruct --preset superclevr-200 --data superclevr_test200_counting_problems.jsonl
    """
    mode = as_mode(resume, overwrite)
    if resume and out is None:
        raise UserError("--resume: which folder? give --out")
    with stoppable():
        from mr1.evaluate.run import run_evaluation
        from mr1.evaluate.select import Choice, measurements
        from mr1.models.saved import own_loading
        from mr1.report.console import Console, evaluation_table

        choice = Choice(split, samples, attempts, temperature, max_new_tokens, prompt, scorer, preset)
        chosen = measurements(task or [], data or [], choice)
        console = Console(stderr=as_json)
        loading = own_loading(model, **given(dtype, revision, trust_remote_code, min_pixels, max_pixels, max_tiles))
        results = run_evaluation(model, loading, chosen, out, mode, console, max_unusable)
    if as_json:
        typer.echo(json.dumps(results, indent=2))
    else:
        console.show(evaluation_table(results))


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="Of a run, or of an evaluation: what `eval --out` wrote.")],
) -> None:
    """Write a folder's page again, also of a run that still goes on, was stopped, or has files that are cut or damaged.

    What can't be read is said, here and on the page.

    Example: mr1 report runs/demo
    """
    from mr1.report.console import Console
    from mr1.report.write import write_page

    console, written = Console(), write_page(folder)
    for file, notes in written.damage.items():
        console.say(f"{folder / file}: {'; '.join(notes)}")
    console.say(f"report: {written.path}")


@app.command("export")
def export_(
    checkpoint: Annotated[str, typer.Argument(help="A run's checkpoint, such as runs/NAME/checkpoints/step-000100.")],
    folder: Annotated[Path, typer.Argument(help="The folder to write.")],
    dtype: Annotated[Dtype | None, typer.Option(help="Of the weights; as stored where it is left out.")] = None,
    average: Annotated[
        list[str] | None, typer.Option(help="Another checkpoint, to average the weights with; may be given again.")
    ] = None,
    revision: Revision = None,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Write a checkpoint as an ordinary Hugging Face model folder, low-rank weights merged in.

    Examples:

      mr1 export runs/demo/checkpoints/step-000100 counting-model

      mr1 export runs/counting/checkpoints/best merged --average runs/geometry/checkpoints/best
    """
    from mr1.models.export import export
    from mr1.models.saved import own_loading

    loading = own_loading(checkpoint, **given(dtype, revision, trust_remote_code))
    written = export(checkpoint, folder, loading, dtype, average or ())
    typer.echo(f"{folder}: {str(written).removeprefix('torch.')}")


@app.command()
def estimate(
    recipe: Recipe,
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings put over the recipe's.")
    ] = None,
    memory: Annotated[str | None, typer.Option(help="The device's, such as 24GB: would the run fit?")] = None,
    device: Annotated[Literal["gpu", "cpu"], typer.Option(help="What the run is to be on.")] = "gpu",
    processes: Annotated[int, typer.Option(min=1, help="Processes that divide the run, each on its device.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Say what memory a run takes, by part and by phase, before anything is loaded; and which settings would fit.

    Exit code 1 where --memory is given and the run doesn't fit.

    Example: mr1 estimate counting-grpo-d model=Qwen/Qwen2-VL-2B-Instruct --memory 24GB
    """
    from mr1.config import load_config

    config = load_config(recipe, overrides or [])
    from mr1.estimate.sizes import parse_size, room

    size = parse_size(memory) if memory is not None else None
    from mr1.estimate.fit import find_fit
    from mr1.estimate.step import estimate as count
    from mr1.estimate.table import as_dictionary, memory_table, summary, verdict
    from mr1.report.console import Console

    found = count(config, device, processes=processes)
    fits = size is None or found.peak <= room(size)
    fit = None if size is None or fits else find_fit(recipe, overrides or [], size, device, found, processes)
    if as_json:
        typer.echo(json.dumps(as_dictionary(found, size, fit), indent=2))
    else:
        console = Console()
        console.show(memory_table(found))
        console.say(summary(found))
        if size is not None:
            console.say(verdict(found, size, fit))
    if not fits:
        raise typer.Exit(1)


for verb in (launch, check, replay, judge, score):
    app.command()(verb)
app.command(context_settings=OPTIONS_OF_ITS_OWN)(serve)
app.add_typer(recipes, name="recipes")
app.add_typer(data, name="data")


def main() -> None:
    """Run the command; a user's mistake is one line and exit code 2. What there is to say of going on follows it."""
    try:
        app()
    except ToldError:
        sys.exit(2)
    except UserError as error:
        typer.echo("\n".join([f"error: {error}", *getattr(error, "__notes__", ())]), err=True)
        sys.exit(2)
    except RankError as error:
        typer.echo("\n".join([f"stopped: {error}", *getattr(error, "__notes__", ())]), err=True)
        sys.exit(4)
