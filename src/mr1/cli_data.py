"""The command line's verbs below `mr1 data`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mr1.cli_recipes import complete_make
from mr1.cli_stop import stoppable
from mr1.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image

data = typer.Typer(help="Look at tasks and data.", no_args_is_help=True)


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
    _save_picture(sheet, out, "--out")
    typer.echo(f"{out}: {count} samples of {task}, split {split}")


@data.command("example")
def example(
    folder: Annotated[Path, typer.Argument(help="The folder to write, made where it is missing.")],
    rows: Annotated[int, typer.Option(min=1, help="How many rows.")] = 64,
) -> None:
    """Write a small data set to try your own data with: images, rows in problems.jsonl, chats in chats.jsonl.

    Example: mr1 data example own-data
    """
    from mr1.data.example import write_example

    write_example(folder, rows)
    typer.echo(f"{folder}: problems.jsonl and chats.jsonl, {rows} rows each")


@data.command("make")
def make(
    recipe: Annotated[str, typer.Argument(help="scenes, wethink, or a YAML file.", autocompletion=complete_make)],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings put over the recipe's.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace rows that other settings made; replies of models are kept.")
    ] = False,
) -> None:
    """Make questions and answers about pictures: by models, or of the exact facts of procedural scenes.

    What is answered is kept: a make that was stopped, however it was, goes on when it is started again.

    Examples:

      mr1 data make scenes scenes.count=100

      mr1 data make wethink images.path=photos images.limit=20 vlm.base_url=http://localhost:8000/v1
    """
    from mr1.synthesis.settings import load_make

    with stoppable():
        settings = load_make(recipe, overrides or [])
        from mr1.synthesis.make import make_rows

        made = make_rows(settings, overwrite, typer.echo)
    typer.echo("\n".join([f"{made.file}:", *(f"  {count:>8}  {name}" for name, count in made.counts.items())]))
    if made.calls:
        typer.echo("asked: " + ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in made.calls.items()))
    typer.echo(f"use it: sources.NAME.preset=made sources.NAME.path={made.file}")
    if made.waiting:
        many, first = len(made.waiting), made.waiting[0]
        raise UserError(f"{many} questions got no reply, the first at {first}; started again, they are asked again")


@data.command("check")
def check_data(
    source: Annotated[str, typer.Argument(help="A recipe with sources, a preset such as geometry3k, or a path.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings put over the recipe's or the source's.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Whose prompts to count; a recipe's own where left out.")] = None,
    max_prompt_tokens: Annotated[int | None, typer.Option(min=1, help="Longest prompt allowed.")] = None,
    sheet: Annotated[Path | None, typer.Option(help="A picture of samples to write.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with every unusable row.")] = False,
) -> None:
    """Read all rows of a source, decode all images, count all prompts' tokens. Exits with 1 if a row can't be used.

    Examples:

      mr1 data check own-jsonl --sheet sheet.png

      mr1 data check problems.jsonl columns.answer=solution --model Qwen/Qwen2-VL-2B-Instruct
    """
    from mr1.config import PROMPT, Loading, load_source_settings, read_config
    from mr1.recipes import is_recipe

    config = read_config(source, overrides or []) if is_recipe(source) else None
    sources = config.sources if config else {"data": load_source_settings(source, overrides or [])}
    if not sources:
        raise UserError(f"sources: {source} has none; `mr1 data show` looks at procedural tasks")
    from mr1.data.check import check_split
    from mr1.data.source import load_source, require_answers
    from mr1.models.loading import load_vlm
    from mr1.models.policy import prompt_limit

    tasks = [load_source(name, settings) for name, settings in sources.items()]
    if config:
        for task in tasks:
            require_answers(config, task)
    named = model or (config.model if config else None)
    vlm = load_vlm(named, config.loading if config else Loading(), weights=False) if named else None
    limit = max_prompt_tokens or (prompt_limit(vlm.model.config, config) if vlm else None)
    template, keep = config.prompt if config else PROMPT, 16 if sheet else 0
    found = [check_split(task, split, vlm, limit, template, keep) for task in tasks for split in task.splits]
    if sheet:
        from mr1.report.sheet import contact_sheet

        _save_picture(contact_sheet([sample for _, kept in found for sample in kept][:64], 224), sheet, "--sheet")
    checks = [check for check, _ in found]
    if as_json:
        typer.echo(json.dumps([check.summary() for check in checks], indent=2, ensure_ascii=False))
    else:
        typer.echo("\n".join(line for check in checks for line in check.lines()))
    if any(check.unusable for check in checks):
        raise typer.Exit(1)


def _save_picture(picture: Image, path: Path, option: str) -> None:
    try:
        picture.save(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{option}: {path} can't be written: {error}") from error
