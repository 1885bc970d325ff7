"""Weights files that are damaged or made to do harm give their content or one line."""

import io
import os
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nets.networks import YOLOV4
from tests.helpers import ROOT
from tests.helpers.hostile import is_harmless, mutated, refusal
from utils.errors import FileError, UserError
from yolo4.weights.darknet.cfg import read_cfg
from yolo4.weights.darknet.files import read_weights
from yolo4.weights.hdf5 import array_in, open_hdf5
from yolo4.weights.keras2 import is_keras2, read_keras2, settings_of_model
from yolo4.weights.keras3 import read_keras3
from yolo4.weights.own import is_own
from yolo4.weights.source import find_weights

pytestmark = pytest.mark.quick

CFG = b"[net]\nwidth=64\nheight=64\n\n[convolutional]\nfilters=8\nsize=3\npad=1\n[yolo]\nmask=0,1\n"


def keras3_bytes():
    file = io.BytesIO()
    with h5py.File(file, "w") as stored:
        for number in range(3):
            stored[f"layers/conv2d_{number}/vars/0"] = np.ones((3, 3, 4, 4), "f4")
            for place in range(4):
                stored[f"layers/batch_normalization_{number}/vars/{place}"] = np.ones(4, "f4")
    return file.getvalue()


def keras2_bytes():
    file = io.BytesIO()
    with h5py.File(file, "w") as stored:
        stored.attrs["layer_names"] = ["conv2d", "conv2d_1"]
        for name in ("conv2d", "conv2d_1"):
            group = stored.create_group(name)
            group.attrs["weight_names"] = [f"{name}/kernel:0", f"{name}/bias:0"]
            group[f"{name}/kernel:0"] = np.ones((3, 3, 4, 4), "f4")
            group[f"{name}/bias:0"] = np.ones(4, "f4")
    return file.getvalue()


def archive_bytes():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("config.json", '{"class_name": "Functional", "config": {}}')
        archive.writestr("model.weights.h5", keras3_bytes())
    return file.getvalue()


def darknet_bytes():
    return np.array([0, 2, 5, 0, 0], "<i4").tobytes() + np.ones(100, "<f4").tobytes()


READERS = {
    "a.weights.h5": (read_keras3, keras3_bytes()),
    "own.weights.h5": (is_own, keras3_bytes()),
    "a.h5": (read_keras2, keras2_bytes()),
    "is.h5": (is_keras2, keras2_bytes()),
    "a.keras": (read_keras3, archive_bytes()),
    "a.weights": (read_weights, darknet_bytes()),
    "a.cfg": (read_cfg, CFG),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("hostile")


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_changed_files_are_read_or_refused_in_one_line(folder, name, data):
    read, valid = READERS[name]
    (folder / name).write_bytes(data.draw(mutated(valid)))
    message = refusal(read, folder / name)
    assert message.startswith(str(folder / name)) or not message
    assert is_harmless(message)
    assert len(message) < 1000


@pytest.mark.parametrize("name", sorted(set(READERS) - {"a.cfg"}))
def test_valid_files_are_read(folder, name):
    read, valid = READERS[name]
    path = folder / f"valid_{name}"
    path.write_bytes(valid)
    is_of_another_program = name == "own.weights.h5"
    assert bool(read(path)) is not is_of_another_program


@pytest.mark.parametrize("name", ["a.weights.h5", "a.keras", "a.weights", "a.conv.137"])
def test_pipes_and_devices_are_no_weights(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(UserError, match="no such weights file"):
        find_weights(str(tmp_path / name))
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to("/dev/zero")
    with pytest.raises(UserError, match="no such weights file"):
        find_weights(str(tmp_path / name))


def array_of(path):
    with open_hdf5(path, "weights") as file:
        return array_in(file, "a/b")


@pytest.fixture
def change(tmp_path):
    """Writes an HDF5 file; `change` fills it."""

    def write(change):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            change(file)
        return tmp_path / "a.h5"

    return write


def test_an_array_is_read(change):
    path = change(lambda file: file.create_dataset("a/b", data=np.arange(3.0)))
    np.testing.assert_array_equal(array_of(path), [0, 1, 2])
    path = change(lambda file: file.create_dataset("a/b", (0,), "f4"))
    assert array_of(path).shape == (0,)
    path = change(lambda file: file.create_dataset("a/b", data=np.ones(99), compression="gzip"))
    assert array_of(path).sum() == 99


def external_values(file):
    file.create_dataset("a/b", (4,), "f4", external=[("/dev/zero", 0, 16)])


def virtual_values(file):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (4,))
    file.create_virtual_dataset("a/b", layout)


def link_to_a_pipe(file):
    os.mkfifo(file.filename + ".pipe")
    file.create_group("a")["b"] = h5py.ExternalLink(file.filename + ".pipe", "b")


def soft_link(file):
    file["x"] = np.ones(3, "f4")
    file.create_group("a")["b"] = h5py.SoftLink("/x")


@pytest.mark.parametrize(
    ("fill", "message"),
    [
        (external_values, "the values of a/b are in another file"),
        (virtual_values, "the values of a/b are in another file"),
        (link_to_a_pipe, "a/b is a link"),
        (soft_link, "a/b is a link"),
        (lambda file: file.create_dataset("a", data=1.0), "a is not a group"),
        (lambda file: file.create_group("a"), "nothing is named a/b"),
        (lambda file: file.create_group("a/b"), "a/b is not an array of floats"),
        (lambda file: file.create_dataset("a/b", (3,), "f4"), "the values of a/b are missing"),
        (
            lambda file: file.create_dataset("a/b", (3,), "f4", chunks=(3,), compression="gzip"),
            "the values of a/b are missing",
        ),
        (
            lambda file: file.create_dataset("a/b", (1 << 30,), "f4", chunks=(1024,)),
            "too large for a network",
        ),
    ],
)
def test_an_array_that_is_not_in_the_file_is_refused(change, fill, message):
    with pytest.raises(FileError, match=f"{message}.*; expected weights"):
        array_of(change(fill))


def test_a_heap_in_which_hdf5_would_loop_for_good_is_refused(tmp_path):
    content = keras2_bytes()
    heap = content.index(b"GCOL")
    place = heap + 16
    while content[place : place + 2] != b"\0\0":  # the free space follows the texts
        size = int.from_bytes(content[place + 8 : place + 16], "little")
        place += 16 + -(-size // 8) * 8
    path = tmp_path / "a.h5"
    path.write_bytes(content[: place + 8] + bytes(8) + content[place + 16 :])
    code = "import sys; from pathlib import Path; from yolo4.weights.keras2 import is_keras2; "
    code += "is_keras2(Path(sys.argv[1]))"
    # A loop in HDF5 can't be interrupted from within the process.
    command = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert f"{path}: free space without a size in its heap of texts" in done.stderr


def test_numbers_that_look_like_a_heap_are_no_damage(change):
    heap = b"GCOL\x01\0\0\0" + (4096).to_bytes(8, "little")
    numbers = np.frombuffer(heap + b"\1" * 4080 + heap[:8] + b"\xff" * 8, "f4")
    path = change(lambda file: file.create_dataset("a/b", data=numbers))
    np.testing.assert_array_equal(array_of(path), numbers)


def test_an_archive_that_unpacks_to_too_much_is_refused(folder, monkeypatch):
    path = folder / "large.keras"
    path.write_bytes(archive_bytes())
    monkeypatch.setattr("yolo4.weights.keras3.MOST_BYTES_OF_DATA_SET", 1000)
    with pytest.raises(FileError, match=r"model\.weights\.h5 unpacks to .* at most 1,000"):
        read_keras3(path)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 990 + "1" + "}" * 990, b"\xff", '{"class_name": 3', 7]
)
def test_a_hostile_description_of_the_model_is_refused_or_ignored(tmp_path, text):
    message = refusal(settings_of_model, tmp_path / "a.keras", YOLOV4, text)
    assert message.startswith(f"{tmp_path}/a.keras") or not message


@pytest.mark.parametrize("value", ["9" * 400, "1" * 5000, "1e400", "-" + "9" * 30, "\x1b[2J"])
def test_a_cfg_with_numbers_out_of_range_is_refused(tmp_path, value):
    path = tmp_path / "a.cfg"
    path.write_bytes(CFG.replace(b"filters=8", f"filters={value}".encode()))
    message = refusal(read_cfg, path)
    assert message.startswith(f"{path}, line 5: [convolutional] has filters=")
    assert is_harmless(message)
    assert len(message) < 300
