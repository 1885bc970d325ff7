"""The imports of the project's files, read from their source."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.helpers import ROOT

PACKAGES = ("nets", "utils", "yolo4")
# What `yolo4.cli.run_command` imports.
_TARGET = re.compile(rf"({'|'.join(PACKAGES)})(\.\w+)+:\w+")


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports_of(tree: ast.AST, module_level: bool = False) -> Iterator[str]:
    """Dotted names that a file imports: all, or those that are imported when it is."""
    nodes = list(ast.iter_child_nodes(tree))
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import hides which package it reaches into"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif not module_level and _is_target(node):
            yield node.value.split(":")[0]
        in_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if not (module_level and in_function):
            nodes += ast.iter_child_nodes(node)


def _is_target(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and _TARGET.fullmatch(str(node.value)) is not None


def packages_of(tree: ast.AST, module_level: bool = False) -> set[str]:
    """Top names of what a file imports."""
    return {name.split(".")[0] for name in imports_of(tree, module_level)}


def name_of(path: Path) -> str:
    """The dotted name of a module; a package's `__init__.py` has the package's name."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {
    name_of(path): path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))
}


@cache
def imported_modules(path: Path) -> frozenset[str]:
    """The project's modules that a file imports anywhere in it, in functions too."""
    return frozenset(name for name in imports_of(parse(path)) if name in MODULES)


def reached_from(*paths: Path) -> set[str]:
    """The project's modules that files import, directly or through others; packages left out."""
    reached, waiting = set(paths), list(paths)
    while waiting:
        for name in imported_modules(waiting.pop()):
            if MODULES[name] not in reached:
                reached.add(MODULES[name])
                waiting.append(MODULES[name])
    return {name_of(path) for path in reached if path.name != "__init__.py"}


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """The sets of nodes that reach each other."""

    def reach(start: str) -> set[str]:
        found, waiting = set(), [start]
        while waiting:
            new = graph.get(waiting.pop(), set()) - found
            found |= new
            waiting += new
        return found

    reached = {node: reach(node) for node in graph}
    groups = {
        frozenset(other for other in reached[node] if node in reached.get(other, ()))
        for node in graph
        if node in reached[node]
    }
    return [set(group) for group in groups]
