"""No module of the package needs itself: not at its top, not within a function, not for its types."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import mr1

PACKAGE = Path(mr1.__file__).parent


def _modules() -> dict[str, Path]:
    return {
        ".".join(["mr1", *path.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(".__init__"): path
        for path in PACKAGE.rglob("*.py")
    }


def _needs(path: Path, known: set[str]) -> set[str]:
    """All modules of the package that a module imports anywhere."""
    needs = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: a relative import"
            inside = {f"{node.module}.{alias.name}" for alias in node.names} & known
            needs |= inside | ({node.module} if len(inside) < len(node.names) else set())
        elif isinstance(node, ast.Import):
            needs |= {alias.name for alias in node.names}
    return needs & known


def test_no_import_cycle() -> None:
    modules = _modules()
    assert len(modules) > 100
    graph = {name: _needs(path, {*modules}) - {name} for name, path in modules.items()}
    try:
        order = [*TopologicalSorter(graph).static_order()]
    except CycleError as error:
        raise AssertionError(" -> ".join(error.args[1])) from error
    assert order.index("mr1.types") < order.index("mr1.methods.base") < order.index("mr1.train.loop")
