"""No regular expression that reads what models or data sets wrote takes long on strings that are made to hurt it."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import time
from collections.abc import Iterator
from random import Random
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from types import ModuleType
from typing import Any

import pytest

import mr1.data
import mr1.judge
import mr1.rewards
from mr1.judge.reading import read
from mr1.judge.verdict import LONGEST_ANSWER

LIMIT = 0.2
"""Seconds of a processor's time for the longest string. A quadratic expression takes a tenth, a cubic one seconds."""
LENGTHS = (*range(8, 40, 4), 100, 200, 500)
"""In small steps at first: an exponential expression is over the limit before it takes minutes."""
CALLS = {"compile": 0, "search": 0, "match": 0, "fullmatch": 0, "split": 0, "findall": 0, "finditer": 0, "sub": 0}


def modules() -> Iterator[ModuleType]:
    for package in (mr1.judge, mr1.rewards, mr1.data):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            yield importlib.import_module(found.name)


def written(module: ModuleType) -> Iterator[re.Pattern[str]]:
    """The expressions in a module's source, whether they are compiled there or where they are used."""
    for call in ast.walk(ast.parse(inspect.getsource(module))):
        if not isinstance(call, ast.Call):
            continue
        name = ast.unparse(call.func)
        if name == "top_level":
            pattern, flags = call.args[1], []
        elif name.startswith("re.") and name[3:] in CALLS:
            pattern = call.args[0]
            flags = [each for each in call.args[1:] if ast.unparse(each).startswith("re.")]
        else:
            continue
        try:
            text, *bits = (eval(compile(ast.Expression(each), "", "eval"), vars(module)) for each in (pattern, *flags))
        except NameError:  # of a variable: what it holds is a constant of the module, or is found below
            continue
        yield re.compile(text, *bits)


def held(value: object) -> Iterator[re.Pattern[str]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, tuple):
        for each in value:
            yield from held(each)


def expressions() -> dict[str, re.Pattern[str]]:
    found: dict[tuple[str, int], tuple[str, re.Pattern[str]]] = {}
    for module in modules():
        for pattern in (*written(module), *(each for value in vars(module).values() for each in held(value))):
            if isinstance(pattern.pattern, str):
                found.setdefault((pattern.pattern, pattern.flags), (module.__name__, pattern))
    return {f"{name}: {pattern.pattern}": pattern for name, pattern in found.values()}


def sample(tree: Any, rng: Random) -> str:
    """A string that a parsed expression accepts, as far as looking around goes."""
    return "".join(_one(operator, argument, rng) for operator, argument in tree)


def _one(operator: Any, argument: Any, rng: Random) -> str:
    if operator is op.LITERAL:
        return chr(argument)
    if operator is op.NOT_LITERAL or operator is op.ANY:
        return rng.choice("a1 ")
    if operator is op.IN:
        return _member(argument, rng)
    if operator is op.BRANCH:
        return sample(rng.choice(argument[1]), rng)
    if operator is op.SUBPATTERN:
        return sample(argument[3], rng)
    if operator is op.ATOMIC_GROUP:
        return sample(argument, rng)
    if operator in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
        low, high, body = argument
        return "".join(sample(body, rng) for _ in range(min(max(low, rng.randint(0, 2)), high)))
    return ""  # what looks around, or refers back


def _member(items: Any, rng: Random) -> str:
    if items[0][0] is op.NEGATE:
        return rng.choice("a1 ")
    operator, argument = rng.choice(items)
    if operator is op.RANGE:
        return chr(rng.randint(*argument))
    if operator is op.LITERAL:
        return chr(argument)
    return {op.CATEGORY_DIGIT: "1", op.CATEGORY_SPACE: " ", op.CATEGORY_WORD: "a"}.get(argument, ";")


def repeats(tree: Any, before: str, rng: Random) -> Iterator[tuple[str, Any]]:
    """Each repetition in a parsed expression, with a string that leads there."""
    for operator, argument in tree:
        if operator in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
            if argument[1] > 8:
                yield before, argument[2]
            yield from repeats(argument[2], before, rng)
        elif operator is op.SUBPATTERN:
            yield from repeats(argument[3], before, rng)
        elif operator is op.ATOMIC_GROUP:
            yield from repeats(argument, before, rng)
        elif operator in (op.ASSERT, op.ASSERT_NOT):
            yield from repeats(argument[1], before, rng)
        elif operator is op.BRANCH:
            for branch in argument[1]:
                yield from repeats(branch, before, rng)
        before += _one(operator, argument, rng)


def attacks(pattern: re.Pattern[str], rng: Random) -> Iterator[tuple[str, str]]:
    """What goes before, and what is repeated: the bodies of the expression's repetitions, and whole matches."""
    tree = parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE)
    for before, body in repeats(tree, "", rng):
        yield before, "".join(sample(body, rng) for _ in range(rng.randint(1, 3)))
    yield "", sample(tree, rng)


def slowest(pattern: re.Pattern[str], before: str, piece: str) -> float:
    """Seconds for the longest string; or for the first that takes too long, so that nothing runs for ever."""
    seconds = 0.0
    for length in LENGTHS:
        text = (before + piece * (length // len(piece) + 1))[:length] + "\x00"
        start = time.process_time()
        pattern.search(text)
        pattern.fullmatch(text)
        seconds = time.process_time() - start
        if seconds > LIMIT:
            break
    return seconds


def hurt(pattern: re.Pattern[str]) -> tuple[str, str, float] | None:
    """What an expression takes too long on."""
    for before, piece in attacks(pattern, Random(0)):
        if piece and (seconds := slowest(pattern, before, piece)) > LIMIT:
            return before, piece, seconds
    return None


@pytest.mark.parametrize("bad", [r"(?:a|a)*b", r"(?:\w+\s?)*;", r"\s*-?\s*\s*\d"])
def test_an_expression_that_can_be_hurt_is_found(bad: str) -> None:
    assert hurt(re.compile(bad)) is not None


def test_no_expression_can_be_hurt() -> None:
    found = expressions()
    assert len(found) > 200
    assert {name: worst for name, pattern in found.items() if (worst := hurt(pattern))} == {}


def test_no_reading_takes_long_on_what_hurts_an_expression() -> None:
    rng = Random(0)
    read("5 cm")  # the first unit reads pint's tables
    for name, pattern in expressions().items():
        for before, piece in (*attacks(pattern, rng),)[:3]:
            text = (before + piece * LONGEST_ANSWER)[: LONGEST_ANSWER - 1] + rng.choice("!)}7a")
            start = time.process_time()
            read(text)
            assert time.process_time() - start < LIMIT, (name, text[:60])
