"""The standard streams: open, in lines, and of any letters."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import ROOT
from yolo4.environment.streams import prepare_streams

pytestmark = pytest.mark.quick

FULL = Path("/dev/full")
PREPARED = "import sys, os\nfrom yolo4.environment.streams import *\nprepare_streams()\n"


def run(code, **settings):
    encoding = {"PYTHONIOENCODING": settings.pop("encoding", "utf-8")}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **encoding},
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **settings},
    )


def test_an_output_file_grows_line_by_line(tmp_path, monkeypatch):
    with (tmp_path / "log").open("w") as log:
        monkeypatch.setattr(sys, "stdout", log)
        prepare_streams()
        print("one line")
        assert (tmp_path / "log").read_text() == "one line\n"


@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        ("ascii", rb"\u044f \xe9 \udcff"),
        ("cp1252", b"\\u044f \xe9 \\udcff"),
        ("cp1251", b"\xff \\xe9 \\udcff"),
        ("utf-8", b"\xd1\x8f \xc3\xa9 \\udcff"),
    ],
)
def test_a_letter_that_the_encoding_lacks_is_escaped(encoding, written):
    code = PREPARED + 'for s in (sys.stdout, sys.stderr): print("\\u044f \\xe9 \\udcff", file=s)'
    done = run(code, encoding=encoding)
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip(b"\r\n") == done.stderr.rstrip(b"\r\n") == written


@pytest.mark.skipif(os.name == "nt", reason="closes descriptors as a POSIX shell does")
def test_a_closed_stream_discards_and_no_file_takes_its_descriptor(tmp_path):
    """Otherwise what a child process prints would be written into the file."""
    code = (
        f"{PREPARED}import subprocess\n"
        f"with open({str(tmp_path / 'file')!r}, 'w') as file:\n"
        "    print('to the screen'); print('an error', file=sys.stderr)\n"
        "    subprocess.run([sys.executable, '-c', 'import os; os.write(1, b\"child\"); "
        'os.write(2, b"child"); os.read(0, 1)\'], check=True)\n'
        "    file.write(str(file.fileno()))\n"
    )
    shell = '"$1" -c "$2" <&- >&- 2>&-'
    done = subprocess.run(["sh", "-c", shell, "sh", sys.executable, code], cwd=ROOT)
    assert done.returncode == 0
    assert int((tmp_path / "file").read_text()) > 2


@pytest.mark.skipif(os.name == "nt", reason="no such signal of a closed pipe")
@pytest.mark.parametrize("closed", [("stdout",), ("stderr",), ("stdout", "stderr")])
def test_output_that_nobody_reads_is_no_error(closed):
    code = (
        "import sys\nfrom yolo4.cli import clean_exit\nwith clean_exit():\n"
        f"    for name in {closed}: print(*range(99), file=getattr(sys, name), flush=True)"
    )
    reader, writer = os.pipe()
    os.close(reader)
    done = run(code, **dict.fromkeys(closed, writer))
    os.close(writer)
    assert (done.returncode, done.stdout or b"", done.stderr or b"") == (1, b"", b"")


@pytest.mark.skipif(not FULL.exists(), reason="no such device")
def test_a_full_disk_under_the_output_is_one_line():
    code = f"{PREPARED}from yolo4.cli import clean_exit\nwith clean_exit(): print('text')"
    with FULL.open("wb") as full:
        done = run(code, stdout=full)
    assert done.returncode == 2
    assert done.stderr == b"error: the output cannot be written: No space left on device\n"
