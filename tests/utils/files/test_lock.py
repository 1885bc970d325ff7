"""A folder has one owner at a time, which a killed process no longer is."""

import os
import re
import socket
import subprocess
import sys
import threading
import time

import pytest

from tests.helpers import ROOT
from utils.errors import UserError
from utils.files.lock import FolderInUseError, is_locked, locked
from utils.files.writing import make_temporary

pytestmark = pytest.mark.quick

HOLDS = """
import sys, time
from pathlib import Path
from utils.files.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""

COUNTS = """
import sys
from pathlib import Path
from utils.files.lock import locked
for _ in range(20):
    with locked(Path(sys.argv[1]), wait=60):
        file = Path(sys.argv[1], "count")
        file.write_text(str(int(file.read_text()) + 1))
"""


def start(code, folder):
    command = [sys.executable, "-c", code, str(folder)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_a_second_process_is_refused_with_the_first_until_that_is_killed(tmp_path):
    with start(HOLDS, tmp_path) as holder:
        assert holder.stdout.readline() == "held\n"
        left = make_temporary(tmp_path / "state.npz")
        who = rf"process {holder.pid} on {re.escape(socket.gethostname())} since \d{{4}}-\d\d-\d\d "
        with (
            pytest.raises(FolderInUseError, match=rf"^{re.escape(str(tmp_path))}: in use by {who}"),
            locked(tmp_path),
        ):
            pass
        assert left.exists(), "it may be one of the first process"
        holder.kill()
        holder.wait()
    with locked(tmp_path):
        assert not left.exists()
    assert list(tmp_path.iterdir()) == []


def test_waiting_ends_with_the_time_or_with_the_lock(tmp_path, capsys):
    with start(HOLDS, tmp_path) as holder:
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(FolderInUseError, match=r"; gave up after 0\.2 s$"),
            locked(tmp_path, 0.2),
        ):
            pass
        threading.Timer(0.3, holder.kill).start()
        with locked(tmp_path, wait=60):
            pass
    assert f"in use by process {holder.pid}" in capsys.readouterr().out


def test_only_one_of_many_processes_is_in_the_block(tmp_path):
    (tmp_path / "count").write_text("0")
    processes = [start(COUNTS, tmp_path) for _ in range(4)]
    for process in processes:
        with process:
            assert process.wait(120) == 0
    assert (tmp_path / "count").read_text() == "80"
    assert [path.name for path in tmp_path.iterdir()] == ["count"]


def test_another_lock_of_the_same_process_is_refused_too(tmp_path):
    with (
        locked(tmp_path),
        pytest.raises(FolderInUseError, match=f"process {os.getpid()} "),
        locked(tmp_path),
    ):
        pass
    with locked(tmp_path):
        pass


@pytest.mark.parametrize("error", [None, UserError, KeyboardInterrupt])
def test_a_new_folder_stays_only_if_something_was_written(tmp_path, error):
    for written in (False, True):
        folder = tmp_path / "new"
        try:
            with locked(folder):
                if written:
                    (folder / "file").touch()
                if error:
                    raise error
        except (UserError, KeyboardInterrupt):
            pass
        assert folder.exists() == written
    with locked(tmp_path / "new"):
        pass
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file"]


def test_an_empty_folder_that_existed_stays(tmp_path):
    with locked(tmp_path):
        assert time.strftime("%Y-") in (tmp_path / ".owner").read_text()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_reported(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(UserError, match=r"file/run: cannot be written: .*directory: [^;]*$"),
        locked(tmp_path / "file/run"),
    ):
        pass
    with (
        pytest.raises(UserError, match=r"file/run: cannot be written: .*; name another --run$"),
        locked(tmp_path / "file/run", otherwise="name another --run"),
    ):
        pass


def test_a_file_system_without_locks_is_reported_and_used(tmp_path, monkeypatch, capsys):
    def no_locks(self, timeout):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("filelock.FileLock.acquire", no_locks)
    with locked(tmp_path):
        (tmp_path / "file").touch()
    assert capsys.readouterr().out == (
        f"{tmp_path}: its file system has no locks; start no second process there\n"
    )


def test_whether_another_process_owns_a_folder_is_known(tmp_path):
    assert not is_locked(tmp_path)
    assert not is_locked(tmp_path / "missing")
    with start(HOLDS, tmp_path) as holder:
        assert holder.stdout.readline() == "held\n"
        assert is_locked(tmp_path)
        holder.kill()
        holder.wait()
    assert (tmp_path / ".lock").exists(), "it was killed"
    assert not is_locked(tmp_path)
    with locked(tmp_path):  # looking has taken nothing
        assert is_locked(tmp_path)
    assert not is_locked(tmp_path)
