"""Recipes: YAML that is damaged, deep, large, or says what nothing can be."""

from __future__ import annotations

import random
from pathlib import Path

from benchmarks.fuzz.kinds import WrongError, corpus, mutated, said
from mr1.config import Config, dump_config
from mr1.config.reading import read_config
from mr1.config.walk import keys
from mr1.errors import UserError
from mr1.recipes import FOLDER

WORDS = """
null ~ true .nan .inf -.inf 1e999 -1 0 99999999999999999999 0x10 0o7 1_000 2026-12-01 !!python/object:os.system !!binary
!!set &a *a <<: *b ${name} ${oc.env:HOME} ${a ${${ \\${ {} [] [[ {{ }} : - ? | > % @ ` " ' #
--- ... \t \u2028 é 日本
"""


class Recipes:
    """A recipe is settings, which are written down as the same settings, or a refusal."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "recipe.yaml"
        self.seeds = [path.read_bytes() for path in [*sorted(FOLDER.rglob("*.yaml")), *corpus("recipes")]]
        names = [f"\n{'  ' * depth}{key.split('.')[-1]}: " for key in keys(Config) for depth in (0, 1)]
        words = [*WORDS.split(), *names, "\n", "\n\n  ", "\0", "[" * 2000, "{a: " * 900]
        self.words = [word.encode() for word in words]

    def draw(self, rng: random.Random, _number: int) -> bytes:
        return mutated(rng, self.seeds, self.words)

    def kept(self, file: Path) -> bytes:
        return file.read_bytes()

    def read(self, value: bytes) -> str:
        self.file.write_bytes(value)
        try:
            config = read_config(self.file)
        except UserError as error:
            return said(error)
        self.file.write_text(dump_config(config), encoding="utf-8")
        if read_config(self.file) != config:
            raise WrongError("written down and read again it is another one")
        return "read"
