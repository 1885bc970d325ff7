"""The three rooms and the direction of imports, and commands that answer without a network."""

import ast
import os
import subprocess
import sys

import pytest

from tests.helpers import ROOT

SCRIPTS = sorted(path.stem for path in ROOT.glob("*.py"))
COMMANDS = [*SCRIPTS, "yolo4.convert", "yolo4.export"]
ROOMS = ("nets", "utils", "yolo4")
MODULES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
BACKENDS = {"tensorflow", "jax", "torch"}
OURS = {*ROOMS, *SCRIPTS, "tests", "benchmarks"}
# What a file of each room may import of the project's own.
MAY_IMPORT = {
    "scripts": {"yolo4", "train"},  # compare.py trains as train.py is set
    "yolo4": {"yolo4", "nets", "utils"},
    "nets": {"nets"},
    "utils": {"utils"},
}
# The files that know the backend.
OF_THE_BACKEND = {ROOT / "nets" / name for name in ("compiled.py", "fused.py")}
# Processor time of a command, as a multiple of what the light libraries that it may use take.
ANSWERS_WITHIN = 5
LIGHT = "numpy, tqdm, tyro"
HEAVY = [*sorted(BACKENDS), "keras", "cv2", "PIL", "matplotlib"]
WITHOUT_HEAVY = """
import time
try:
    RUN(sys.argv[0], run_name="__main__")
finally:
    heavy = {name.split(".")[0] for name in sys.modules} & set(HEAVY)
    with open(REPORT, "w") as file:
        file.write(" ".join([str(time.process_time()), *sorted(heavy)]))
"""


def imports_of(tree, module_level=False):
    """Top names of the packages that a file imports, all or those that run on import."""
    nodes = list(ast.iter_child_nodes(tree))
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import hides which room it reaches into"
            yield node.module.split(".")[0]
        inner = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if not (module_level and inner):
            nodes += ast.iter_child_nodes(node)


def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def room_of(path):
    return path.relative_to(ROOT).parts[0] if path.parent != ROOT else "scripts"


def name_of(path):
    return path.relative_to(ROOT).as_posix()


EVERY_FILE = pytest.mark.parametrize(
    "path", [*MODULES, *(ROOT / f"{script}.py" for script in SCRIPTS)], ids=name_of
)


@pytest.mark.parametrize(
    ("code", "everything", "module_level"),
    [
        ("import a.b, c", {"a", "c"}, {"a", "c"}),
        ("from a.b import c", {"a"}, {"a"}),
        ("def f():\n    import a", {"a"}, set()),
        ("class C:\n    import a\n    def f(self):\n        import b", {"a", "b"}, {"a"}),
        ("if x:\n    try:\n        import a\n    finally:\n        pass", {"a"}, {"a"}),
    ],
)
def test_the_walk_sees_every_import(code, everything, module_level):
    tree = ast.parse(code)
    assert set(imports_of(tree)) == everything
    assert set(imports_of(tree, module_level=True)) == module_level


def test_all_rooms_are_looked_at():
    assert {room_of(path) for path in MODULES} == set(ROOMS)
    assert {"train", "predict", "get_map"} <= set(SCRIPTS)


@EVERY_FILE
def test_imports_point_one_way(path):
    reached = OURS & set(imports_of(parse(path)))
    assert reached <= MAY_IMPORT[room_of(path)]


@pytest.mark.parametrize("path", sorted((ROOT / "nets").rglob("*.py")), ids=name_of)
def test_nets_is_keras_and_the_standard_library(path):
    allowed = {"nets", "keras", *sys.stdlib_module_names}
    allowed |= {"tensorflow", "jax"} if path in OF_THE_BACKEND else set()
    assert set(imports_of(parse(path))) <= allowed


@pytest.mark.parametrize("path", sorted((ROOT / "utils").rglob("*.py")), ids=name_of)
def test_utils_knows_no_network(path):
    assert not {"keras", *BACKENDS} & set(imports_of(parse(path)))


@EVERY_FILE
def test_no_file_imports_a_backend_on_import(path):
    assert not BACKENDS & set(imports_of(parse(path), module_level=True))


@pytest.fixture(scope="module")
def seconds_of_light_libraries():
    """Processor time of a fresh interpreter that imports them, the least of three."""
    code = f"import time, {LIGHT}; print(time.process_time())"
    command = [sys.executable, "-c", code]
    return min(float(subprocess.check_output(command, text=True)) for _ in range(3))


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("flag", "status"), [("--help", 0), ("--no-such-flag", 2)])
def test_help_and_usage_errors_answer_with_nothing_heavy(
    tmp_path, command, flag, status, seconds_of_light_libraries
):
    is_script = command in SCRIPTS
    argv = [str(ROOT / f"{command}.py") if is_script else command, flag]
    run, report = "run_path" if is_script else "run_module", tmp_path / "report"
    values = f"sys.argv, REPORT, HEAVY, RUN = {argv!r}, {str(report)!r}, {HEAVY!r}, runpy.{run}"
    code = f"import runpy, sys; {values}{WITHOUT_HEAVY}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == status, done.stderr
    assert flag in (done.stdout if status == 0 else done.stderr)
    seconds, *heavy = report.read_text().split()
    assert heavy == []
    assert float(seconds) < ANSWERS_WITHIN * seconds_of_light_libraries
