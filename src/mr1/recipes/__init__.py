"""The recipes that come with MR1, each a YAML file of this folder, known by its name; studies, in `study/`; and what
`mr1 data make` takes, in `data/`.

Those in `methods/`, one for each method, have the folder in their names: `methods/ppo`.
"""

from __future__ import annotations

from pathlib import Path

from mr1.errors import UserError, nearest

FOLDER = Path(__file__).parent
STUDIES = FOLDER / "study"
MAKES = FOLDER / "data"
ENDINGS = (".yaml", ".yml")


def recipe_names(folder: Path = FOLDER) -> list[str]:
    """The names of all that a folder has, sorted."""
    found = [*folder.glob("*.yaml"), *folder.glob("methods/*.yaml")]
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in found)


def is_recipe(what: str | Path) -> bool:
    """Whether this names a recipe: by its name or as a YAML file, which need not exist."""
    return str(what) in recipe_names() or str(what).endswith(ENDINGS)


def find_recipe(what: str | Path, folder: Path = FOLDER) -> Path:
    """The file of a recipe, or of a study.

    Args:
        what: its name, or the path of a file. What names one of MR1's own is that one; `./` before it makes it a path.
        folder: FOLDER for recipes of runs, STUDIES for studies, MAKES for recipes of data.

    Raises:
        UserError: there is no such recipe and no such file.
    """
    kind = "study" if folder == STUDIES else "recipe"
    names, path = recipe_names(folder), Path(what)
    if str(what) in names:
        return folder / f"{what}.yaml"
    if path.is_file():
        return path
    if path.name == str(what) and not path.suffix:
        raise UserError(f"{kind}: there is none of the name '{what}', and no such file{nearest(str(what), names)}")
    if path.stem in names:
        raise UserError(f"{kind}: there is no file {path}; MR1's own {kind} is called by its name, {path.stem}")
    beside = [str(each) for each in sorted(path.parent.glob("*.yaml"))]
    raise UserError(f"{kind}: there is no file {path}{nearest(str(path), beside) if beside else ''}")


def recipe_text(name: str) -> str:
    """What the file of one of MR1's recipes says.

    Raises:
        UserError: there is no recipe of this name.
    """
    if name not in recipe_names():
        raise UserError(f"recipe: there is none of the name '{name}'{nearest(name, recipe_names())}")
    return (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")


def describe(name: str) -> str:
    """One line on a recipe: the first sentence of the comment at its head.

    Raises:
        UserError: there is no recipe of this name.
    """
    lines = recipe_text(name).splitlines()
    head = " ".join(line.removeprefix("#").strip() for line in lines[: _head(lines)])
    return head.partition(". ")[0].rstrip(".")


def _head(lines: list[str]) -> int:
    """How many lines the comment at the head of a file has."""
    return next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))
