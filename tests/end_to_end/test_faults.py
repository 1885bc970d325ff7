"""Commands that are signaled, killed or started twice."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import psutil
import pytest

from tests.helpers import ROOT
from tests.helpers.processes import assert_gone, limit
from tests.helpers.report_page import Page
from yolo4.run import Run
from yolo4.sample_data.make import make_sample_data
from yolo4.train.state.progress import load_progress

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals")

START = 300  # seconds; a command begins its work sooner on any machine
DEADLINE = 5  # seconds from a signal to the end, on a machine without other work
SETTINGS = [
    "--width",
    "0.05",
    "--depth",
    "0.1",
    "--input-size",
    "64",
    "--batch-size",
    "2",
    "--epochs",
    "1000",
]
MEASURED = [*SETTINGS, "--eval-period", "1", "--ema", "None"]  # after each epoch
SETTINGS += ["--eval-period", "1000", "--ema", "None"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "set"
    return ["--data", str(make_sample_data(folder, train=6, val=2, test=2, size=96))]


@contextmanager
def started(*argv):
    """A command in the background, whose processes are ended after the block."""
    process = subprocess.Popen(
        [sys.executable, *map(str, argv)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        for each in [*descendants(process), process]:
            each.kill()
        process.stdout.close()
        process.wait()


def descendants(process):
    if process.poll() is not None:
        return []
    return psutil.Process(process.pid).children(recursive=True)


def wait_for(process, text):
    """Read what the command prints until a line has this text."""
    printed = ""
    for line in process.stdout:
        printed += line
        if text in line:
            return
    raise AssertionError(f"ended without {text!r}: {printed}")


def end_with(process, number):
    """Signal the main process alone; its status and what it still prints."""
    processes = descendants(process)
    process.send_signal(number)
    status = process.wait(limit(DEADLINE))
    assert_gone(processes, seconds=1)
    return status, process.stdout.read()


def refused(*argv):
    done = subprocess.run(
        [sys.executable, *map(str, argv)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    return done.stderr


def test_a_run_folder_has_one_owner_and_sigterm_says_how_to_resume(data, tmp_path):
    run = Run(tmp_path / "run")
    train = ["train.py", *data, *MEASURED, "--run-dir", run.folder]
    with started(*train, "--workers", 5) as process:  # processes rather than threads
        wait_for(process, "epoch    2/")  # so the page of the first is there
        owner = (
            rf"error: {re.escape(str(run.folder))}: in use by process {process.pid} on \S+ since "
        )
        for second in (train, ["train.py", "--resume", run.folder]):
            assert re.fullmatch(owner + ".*\n", refused(*second))
        assert len(descendants(process)) >= 5
        status, printed = end_with(process, signal.SIGTERM)
    assert status == 143
    message = printed.strip().splitlines()[-1]
    assert re.fullmatch(
        rf"stopped; everything up to the end of epoch (\d+) is saved. Resume with: "
        rf"python train.py --resume {re.escape(str(run.folder))}",
        message,
    )
    assert load_progress(run.state_file).epoch == int(re.search(r"\d+", message)[0])
    page = Page(run.progress_page.read_text(encoding="utf-8")).text
    assert f"; {message.removeprefix('stopped; ')}" in page.split("Interrupted at ")[1]
    assert re.fullmatch(r"error: .* this folder holds config\.json .*\n", refused(*train))
    assert not list(run.folder.glob(".*"))


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_a_training_that_compiles(data, tmp_path, number, status):
    with started("train.py", *data, *SETTINGS, "--run-dir", tmp_path / "run") as process:
        wait_for(process, "compiled by XLA")
        time.sleep(2)
        found, printed = end_with(process, number)
    assert found == status
    assert printed.count("stopped") == 1
    assert "begins it again" in printed or "--resume" in printed


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_comparison_takes_its_training_along(data, tmp_path, number):
    compare = ["compare.py", *data, *SETTINGS, "--max-seeds", 1, "--output", tmp_path / "study"]
    with started(*compare) as process:
        wait_for(process, "compiled by XLA")
        assert "in use by process" in refused(*compare)
        training = [each for each in descendants(process) if "spawn_main" in str(each.cmdline())]
        assert len(training) == 1
        status, printed = end_with(process, number)
    assert_gone(training, seconds=1)
    if number == signal.SIGKILL:
        assert status == -number
    else:
        assert status == 128 + number
        assert printed == "\nstopped; the same command continues from what was saved last\n"
