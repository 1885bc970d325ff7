"""A user number without a name and without a home, as of `docker run -u 54321`."""

import json
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest

from tests.helpers import ROOT
from tests.helpers.made_run import write_run
from tests.helpers.surroundings import errors
from yolo4.sample_data.make import make_sample_data

NUMBER = 54321
# The second one if only this user may read the first.
INTERPRETERS = (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}")

pytestmark = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user"
)


def run_as_nameless(arguments, folder):
    """A finished process of a user without a name, whose home cannot be written."""
    paths = os.pathsep.join((str(ROOT), sysconfig.get_path("purelib")))
    return subprocess.run(
        arguments,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": "/", "PYTHONPATH": paths},
        user=NUMBER,
        group=NUMBER,
        extra_groups=(),
        capture_output=True,
        text=True,
        check=False,
    )


def refusal(done):
    """The one line with which a command ended."""
    assert done.returncode == 2, done.stderr
    (line,) = errors(done.stderr)
    return line.removeprefix("error: ")


@pytest.fixture(scope="module")
def python():
    """An interpreter that every user may run, with the libraries of this one."""
    check = "import os, pwd, sys, tyro; sys.exit(os.getuid() in {u.pw_uid for u in pwd.getpwall()})"
    for interpreter in INTERPRETERS:
        try:
            if run_as_nameless([interpreter, "-c", check], "/").returncode == 0:
                return interpreter
        except OSError:
            continue
    return pytest.skip("no interpreter for other users")


@pytest.fixture(scope="module")
def folder():
    """A folder in which every user may write; those of pytest are for this user alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        make_sample_data(folder / "data", train=3, val=2, test=2, size=96)
        write_run(folder / "run", network="yolov4-tiny-3l", data=(str(folder / "data"),))
        (folder / "a.jpg").symlink_to("data/JPEGImages/test_00000.jpg")
        yield folder


@pytest.fixture
def call(python, folder):
    def call(script, *rest):
        return run_as_nameless([python, ROOT / f"{script}.py", *rest], folder)

    return call


def test_help(call):
    done = call("train", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "--run-dir" in done.stdout


@pytest.mark.parametrize(
    ("script", "rest", "message"),
    [
        ("train", ("--data", "none"), "none: no such file or folder"),
        ("predict", ("a.jpg", "--run", "none"), "none: no such run folder"),
        ("train", ("--data", "data", "--run-dir", "run/new"), "run/new: cannot be written: "),
    ],
)
def test_a_refusal_is_one_line(call, script, rest, message):
    assert refusal(call(script, *rest)).startswith(message)


@pytest.mark.parametrize(
    ("script", "rest", "message"),
    [
        ("train", (), r"logs/.*: cannot be written: .*; name .* with --run-dir"),
        (
            "compare",
            ("--data", "data"),
            r"comparison: cannot be .*; name .* with --output",
        ),
        ("predict", ("a.jpg", "--run", "run"), r"--output output: cannot write there: .*"),
    ],
)
def test_a_folder_that_this_user_may_not_write_to_is_named_with_the_way_out(
    python, folder, script, rest, message
):
    with tempfile.TemporaryDirectory() as mounted:
        Path(mounted).chmod(0o755)
        for name in ("data", "run", "a.jpg"):
            (Path(mounted) / name).symlink_to(folder / name)
        done = run_as_nameless([python, ROOT / f"{script}.py", *rest], mounted)
    assert re.fullmatch(message, refusal(done))


def test_objects_are_found(call, folder):
    done = call("predict", "data/JPEGImages/test_00000.jpg", "--run", "run", "--output", "found")
    assert (done.returncode, errors(done.stderr)) == (0, [])
    (entry,) = json.loads((folder / "found/detections.json").read_text())
    assert len(entry["labels"]) > 0
    assert (folder / "found/test_00000.jpg").stat().st_uid == NUMBER
