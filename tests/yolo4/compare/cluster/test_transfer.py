"""Files of a study travel whole, and those of a training in an order that it survives."""

import io
import zipfile

import pytest

from yolo4.compare.cluster.transfer import pack, unpack

pytestmark = pytest.mark.quick


def fill(root, **files):
    for name, content in files.items():
        path = root / name.replace("__", "/").replace("DOT", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def contents(root):
    return {
        path.relative_to(root).as_posix(): path.read_text()
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def study(tmp_path):
    study = tmp_path / "study"
    fill(
        study, **{"imagesDOTjson": "i", "runs__a__top__bestDOTh5": "b", "runs__a__stateDOTnpz": "s"}
    )
    fill(
        study, **{"runs__a__DOTlock": "l", "runs__aDOTlog": "log", "runs__b__stateDOTnpz": "other"}
    )
    return study


def test_what_is_packed_is_unpacked_elsewhere(study, tmp_path):
    packed = pack(study, ["images.json", "runs/a", "runs/a.log", "runs/none"])
    unpack(packed, tmp_path / "there")
    assert contents(tmp_path / "there") == {
        "images.json": "i",
        "runs/a/top/best.h5": "b",
        "runs/a/state.npz": "s",
        "runs/a.log": "log",
    }


def test_a_state_is_read_first_and_written_last(study, tmp_path, monkeypatch):
    packed = pack(study, ["runs/a"])
    names = zipfile.ZipFile(io.BytesIO(packed)).namelist()
    assert names[0] == "runs/a/state.npz"
    written = []
    monkeypatch.setattr(
        "yolo4.compare.cluster.transfer.shutil.copyfileobj",
        lambda source, target: written.append(source.name),
    )
    unpack(packed, tmp_path / "there")
    assert written[-1] == "runs/a/state.npz"


def test_a_folder_that_comes_whole_loses_its_other_files(study, tmp_path):
    there = tmp_path / "there"
    fill(there, **{"runs__a__oldDOTh5": "old", "runs__a__DOTlock": "l", "runs__b__oldDOTh5": "b"})
    unpack(pack(study, ["runs/a", "runs/a.log"]), there, whole="runs/a")
    assert set(contents(there)) == {
        *("runs/a/top/best.h5", "runs/a/state.npz", "runs/a.log"),
        *("runs/a/.lock", "runs/b/old.h5"),
    }


def test_only_texts_are_rewritten(study, tmp_path):
    packed = pack(
        study, ["*.json", "runs"], lambda name, content: f"{name}={content.decode()}".encode()
    )
    unpack(packed, tmp_path / "there")
    found = contents(tmp_path / "there")
    assert found["images.json"] == "images.json=i"
    assert found["runs/a.log"] == "runs/a.log=log"
    assert found["runs/a/state.npz"] == "s"
