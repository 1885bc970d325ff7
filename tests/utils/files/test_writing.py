"""Files are written atomically."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers import ROOT
from utils.files.writing import (
    atomic_path,
    make_temporary,
    remove_leftovers,
    temporary_folder,
    write_atomically,
)

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


def path_of(descriptor):
    return Path(f"/proc/self/fd/{descriptor}").readlink()


@pytest.fixture
def calls(monkeypatch):
    """The calls that matter in a power cut, in order: what reaches the disk, and renames."""
    seen, fsync, replace = [], os.fsync, Path.replace

    def traced_fsync(descriptor):
        path = path_of(descriptor)
        seen.append(("fsync", str(path), None if path.is_dir() else path.read_bytes()))
        fsync(descriptor)

    def traced_replace(self, target):
        seen.append(("rename", str(self), str(target)))
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", traced_fsync)
    monkeypatch.setattr(Path, "replace", traced_replace)
    return seen


@pytest.mark.skipif(sys.platform != "linux", reason="descriptors have names in /proc")
class TestPowerCut:
    def test_the_bytes_reach_the_disk_before_the_name_and_the_name_before_the_return(
        self, tmp_path, calls
    ):
        path = tmp_path / "state.npz"
        write_atomically(path, "whole")
        (_, hidden, content), (_, old, new), (_, folder, _) = calls
        assert [name for name, *_ in calls] == ["fsync", "rename", "fsync"]
        assert (hidden, content, new) == (old, b"whole", str(path))
        assert folder == str(tmp_path)

    def test_the_names_of_new_folders_reach_the_disk_too(self, tmp_path, calls):
        write_atomically(tmp_path / "logs" / "run" / "state.npz", "whole")
        flushed = [path for name, path, content in calls if name == "fsync" and content is None]
        assert flushed == [str(tmp_path / "logs/run"), str(tmp_path / "logs"), str(tmp_path)]

    def test_a_failed_write_renames_nothing(self, tmp_path, calls):
        with pytest.raises(TypeError):
            write_atomically(tmp_path / "file", 5)
        assert calls == []

    def test_files_that_are_easily_made_again_do_not_wait(self, tmp_path, calls):
        write_atomically(tmp_path / "picture.png", b"pixels", durable=False)
        assert [name for name, *_ in calls] == ["rename"]
        assert (tmp_path / "picture.png").read_bytes() == b"pixels"

    def test_a_folder_that_cannot_be_flushed_is_no_obstacle(self, tmp_path, monkeypatch):
        fsync = os.fsync

        def files_only(descriptor):
            if path_of(descriptor).is_dir():
                raise OSError(22, "Invalid argument")
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", files_only)
        write_atomically(tmp_path / "file", "whole")
        assert (tmp_path / "file").read_text() == "whole"


@pytest.mark.parametrize("name", ["state.npz", "best.weights.h5", "film.mp4", "no_suffix"])
def test_a_temporary_file_is_hidden_and_has_the_suffixes(tmp_path, name):
    with atomic_path(tmp_path / name) as temporary, atomic_path(tmp_path / name) as other:
        assert temporary != other
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(".")
        assert temporary.name.endswith(name[name.index(".") :] if "." in name else ".tmp")
        assert not (tmp_path / name).exists()
        temporary.write_text("whole")
        other.write_text("whole too")
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "whole"


@pytest.mark.parametrize(
    "name",
    ["n" * 255, "n" * 251 + ".npz", "n." + "s" * 253, "é" * 127, "a. b. " + "c" * 240 + ".h5"],
)
def test_names_of_255_bytes_are_written(tmp_path, name):
    write_atomically(tmp_path / name, "whole")
    assert (tmp_path / name).read_text() == "whole"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="a folder that not even root writes")
def test_an_error_names_the_path_if_the_hidden_file_or_folder_cannot_be_made():
    with pytest.raises(OSError, match="/proc/self/a") as caught:
        write_atomically("/proc/self/a.txt", "text")
    assert caught.value.filename == "/proc/self/a.txt"
    with pytest.raises(OSError, match="/proc/self") as caught, temporary_folder(Path("/proc/self")):
        pass
    assert caught.value.filename == "/proc/self"


def test_an_error_in_a_temporary_folder_names_its_parent_and_other_files_themselves(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, temporary_folder(tmp_path) as folder:
        (folder / "missing" / "a.txt").write_text("text")
    assert caught.value.filename == str(tmp_path)
    with pytest.raises(FileNotFoundError) as caught, temporary_folder(tmp_path):
        (tmp_path / "missing").read_text()
    assert caught.value.filename == str(tmp_path / "missing")
    with pytest.raises(OSError, match="no name"), temporary_folder(tmp_path):
        raise OSError("no name")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need a privilege")
def test_a_symbolic_link_at_the_temporary_name_is_not_followed(tmp_path, monkeypatch):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    monkeypatch.setattr("secrets.token_hex", lambda count: "0" * 2 * count)
    with atomic_path(tmp_path / "a.txt") as temporary:
        pass
    temporary.symlink_to(victim)
    with pytest.raises(FileExistsError):
        write_atomically(tmp_path / "a.txt", "overwritten")
    assert victim.read_text() == "precious"


def left_by_a_killed_program(folder):
    """A temporary file, and a temporary folder with a file."""
    file, made = make_temporary(folder / "state.npz"), temporary_folder(folder)
    subfolder = made.__enter__()
    (subfolder / "model.onnx").write_text("half of i")
    return [file, subfolder], made


def test_leftovers_are_removed_and_nothing_else(tmp_path):
    _left, _program = left_by_a_killed_program(tmp_path)
    names = [".hidden", ".yolov4-notes.tmp", "state.npz", f".yolov4-{'g' * 16}.tmp.npz"]
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    inside = make_temporary(tmp_path / "folder" / "state.npz")
    remove_leftovers(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*names, "folder"])
    assert inside.exists()


def test_in_a_shared_folder_leftovers_are_removed_after_a_day(tmp_path):
    young, _program = left_by_a_killed_program(tmp_path)
    old, _other = left_by_a_killed_program(tmp_path)
    for path in old:
        os.utime(path, (time.time() - 90_000,) * 2)
    remove_leftovers(tmp_path, shared=True)
    assert sorted(tmp_path.iterdir()) == sorted(young)


def test_a_temporary_folder_is_gone_after_the_block(tmp_path):
    with temporary_folder(tmp_path) as folder:
        (folder / "deep").mkdir()
        assert list(tmp_path.iterdir()) == [folder]
    assert list(tmp_path.iterdir()) == []


def test_model_data_is_in_the_checkout_whatever_the_current_folder_is(tmp_path):
    code = (
        "from utils.files.writing import MODEL_DATA\n"
        "from yolo4.sample_data.make import SAMPLE_DATA\n"
        "print(MODEL_DATA, SAMPLE_DATA, sep='\\n')"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed.splitlines() == [str(ROOT / "model_data"), str(ROOT / "model_data" / "sample")]
