"""A pointer of Git LFS is named as such by everything that reads files."""

import threading
from pathlib import Path

import pytest

from utils.errors import UserError
from utils.files.reading import is_lfs_pointer, read_text, read_utf8
from utils.image import ImageError, read_image
from utils.text import read_class_names
from yolo4.predict.frames import read_frames
from yolo4.predict.sources import find_sources
from yolo4.run import Run
from yolo4.weights.source import find_weights

pytestmark = pytest.mark.quick

ADVICE = "Git LFS pointer: run git lfs pull"
# As Git LFS writes it: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'4d' * 32}\nsize 12345\n"


@pytest.fixture
def pointer(tmp_path):
    def write(name):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(POINTER)
        return path

    return write


@pytest.mark.parametrize("read", [read_text, read_utf8, read_class_names, read_image])
def test_text_and_images(pointer, read):
    path = pointer("a.txt")
    with pytest.raises(UserError) as caught:
        read(path)
    assert str(caught.value) == f"{path}: {ADVICE}"
    assert isinstance(caught.value, ImageError) == (read is read_image)


@pytest.mark.parametrize("name", ["a.weights", "a.h5", "a.weights.h5", "a.keras"])
def test_weights(pointer, name):
    with pytest.raises(UserError, match=ADVICE):
        find_weights(str(pointer(name)))


def test_the_weights_of_a_run(pointer):
    path = pointer("run/best.weights.h5")
    with pytest.raises(UserError, match=ADVICE):
        Run(path.parent).weights()


def test_videos(pointer, tmp_path):
    path = pointer("a.mp4")
    (frame,) = read_frames(find_sources([str(path)], tmp_path / "out"), threading.Event())
    assert frame.error == f"{path}: {ADVICE}"


def test_other_files_are_none(tmp_path):
    path = tmp_path / "a.txt"
    assert not is_lfs_pointer(path)
    path.write_text("version 2\n")
    assert not is_lfs_pointer(path)
    assert not is_lfs_pointer(Path(tmp_path))
