"""The command line's verbs below `mr1 recipes`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from mr1.errors import UserError
from mr1.recipes import ENDINGS, FOLDER, MAKES, STUDIES, describe, recipe_names, recipe_text

recipes = typer.Typer(help="List the recipes that come with MR1, show one, or copy one to edit it.")


def complete(incomplete: str) -> list[str]:
    """The recipes, folders and YAML files that a word on the command line may be the beginning of."""
    return _complete(incomplete, FOLDER)


def complete_study(incomplete: str) -> list[str]:
    """The same of studies."""
    return _complete(incomplete, STUDIES)


def complete_make(incomplete: str) -> list[str]:
    """The same of recipes of data."""
    return _complete(incomplete, MAKES)


def _complete(incomplete: str, own: Path) -> list[str]:
    folder, beginning = os.path.split(incomplete)
    names = [name for name in recipe_names(own) if name.startswith(incomplete)]
    try:
        paths = [path for path in Path(folder or ".").iterdir() if path.name.startswith(beginning)]
    except OSError:
        return names
    shown = [path for path in sorted(paths) if beginning.startswith(".") or not path.name.startswith(".")]
    files = [os.path.join(folder, path.name) for path in shown if path.suffix in ENDINGS and path.is_file()]  # noqa: PTH118 - as it was typed, `./` too
    return [*names, *files, *(f"{os.path.join(folder, path.name)}/" for path in shown if path.is_dir())]  # noqa: PTH118


def _complete_name(incomplete: str) -> list[str]:
    return [name for name in recipe_names() if name.startswith(incomplete)]


Name = Annotated[str, typer.Argument(help="A recipe's name; `mr1 recipes` lists them.", autocompletion=_complete_name)]


@recipes.callback(invoke_without_command=True)
def list_recipes(context: typer.Context) -> None:
    """List the recipes that come with MR1, show one, or copy one to edit it.

    Examples:

      mr1 recipes

      mr1 recipes copy counting-grpo-d mine.yaml
    """
    if context.invoked_subcommand is None:
        names = recipe_names()
        width = max(map(len, names))
        typer.echo("\n".join(f"{name:{width}}  {describe(name)}" for name in names))


@recipes.command("show")
def show(name: Name) -> None:
    """Print a recipe.

    Example: mr1 recipes show counting-grpo-d
    """
    typer.echo(recipe_text(name), nl=False)


@recipes.command("copy")
def copy(
    name: Name,
    file: Annotated[Path | None, typer.Argument(help="The file to write; NAME.yaml where it is left out.")] = None,
) -> None:
    """Write a recipe into a file of your own, to edit it. A file that exists is left alone.

    Example: mr1 recipes copy counting-grpo-d mine.yaml
    """
    own = f"{Path(name).name}.yaml"
    text, path = recipe_text(name), file or Path(own)
    path = path / own if path.is_dir() else path
    try:
        with path.open("x", encoding="utf-8") as written:
            written.write(text)
    except FileExistsError as error:
        raise UserError(f"{path} exists, and is left alone; name another file") from error
    except OSError as error:
        raise UserError(f"{path} can't be written: {error.strerror}") from error
    typer.echo(f"{path}; run it: mr1 train {path}")
