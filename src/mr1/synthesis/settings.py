"""What `mr1 data make` makes, and of what. What each setting means stands under it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from mr1.config.reading import read_tree
from mr1.config.tree import Name, Positive
from mr1.data.settings import Location, Settings, Text
from mr1.endpoint.settings import Server, check_server
from mr1.errors import UserError, nearest
from mr1.recipes import MAKES, find_recipe
from mr1.tasks import TASKS, load_task

REASONING = "reasoning"
"""The ability that every question needs."""
ABILITIES = ["recognition", "ocr", "knowledge", "generation", "spatial", "math"]
"""MM-Vet's, which WeThink's are in the manner of: by its README and second hand."""


class Images(Settings):
    """Pictures of one's own."""

    path: Annotated[Location, AfterValidator(os.path.expanduser)] | None = None
    """A folder, with all below it, or a pattern such as `photos/*.jpg`; null for none."""
    limit: Positive | None = None
    """The first so many, by their names; null for all."""


class Scenes(Settings):
    """A procedural task's pictures. Without a model, questions are made of what is known of them."""

    task: Text | None = None
    """counting, also with few, some or many objects, or geometry; null for none."""
    split: Text = "train"
    """Of the task's."""
    count: Positive = 100
    """How many."""
    image_size: Annotated[int, Field(ge=56, le=2048)] = 224
    """Side of each picture in pixels."""


class Role(Server):
    """A model that has a part in the pipeline. Its key is the environment's `MR1_ENDPOINT_KEY_VLM` (`_WRITER`,
    `_DECIDER`), or else `MR1_ENDPOINT_KEY`."""

    timeout: Annotated[float, Field(gt=0, le=86_400)] = 300.0
    """Seconds for a reply."""
    cache: Annotated[Location, AfterValidator(os.path.expanduser)] | None = None
    """A folder in which replies are kept, by model, prompt and parameters; null for `replies` in the make's own."""
    temperature: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Of its replies."""
    max_tokens: Positive = 4096
    """Of a reply, at most, thoughts included."""


class Make(Settings):
    """Rows that are to be made."""

    name: Name
    """The folder below `output`."""
    output: Annotated[Location, AfterValidator(os.path.expanduser)] = "made"
    """The folder of the makes' folders."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Of scenes and their questions."""
    images: Images = Images()
    scenes: Scenes = Scenes()
    questions: Annotated[int, Field(ge=1, le=20)] = 3
    """Of each picture, at most."""
    turns: Annotated[int, Field(ge=0, le=10)] = 2
    """How often the writer may ask what the description lacks."""
    abilities: list[Text] = ABILITIES
    """A question needs reasoning and at least one of these."""
    reasoning: bool = True
    """Whether each row gets a short reasoning that ends in its answer."""
    vlm: Role = Role()
    """Sees the picture: describes it, answers questions about it."""
    writer: Role = Role()
    """Reads descriptions: asks what they lack, writes questions and answers them."""
    decider: Role = Role()
    """Sees the picture: answers where the two others differ, and says whether answers in prose agree. Without one, such
    rows are dropped."""

    @property
    def folder(self) -> Path:
        """Of the rows."""
        return Path(self.output) / self.name

    @property
    def asks(self) -> bool:
        """Whether models are asked; else the facts of scenes say it all."""
        return self.images.path is not None or bool(self.roles)

    @property
    def roles(self) -> dict[str, Role]:
        """The models that are named."""
        roles = {"vlm": self.vlm, "writer": self.writer, "decider": self.decider}
        return {name: role for name, role in roles.items() if role.base_url or role.model}


def load_make(what: str | Path, overrides: Sequence[str] = ()) -> Make:
    """Read what is to be made, by its name or its path, and put the overrides (`key=value`) over it.

    Raises:
        UserError: a missing or unreadable file, an unknown key, a wrong type, pictures from nowhere, a role without a
            model.
    """
    make = read_tree(find_recipe(what, MAKES), Make, overrides)
    _check_pictures(make)
    _check_roles(make)
    if REASONING in make.abilities or not make.abilities or len({*make.abilities}) < len(make.abilities):
        raise UserError("abilities: name at least one, each once; reasoning is needed anyway and not among them")
    return make


def _check_pictures(make: Make) -> None:
    path, task = make.images.path, make.scenes.task
    if (path is None) == (task is None):
        raise UserError(
            "images.path: name a folder or a pattern of pictures, or procedural scenes by scenes.task; one of the two"
        )
    pictured = [name for name in TASKS if name != "counting-words"]
    if task is None:
        return
    if task not in pictured:
        raise UserError(f"scenes.task: unknown '{task}'{nearest(task, pictured)}")
    splits = load_task(task).splits
    if make.scenes.split not in splits:
        raise UserError(f"scenes.split: {task} has none of the name '{make.scenes.split}'; it has {', '.join(splits)}")


def _check_roles(make: Make) -> None:
    exact = "; or take scenes.task=counting without models, whose facts are known" if make.images.path else ""
    sees = f"a model has to look at the pictures: set vlm.base_url and vlm.model{exact}" if make.asks else ""
    writes = "a model has to write the questions: set writer.base_url and writer.model" if make.asks else ""
    for name, role, wanted in (("vlm", make.vlm, sees), ("writer", make.writer, writes), ("decider", make.decider, "")):
        check_server(role, name, wanted)
