"""Child processes end with their parent, and pass on what they return and raise."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from tests.helpers import ROOT
from tests.helpers.processes import assert_gone
from utils.errors import UserError
from utils.process import children
from utils.process.children import ChildKilledError, call_in_child

pytestmark = pytest.mark.quick

START = 60  # seconds; a process starts sooner on any machine


def refuse(message):
    raise UserError(message)


def pid_and_handlers():
    return os.getpid(), [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


def sleep_and_tell(file):
    file.write_text(str(os.getpid()))
    time.sleep(600)


def wait_for_pid(file):
    end = time.monotonic() + START
    while not (file.exists() and file.read_text()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return int(file.read_text())


def test_a_function_runs_in_another_process_that_leaves_signals_to_its_parent():
    pid, handlers = call_in_child(pid_and_handlers)
    assert pid != os.getpid()
    assert handlers == [signal.SIG_IGN] * 2


def test_errors_are_passed_on_and_unexpected_ones_with_their_traceback():
    with pytest.raises(UserError, match=r"^there: found this$"):
        call_in_child(refuse, "there: found this")
    with pytest.raises(ZeroDivisionError) as caught:
        call_in_child(divmod, 1, 0)
    assert "in the child process:\nTraceback" in "".join(caught.value.__notes__)


def test_a_child_that_ends_without_a_result_is_reported():
    with pytest.raises(ChildKilledError, match="status 7"):
        call_in_child(os._exit, 7)


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_an_interruption_ends_the_child(tmp_path):
    file = tmp_path / "pid"

    def interrupt():
        wait_for_pid(file)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with ThreadPoolExecutor(1) as thread:
            thread.submit(interrupt)
            with pytest.raises(KeyboardInterrupt):
                call_in_child(sleep_and_tell, file)
    finally:
        signal.signal(signal.SIGINT, before)
    assert not psutil.pid_exists(int(file.read_text()))


MULTIPROCESSING = """
from pathlib import Path
from tests.utils.process.test_children import call_in_child, sleep_and_tell
if __name__ == "__main__":
    call_in_child(sleep_and_tell, Path({file!r}))
"""

SUBPROCESS = """
import subprocess, sys
from utils.process.children import lifeline
with lifeline() as stdin:
    subprocess.run([sys.executable, "-c", {code!r}], stdin=stdin)
"""

IN_SUBPROCESS = """
from pathlib import Path
from tests.utils.process.test_children import sleep_and_tell
from utils.process.children import end_with_lifeline
end_with_lifeline()
sleep_and_tell(Path({file!r}))
"""


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("kind", ["multiprocessing", "subprocess"])
def test_a_child_ends_within_a_second_of_its_killed_parent(tmp_path, kind):
    file = tmp_path / "pid"
    if kind == "multiprocessing":
        script = MULTIPROCESSING.format(file=str(file))
    else:
        script = SUBPROCESS.format(code=IN_SUBPROCESS.format(file=str(file)))
    (tmp_path / "script.py").write_text(script)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, str(tmp_path / "script.py")], env=environment) as parent:
        child = psutil.Process(wait_for_pid(file))
        parent.kill()
        parent.wait()
        assert_gone([child], seconds=1)


def test_a_lifeline_ends_with_its_block(tmp_path):
    code = "from utils.process.children import end_with_lifeline as end\nend()\nimport time\n"
    code += "print('begun', flush=True)\ntime.sleep(600)"
    with children.lifeline() as stdin:
        child = subprocess.Popen(
            [sys.executable, "-c", code], cwd=ROOT, stdin=stdin, stdout=subprocess.PIPE
        )
        assert child.stdout.readline() == b"begun\n"
        assert child.poll() is None
    with child:
        assert child.wait(START) == 1
