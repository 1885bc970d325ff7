"""The marks of the tests: the quick ones cover every room, and no test is both quick and slow."""

import ast

import pytest

from tests.helpers import ROOT
from tests.helpers.imports import parse

pytestmark = pytest.mark.quick

MARKS = {"quick", "slow"}
FILES = sorted(path for path in (ROOT / "tests").rglob("test_*.py"))
# Whole commands take too long to be quick.
ROOMS = sorted({path.parent for path in FILES} - {ROOT / "tests" / "end_to_end"})


def marks_in(nodes):
    """The marks that expressions name: `pytest.mark.quick` is `{"quick"}`."""
    named = (node for root in nodes for node in ast.walk(root) if isinstance(node, ast.Attribute))
    return {name.attr for name in named} & MARKS


def marks_of_tests(tree, inherited=frozenset()):
    """The marks of each test of a module or class, its own and those of what it stands in."""
    of_all = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
    ]
    inherited = inherited | marks_in(of_all)
    found = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            found |= marks_of_tests(node, inherited | marks_in(node.decorator_list))
        elif isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            found[node.name] = inherited | marks_in(node.decorator_list)
    return found


def test_the_walk_sees_marks_of_modules_classes_tests_and_parameters():
    tree = ast.parse(
        "pytestmark = pytest.mark.quick\n"
        "def test_a(): pass\n"
        "@pytest.mark.parametrize('x', [1, pytest.param(2, marks=pytest.mark.slow)])\n"
        "def test_b(): pass\n"
    )
    assert marks_of_tests(tree) == {"test_a": {"quick"}, "test_b": {"quick", "slow"}}
    tree = ast.parse(
        "@pytest.mark.slow\nclass TestC:\n    def test_d(self): pass\ndef test_e(): pass\n"
    )
    assert marks_of_tests(tree) == {"test_d": {"slow"}, "test_e": set()}


@pytest.mark.parametrize("folder", ROOMS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_room_has_quick_tests(folder):
    tests = [marks_of_tests(parse(path)) for path in folder.glob("test_*.py")]
    assert any("quick" in marks for found in tests for marks in found.values())


def test_no_test_is_both_quick_and_slow():
    both = {
        f"{path.relative_to(ROOT)}::{name}"
        for path in FILES
        for name, marks in marks_of_tests(parse(path)).items()
        if marks == MARKS
    }
    assert both == set()
