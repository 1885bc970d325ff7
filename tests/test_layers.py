"""The layers: which file may import which, and commands that answer without a network."""

import ast
import os
import subprocess
import sys

import pytest

from tests.helpers import ROOT
from tests.helpers.imports import (
    MODULES,
    PACKAGES,
    circles,
    imported_modules,
    imports_of,
    packages_of,
    parse,
    reached_from,
)

pytestmark = pytest.mark.quick

SCRIPTS = sorted(path.stem for path in ROOT.glob("*.py"))
COMMANDS = [*SCRIPTS, "yolo4 data", "yolo4 runs", "yolo4 demo", "yolo4 convert", "yolo4 export"]
BACKENDS = {"tensorflow", "jax", "torch"}
OURS = {*PACKAGES, *SCRIPTS, "tests", "benchmarks"}
# Which of the project's packages and scripts each layer may import.
MAY_IMPORT = {
    "scripts": {"yolo4", "train"},  # compare.py trains with the settings of train.py
    "yolo4": {"yolo4", "nets", "utils"},
    "nets": {"nets"},
    "utils": {"utils"},
}
# The files that may use the backend.
OF_THE_BACKEND = {ROOT / "nets" / name for name in ("compiled.py", "batch_norm.py")}
# The rooms of `yolo4` that do what a person asks for, and which of one another they may import.
VERBS = {
    "train": set(),
    "predict": set(),
    "evaluate": set(),
    "compare": {"train", "evaluate"},
    "export": set(),
    "convert": set(),
    "data": set(),
    "runs": set(),
    "demo": {"predict"},
}
NOT_FOR_TRAINING = ("yolo4.inference", "yolo4.formats", "yolo4.export", "yolo4.evaluate")
MOST_MODULES_OF_A_TRAINING = 170
MOST_LOOSE_FILES = 12
MOST_LOOSE_FILES_OF_YOLO4 = 9
ANSWERS_WITHIN = 2.0  # seconds of processor time
HEAVY = [*sorted(BACKENDS), "keras", "cv2", "PIL", "matplotlib", "gradio"]
WITHOUT_HEAVY = """
import time
try:
    RUN(sys.argv[0], run_name="__main__")
finally:
    heavy = {name.split(".")[0] for name in sys.modules} & set(HEAVY)
    with open(REPORT, "w") as file:
        file.write(" ".join([str(time.process_time()), *sorted(heavy)]))
"""


def layer_of(path):
    return path.relative_to(ROOT).parts[0] if path.parent != ROOT else "scripts"


def path_of(path):
    return path.relative_to(ROOT).as_posix()


def room_of(module):
    """The room or loose file of `yolo4` that a module belongs to, as "yolo4.x"; else its package.

    The front, `yolo4` and `yolo4.__main__`, is above all rooms.
    """
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "yolo4" else parts[0]


def room_imports():
    """For each room the other rooms that its files import."""
    found = {}
    for name, path in MODULES.items():
        room = room_of(name)
        others = {room_of(imported) for imported in imported_modules(path)} - {room, "yolo4"}
        found.setdefault(room, set()).update(others)
    return found


EVERY_FILE = pytest.mark.parametrize(
    "path", [*MODULES.values(), *(ROOT / f"{script}.py" for script in SCRIPTS)], ids=path_of
)


@pytest.mark.parametrize(
    ("code", "everything", "module_level"),
    [
        ("import a.b, c", {"a", "c"}, {"a", "c"}),
        ("from a.b import c", {"a"}, {"a"}),
        ("def f():\n    import a", {"a"}, set()),
        ("class C:\n    import a\n    def f(self):\n        import b", {"a", "b"}, {"a"}),
        ("if x:\n    try:\n        import a\n    finally:\n        pass", {"a"}, {"a"}),
        ("run('yolo4.train.command:train')", {"yolo4"}, set()),
        ("run('yolo4.train.command')", set(), set()),
    ],
)
def test_the_walk_sees_every_import(code, everything, module_level):
    tree = ast.parse(code)
    assert packages_of(tree) == everything
    assert packages_of(tree, module_level=True) == module_level


def test_the_walk_sees_modules_and_what_they_reach():
    assert set(imports_of(ast.parse("from a.b import c, d"))) == {"a.b", "a.b.c", "a.b.d"}
    assert "yolo4.options" in imported_modules(MODULES["yolo4.cli"])
    reached = reached_from(ROOT / "predict.py")
    assert {"predict", "yolo4.cli", "yolo4.predict.command", "utils.errors"} <= reached
    assert "yolo4.inference.detector" in reached


def test_the_search_for_circles_finds_them():
    chain = {"a": {"b"}, "b": {"c"}, "c": set()}
    assert circles(chain) == []
    assert circles(chain | {"c": {"b"}}) == [{"b", "c"}]
    assert circles(chain | {"c": {"a"}}) == [{"a", "b", "c"}]


def test_all_layers_are_looked_at():
    assert {layer_of(path) for path in MODULES.values()} == set(PACKAGES)
    assert {"train", "predict", "get_map", "compare"} <= set(SCRIPTS)
    assert {f"yolo4.{verb}.command" for verb in VERBS} <= set(MODULES)


@EVERY_FILE
def test_imports_point_one_way(path):
    reached = OURS & packages_of(parse(path))
    assert reached <= MAY_IMPORT[layer_of(path)]


@pytest.mark.parametrize("path", sorted((ROOT / "nets").rglob("*.py")), ids=path_of)
def test_nets_is_keras_and_the_standard_library(path):
    allowed = {"nets", "keras", *sys.stdlib_module_names}
    allowed |= {"tensorflow", "jax"} if path in OF_THE_BACKEND else set()
    assert packages_of(parse(path)) <= allowed


@pytest.mark.parametrize("path", sorted((ROOT / "utils").rglob("*.py")), ids=path_of)
def test_utils_knows_no_network(path):
    assert not {"keras", *BACKENDS} & packages_of(parse(path))


@EVERY_FILE
def test_no_file_imports_a_backend_on_import(path):
    assert not BACKENDS & packages_of(parse(path), module_level=True)


def test_no_modules_import_each_other():
    assert (
        circles({name: set(imported_modules(path)) - {name} for name, path in MODULES.items()})
        == []
    )


def test_no_rooms_import_each_other():
    assert circles(room_imports()) == []


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_imports_no_other_verb(verb):
    imported = {name.removeprefix("yolo4.") for name in room_imports()[f"yolo4.{verb}"]}
    assert imported & set(VERBS) <= VERBS[verb]


def test_nothing_below_the_verbs_imports_a_verb():
    verbs = {f"yolo4.{verb}" for verb in VERBS}
    above = {*verbs, "yolo4.__main__"}
    below = {room: imported & verbs for room, imported in room_imports().items()}
    assert {room: found for room, found in below.items() if found and room not in above} == {}


def test_a_training_imports_little():
    reached = reached_from(ROOT / "train.py", MODULES["yolo4.train.command"])
    assert {"yolo4.train.loop", "nets.losses", "utils.annotations.formats.voc.folders"} <= reached
    assert [name for name in sorted(reached) if name.startswith(NOT_FOR_TRAINING)] == []
    assert len(reached) <= MOST_MODULES_OF_A_TRAINING


def test_a_folder_has_few_loose_files():
    counts = {}
    for path in MODULES.values():
        if path.name != "__init__.py":
            counts[path_of(path.parent)] = counts.get(path_of(path.parent), 0) + 1
    assert {folder: n for folder, n in counts.items() if n > MOST_LOOSE_FILES} == {}
    assert len(list((ROOT / "yolo4").glob("*.py"))) <= MOST_LOOSE_FILES_OF_YOLO4


def run_python(code, folder):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True
    )


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("flag", "status"), [("--help", 0), ("--no-such-flag", 2)])
def test_help_and_usage_errors_answer_with_nothing_heavy(tmp_path, command, flag, status):
    is_script = command in SCRIPTS
    argv = [str(ROOT / f"{command}.py"), flag] if is_script else [*command.split(), flag]
    run, report = "run_path" if is_script else "run_module", tmp_path / "report"
    values = f"sys.argv, REPORT, HEAVY, RUN = {argv!r}, {str(report)!r}, {HEAVY!r}, runpy.{run}"
    done = run_python(f"import runpy, sys; {values}{WITHOUT_HEAVY}", tmp_path)
    assert done.returncode == status, done.stderr
    assert flag in (done.stdout if status == 0 else done.stderr)
    seconds, *heavy = report.read_text().split()
    assert heavy == []
    assert float(seconds) < ANSWERS_WITHIN


@pytest.mark.parametrize("command", ["train", "compare"])
def test_data_that_is_not_recognized_is_refused_before_a_backend_is_loaded(tmp_path, command):
    argv, report = [str(ROOT / f"{command}.py"), "--data", str(tmp_path)], tmp_path / "report"
    heavy = [*sorted(BACKENDS), "keras", "matplotlib"]
    values = f"sys.argv, REPORT, HEAVY, RUN = {argv!r}, {str(report)!r}, {heavy!r}, runpy.run_path"
    done = run_python(f"import runpy, sys; {values}{WITHOUT_HEAVY}", tmp_path)
    assert done.returncode == 2
    assert "no data set of a known format: found no files; expected" in done.stderr
    seconds, *loaded = report.read_text().split()
    assert loaded == []
    assert float(seconds) < ANSWERS_WITHIN


def test_the_package_is_imported_at_once_and_without_other_packages(tmp_path):
    code = "import sys; before = set(sys.modules); import yolo4; print(*set(sys.modules) - before)"
    done = run_python(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert {name.split(".")[0] for name in done.stdout.split()} <= {
        "yolo4",
        *sys.stdlib_module_names,
    }
