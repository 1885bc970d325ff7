"""Ctrl-C and SIGTERM end a program in time, with its message and its status."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.helpers import ROOT
from tests.helpers.processes import limit
from utils.process.signals import Terminated, explained_interruption

pytestmark = [
    pytest.mark.quick,
    pytest.mark.skipif(os.name == "nt", reason="signals"),
]

# What the program does when it is signaled.
WAITS = "time.sleep(600)"
COMPUTES_IN_C = "hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)"  # without the lock of Python
SWALLOWS = """
    while True:
        with contextlib.suppress(BaseException): time.sleep(600)"""
HANGS_AT_ITS_END = """
    threading.Thread(target=time.sleep, args=(600,)).start()
    time.sleep(600)"""

SCRIPT = """
import contextlib, hashlib, signal, sys, threading, time
from utils.process import signals
from yolo4.cli import clean_exit
signals.GRACE = 0.3
with clean_exit(), signals.answered_signals(), signals.explained_interruption(lambda: "go on so"):
    {setup}
    print("begun", flush=True)
    {act}
print("done")
"""


def signaled(act, number, setup=""):
    """Status, standard error and seconds of a program that receives a signal while it acts."""
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(act=act, setup=setup)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "begun\n"
        start = time.monotonic()
        process.send_signal(number)
        _, error = process.communicate(timeout=60)
        return process.returncode, error, time.monotonic() - start


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("act", [WAITS, COMPUTES_IN_C, SWALLOWS, HANGS_AT_ITS_END])
def test_the_program_ends_in_time_with_its_message_once(act, number):
    status, error, seconds = signaled(act, number)
    assert (status, error) == (128 + number, "go on so\n")
    assert seconds < limit(5)


def test_a_signal_that_is_answered_otherwise_ends_nothing():
    excuse = "signal.signal(signal.SIGINT, lambda number, frame: signals.excuse(number))"
    status, error, seconds = signaled("time.sleep(1)", signal.SIGINT, excuse)
    assert (status, error) == (0, "")
    assert seconds > 0.9


def test_the_innermost_explanation_and_the_signal_are_kept():
    with (
        pytest.raises(Terminated, match=r"^inner$"),
        explained_interruption(lambda: "outer"),
        explained_interruption(lambda: "inner"),
    ):
        raise Terminated
