"""A full disk is noticed where the library that writes is silent."""

import errno
import os
import subprocess
import sys

import pytest

from tests.helpers import ROOT
from utils.files.space import written_by_library

pytestmark = pytest.mark.quick

LIMITED = """
import resource
from pathlib import Path
from utils.files.space import written_by_library
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
with written_by_library(Path("x"), Path("named")):
    WRITE
"""


def test_what_was_written_stays_as_it_is(tmp_path):
    file, folder = tmp_path / "file", tmp_path / "folder"
    with written_by_library(file):
        file.write_bytes(b"content")
    with written_by_library(folder):
        (folder / "sub").mkdir(parents=True)
        (folder / "sub" / "a").write_bytes(b"longer content")
        (folder / "b").write_bytes(b"content")
    with written_by_library(tmp_path / "nothing"):
        pass
    contents = sorted(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert contents == [b"content", b"content", b"longer content"]


def test_an_error_of_the_library_on_a_disk_that_is_not_full_is_raised(tmp_path):
    def fail():
        (tmp_path / "file").touch()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), written_by_library(tmp_path / "file"):
        fail()


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of this kind")
@pytest.mark.parametrize(
    "write",
    [
        "Path('x').write_bytes(bytes(100_000))",  # as a library that ignores a short write
        "Path('x').write_bytes(bytes(99_000))",
        "Path('x').mkdir(); Path('x/a').write_bytes(bytes(100_000)); Path('x/b').touch()",
        "Path('x').write_bytes(bytes(100_000)); raise ZeroDivisionError",
        "Path('x').write_bytes(bytes(99)); raise RuntimeError('x/part; File too large [Op]')",
    ],
)
def test_a_full_disk_is_an_error_with_the_name_of_the_file(tmp_path, write):
    code = LIMITED.replace("WRITE", write)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    last = done.stderr.strip().splitlines()[-1]
    assert last == f"OSError: [Errno {errno.EFBIG}] {os.strerror(errno.EFBIG)}: 'named'"
    sizes = {path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()}
    assert max(sizes) in (99, 99_000, 100_000)
