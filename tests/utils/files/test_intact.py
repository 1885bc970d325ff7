"""Flipped bytes are found by the checksum, and the file before is kept."""

import hashlib
import os

import h5py
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from utils.errors import UserError
from utils.files.intact import append_checksum, keep_previous, previous_path, require_intact

pytestmark = pytest.mark.quick

LINE = len("\nsha256 \n") + 64


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


@given(content=st.binary(max_size=300))
def test_the_last_line_is_the_hash_of_what_precedes_it(folder, content):
    path = folder / "any"
    path.write_bytes(content)
    append_checksum(path)
    digest = hashlib.sha256(content).hexdigest()
    assert path.read_bytes() == content + f"\nsha256 {digest}\n".encode()
    require_intact(path)


@given(content=st.binary(min_size=1, max_size=300), data=st.data())
def test_any_change_of_the_content_is_found(folder, content, data):
    path = folder / "any"
    path.write_bytes(content)
    append_checksum(path)
    changed = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    changed[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(changed)
    with pytest.raises(UserError, match=r"any: damaged: .* SHA-256") as caught:
        require_intact(path)
    assert "\n" not in str(caught.value)


@given(content=st.binary(max_size=300), data=st.data())
def test_a_damaged_checksum_is_found(folder, content, data):
    path = folder / "any"
    path.write_bytes(content)
    append_checksum(path)
    whole = path.read_bytes()
    first, last = sorted(data.draw(st.integers(len(whole) - 65, len(whole))) for _ in range(2))
    changed = whole[:first] + data.draw(st.binary(max_size=60)) + whole[last:]
    assume(changed != whole)
    path.write_bytes(changed)
    with pytest.raises(UserError, match="damaged"):
        require_intact(path)


@given(data=st.data())
@pytest.mark.parametrize("libver", ["earliest", "latest", "npz"])
def test_what_is_left_of_a_checksum_is_found(folder, libver, data):
    path = folder / f"{libver}.bin"
    if libver == "npz":
        with path.open("wb") as file:
            np.savez(file, a=np.ones(30))
    else:
        with h5py.File(path, "w", libver=libver) as file:
            file["a"] = np.ones(30)
    require_intact(path)
    content = path.read_bytes()
    append_checksum(path)
    require_intact(path)
    line = path.read_bytes()[len(content) :]
    piece = data.draw(st.sampled_from([b"", b"-" * 10_000, b"1"]))
    first = data.draw(st.integers(0, len(line) - 2))
    path.write_bytes(
        content + line[:first] + piece + line[data.draw(st.integers(first, len(line) - 1)) :]
    )
    assume(path.read_bytes() != content + line)
    with pytest.raises(UserError, match="damaged"):
        require_intact(path)


@given(content=st.binary(max_size=300))
def test_a_file_without_a_checksum_passes(folder, content):
    assume(b"\nsha256 " not in content)
    path = folder / "older"
    path.write_bytes(content)
    require_intact(path)
    assert path.read_bytes() == content


def test_a_large_file_is_hashed_whole(folder):
    path = folder / "large"
    path.write_bytes(bytes(2**20) + b"1" + bytes(2**20))
    append_checksum(path)
    require_intact(path)
    with path.open("rb+") as file:
        file.seek(2**20)
        file.write(b"2")
    with pytest.raises(UserError, match="damaged"):
        require_intact(path)


def test_hdf5_and_npz_are_read_with_their_checksum(tmp_path):
    hdf5, npz, values = tmp_path / "a.h5", tmp_path / "a.npz", np.arange(5.0)
    with h5py.File(hdf5, "w") as file:
        file["group/values"] = values
    np.savez(npz, values=values)
    for path in (hdf5, npz):
        append_checksum(path)
    with h5py.File(hdf5) as file, np.load(npz) as arrays:
        np.testing.assert_array_equal(file["group/values"][()], values)
        np.testing.assert_array_equal(arrays["values"], values)
    for path in (hdf5, npz):
        require_intact(path)


def test_a_person_who_changes_an_hdf5_file_removes_its_checksum(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["values"] = np.arange(5.0)
    append_checksum(path)
    with h5py.File(path, "r+") as file:
        file["values"][0] = 7
    assert b"sha256" not in path.read_bytes()[-LINE:]
    require_intact(path)


@pytest.mark.parametrize("can_link", [True, False])
def test_the_previous_file_outlives_its_successor(tmp_path, monkeypatch, can_link):
    def refuse(*_):
        raise OSError(1, "Operation not permitted")

    if not can_link:
        monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "state.npz"
    assert previous_path(path).name == "state.previous.npz"
    for content in ("first", "second", "third"):
        if path.exists():
            keep_previous(path)
            assert path.exists(), "at no moment is there no file"
        (tmp_path / "new").write_text(content)
        (tmp_path / "new").replace(path)
    assert (path.read_text(), previous_path(path).read_text()) == ("third", "second")
    assert len(list(tmp_path.iterdir())) == 2


def test_keeping_takes_no_space(tmp_path):
    path = tmp_path / "state.npz"
    path.write_text("first")
    keep_previous(path)
    keep_previous(path)
    assert previous_path(path).samefile(path)
