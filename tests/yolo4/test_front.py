"""The front of the package: its public names, and `python -m yolo4`."""

import ast
import subprocess
import sys
import tomllib

import pytest

import yolo4
from tests.helpers import ROOT
from yolo4.__main__ import COMMANDS
from yolo4.config import Config

pytestmark = pytest.mark.quick


@pytest.mark.parametrize("name", yolo4.__all__)
def test_every_public_name_is_there(name):
    value = getattr(yolo4, name)
    assert value.__name__ == name
    assert value.__doc__
    assert getattr(yolo4, name) is value


def test_public_names_are_listed():
    assert set(yolo4.__all__) | {"__version__"} <= set(dir(yolo4))
    assert yolo4.Config is Config


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"module 'yolo4' has no attribute 'detect'"):
        _ = yolo4.detect


def test_type_checkers_see_the_same_names():
    stub = ast.parse((ROOT / "yolo4" / "__init__.pyi").read_text())
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    found = {alias.name: node.module for node in imports for alias in node.names}
    assert found == {name: yolo4._MODULES[name] for name in yolo4.__all__}
    for package in ("nets", "utils", "yolo4"):
        assert (ROOT / package / "py.typed").is_file()


def test_the_version_is_stated_once():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "yolo4.__version__"}
    assert yolo4.__version__.count(".") == 2


def call(*arguments):
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True
    )


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_without_a_command_all_commands_are_listed(arguments):
    done = call("yolo4", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.strip() for line in done.stdout.splitlines()]
    for command, description in COMMANDS.items():
        assert any(line.startswith(command) and line.endswith(description) for line in lines)
    scripts = {path.name for path in ROOT.glob("*.py")}
    assert {c.split()[1] for c in COMMANDS if c.endswith(".py")} == scripts


def test_an_unknown_command_is_one_line_with_the_known_ones():
    done = call("yolo4", "exprot", "--run", "x")
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: unknown command 'exprot'; ")
    assert all(command in line for command in COMMANDS)


@pytest.mark.parametrize("command", ["data", "runs", "demo", "convert", "export"])
def test_the_help_of_a_command_names_how_it_is_called(command):
    done = call("yolo4", command, "--help")
    assert done.returncode == 0
    assert f"usage: python -m yolo4 {command} " in done.stdout


@pytest.mark.parametrize("command", ["convert", "export"])
def test_the_former_form_of_a_command_names_the_new_one(command):
    done = call(f"yolo4.{command}", "--help")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.endswith(f": use python -m yolo4 {command}")
