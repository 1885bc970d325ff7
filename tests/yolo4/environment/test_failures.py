"""Failures of the machine are distinguished from those of the program."""

import errno
import os

import cv2
import numpy as np
import pytest

from utils.files.writing import atomic_path
from yolo4.environment.failures import describe_failure

pytestmark = pytest.mark.quick

FULL = os.strerror(errno.ENOSPC)


class ResourceExhaustedError(Exception):
    """As TensorFlow calls its error."""


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ENOSPC, FULL, "run/state.npz"), f"run/state.npz: {FULL}"),
        (PermissionError(errno.EACCES, "Permission denied", "a"), "a: Permission denied"),
        (OSError(errno.ENOSPC, FULL), f"the output cannot be written: {FULL}"),
        (RuntimeError(f"{{{{node}}}} a/b.index; {FULL} [Op:Save]\n at"), f"a/b.index: {FULL}"),
        (RuntimeError(f"cannot write: {FULL}"), f"the output cannot be written: {FULL}"),
        (MemoryError(), "out of memory; a smaller --batch-size"),
        (MemoryError("4 GiB"), "out of memory (4 GiB); a smaller --batch-size"),
        (ResourceExhaustedError("OOM of a tensor\n at"), "out of memory (OOM of a tensor); "),
        (RuntimeError("can't start new thread"), "out of memory (can't start new thread); "),
        (
            ImportError("Traceback:\n  x.so: failed to map segment from"),
            "too little memory to load",
        ),
        (UnicodeEncodeError("utf-8", "a\udcff", 1, 2, "surrogates"), "'a\\udcff': a name that is "),
    ],
)
def test_a_failure_of_the_machine_is_one_line(error, line):
    found = describe_failure(error)
    assert found.startswith(line)
    assert "\n" not in found


def test_memory_that_numpy_and_opencv_lack_is_recognized():
    pixel = np.zeros((1, 1), np.uint8)
    for allocate in (lambda: np.zeros(2**50), lambda: cv2.copyMakeBorder(pixel, *[2**24] * 4, 0)):
        with pytest.raises(Exception) as caught:  # noqa: PT011
            allocate()
        assert describe_failure(caught.value).startswith("out of memory (")


@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError("division by zero"),
        OSError("cannot write mode F as JPEG"),
        RuntimeError("a bug"),
        ImportError("cannot import name 'x' from 'y'"),
        KeyError(FULL[:5]),
    ],
)
def test_a_mistake_of_the_program_is_not_described(error):
    assert describe_failure(error) is None


def test_an_error_within_an_atomic_write_names_the_file_and_not_the_temporary_one(tmp_path):
    def fail(temporary, filename):
        raise OSError(errno.ENOSPC, FULL, *([filename] if filename else []))

    path = tmp_path / "state.npz"
    path.write_text("old")
    for name in (lambda temporary: None, str):
        with pytest.raises(OSError, match=r"state\.npz") as caught, atomic_path(path) as temporary:
            fail(temporary, name(temporary))
        assert describe_failure(caught.value) == f"{path}: {FULL}"
    with pytest.raises(OSError, match="other") as caught, atomic_path(path) as temporary:
        fail(temporary, "other")
    assert describe_failure(caught.value) == f"other: {FULL}"
    with pytest.raises(OSError, match="5 requested") as caught, atomic_path(path) as temporary:
        raise OSError("5 requested and 3 written")  # as NumPy does
    assert describe_failure(caught.value) == f"{path}: 5 requested and 3 written"
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]
