"""Files are written atomically."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from utils.files.writing import atomic_path, write_atomically

pytestmark = pytest.mark.quick


def test_writes_text_and_bytes_and_makes_folders(tmp_path):
    write_atomically(tmp_path / "a" / "b.txt", "é\n")
    assert (tmp_path / "a" / "b.txt").read_bytes() == b"\xc3\xa9\n"
    write_atomically(tmp_path / "a" / "b.txt", b"\x00")
    assert (tmp_path / "a" / "b.txt").read_bytes() == b"\x00"
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["b.txt"]


def test_an_interruption_keeps_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, "old")

    def interrupt(self, target):
        raise KeyboardInterrupt

    monkeypatch.setattr("pathlib.Path.replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["state.npz", "best.weights.h5", "film.mp4"])
def test_what_a_killed_program_left_is_overwritten_by_the_next_write(tmp_path, name):
    killed = atomic_path(tmp_path / name)
    killed.__enter__().write_text("half of i")
    assert not (tmp_path / name).exists()
    with atomic_path(tmp_path / name) as temporary:
        assert [p.name for p in tmp_path.iterdir()] == [temporary.name] == [f".{name}"]
        temporary.write_text("whole")
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "whole"


def test_model_data_is_in_the_checkout_whatever_the_current_folder_is(tmp_path):
    root = Path(__file__).parents[2]
    code = (
        "from utils.files.writing import MODEL_DATA\n"
        "from yolo4.sample_data.make import SAMPLE_DATA\n"
        "print(MODEL_DATA, SAMPLE_DATA, sep='\\n')"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed.splitlines() == [str(root / "model_data"), str(root / "model_data" / "sample")]
