"""Files below a folder, and the home that a user may not have."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.annotations.cached.cache_file import cache_folder
from utils.files.folders import files_below, home_folder, in_order, paths_below

pytestmark = pytest.mark.quick


@pytest.mark.skipif(sys.platform == "win32", reason="paths compare themselves without case there")
@given(
    st.lists(st.lists(st.sampled_from(["a", "B", "a b", "a.b", "ab"]), min_size=1).map("/".join))
)
def test_paths_have_the_order_of_their_own_comparison(names):
    paths = [Path("/data", name) for name in names]
    assert in_order(paths) == sorted(paths)


def test_files_below_a_folder_follow_links_once_and_skip_what_is_hidden(tmp_path):
    for name in ("in/b/1", "in/a/2", "in/.c/3", "in/.4", "in/out/5", "real/6"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "in" / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "loop").symlink_to(tmp_path / "in")
    folder = tmp_path / "in"
    found = [str(path.relative_to(folder)) for path in files_below(folder)]
    assert found == ["a/2", "b/1", "link/6", "out/5"]
    without = files_below(folder, without=[folder / "out", tmp_path / "real"])
    assert [str(path.relative_to(folder)) for path in without] == ["a/2", "b/1"]


@pytest.mark.parametrize("is_relative", [False, True])
def test_paths_as_text_are_those_of_the_files(tmp_path, monkeypatch, is_relative):
    for name in ("a", "b/c", "b.d", ".e"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    folder = Path() if is_relative else tmp_path
    assert sorted(paths_below(folder)) == sorted(map(str, files_below(folder)))
    assert len(list(paths_below(folder))) == 3


def test_a_folder_that_cannot_be_read_is_named_once(tmp_path, monkeypatch, capsys):
    (tmp_path / "locked").mkdir()
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    for _ in range(2):
        assert files_below(tmp_path) == []
    assert capsys.readouterr().err == f"passed over: {tmp_path / 'locked'}: Permission denied\n"


@pytest.mark.skipif(sys.platform == "win32", reason="users have numbers on POSIX")
def test_a_user_without_a_name_and_a_home_has_no_cache(monkeypatch):
    import pwd

    def unknown(number):
        raise KeyError(number)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.delenv("HOME", raising=False)
    assert home_folder() is None
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert cache_folder() == Path("/cache/yolov4/scans")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path("/.cache/yolov4/scans")
