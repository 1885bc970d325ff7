"""The sample data set: reproducible, complete, with exact boxes."""

import hashlib
import json
import os
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from defusedxml import ElementTree

from tests.helpers.full_disk import full_disk
from utils.errors import UserError
from yolo4.sample_data import make as sample_data
from yolo4.sample_data.make import make_sample_data
from yolo4.sample_data.scene import CLASS_NAMES, draw_scene

pytestmark = pytest.mark.quick

SMALL = {"train": 5, "val": 2, "test": 1, "size": 128}


def digests(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def objects_of(folder: Path, name: str) -> list[tuple[str, tuple[int, ...]]]:
    root = ElementTree.parse(folder / "Annotations" / f"{name}.xml")
    return [
        (node.findtext("name"), tuple(int(edge.text) for edge in node.find("bndbox")))
        for node in root.iter("object")
    ]


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return make_sample_data(tmp_path_factory.mktemp("sample") / "set", **SMALL)


def test_layout_and_counts(sample):
    assert sorted(path.name for path in sample.iterdir()) == [
        "Annotations",
        "ImageSets",
        "JPEGImages",
        "sample.json",
    ]
    listed = []
    for split, count in (("train", 5), ("val", 2), ("test", 1)):
        names = (sample / "ImageSets" / "Main" / f"{split}.txt").read_text().split()
        assert len(names) == count
        assert {name for name, _ in objects_of(sample, names[0])} == set(CLASS_NAMES)
        listed += names
    assert len(set(listed)) == 8
    for name in listed:
        assert cv2.imread(str(sample / "JPEGImages" / f"{name}.jpg")).shape == (128, 128, 3)
        for _, (left, top, right, bottom) in objects_of(sample, name):
            assert 0 <= left < right <= 128
            assert 0 <= top < bottom <= 128


def test_same_seed_same_bytes_and_another_seed_others(sample, tmp_path):
    again = digests(make_sample_data(tmp_path / "again", **SMALL))
    assert again == digests(sample)
    other = digests(make_sample_data(tmp_path / "other", **SMALL, seed=1))
    images = [name for name in again if name.endswith(".jpg")]
    assert all(again[name] != other[name] for name in images)


def test_a_smaller_set_is_the_beginning_of_a_larger_one(sample, tmp_path):
    fewer = digests(make_sample_data(tmp_path / "set", train=2, val=1, test=0, size=128))
    same = [name for name in fewer if Path(name).suffix in (".jpg", ".xml")]
    assert len(same) == 6
    assert {name: fewer[name] for name in same}.items() <= digests(sample).items()


def test_reused_with_the_same_parameters_and_redrawn_with_others(tmp_path):
    folder = make_sample_data(tmp_path / "set", train=1, val=1, test=0, size=96)
    before = (folder / "sample.json").stat().st_mtime_ns
    make_sample_data(folder, train=1, val=1, test=0, size=96)
    assert (folder / "sample.json").stat().st_mtime_ns == before
    make_sample_data(folder, train=2, val=1, test=0, size=96)
    assert json.loads((folder / "sample.json").read_text())["train"] == 2
    assert len(list((folder / "JPEGImages").iterdir())) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_nothing_is_left_when_drawing_fails(tmp_path, monkeypatch):
    def full(*_args):
        raise OSError("No space left on device")

    monkeypatch.setattr(sample_data, "_write_pair", full)
    with pytest.raises(UserError, match="No space left"):
        make_sample_data(tmp_path / "set", train=2, val=1, test=0, size=96)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_leaves_the_users_own_data(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file: cannot be .*; name a data set with --data$"):
        make_sample_data(tmp_path / "file/set", train=1, val=0, test=0)


def test_a_folder_with_other_content_is_not_changed(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="not a sample data set"):
        make_sample_data(tmp_path, train=1, val=0, test=0)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("content", ["{}", "[]", '{"version": 1}'])
def test_a_sample_file_of_another_program_is_not_changed(tmp_path, content):
    (tmp_path / "sample.json").write_text(content)
    with pytest.raises(UserError, match="not a sample data set"):
        make_sample_data(tmp_path, train=1, val=0, test=0, size=96)
    assert (tmp_path / "sample.json").read_text() == content


@pytest.mark.parametrize("wrong", [{"size": 32}, {"train": -1}])
def test_impossible_parameters(tmp_path, wrong):
    with pytest.raises(UserError, match="expected a size >= 96 and counts >= 0"):
        make_sample_data(tmp_path / "set", **wrong)


def test_key_is_rare_and_ladybird_small():
    counts, sides = Counter(), {name: [] for name in CLASS_NAMES}
    for index in range(60):
        _, objects = draw_scene(np.random.default_rng((7, index)), 256)
        assert objects
        for item in objects:
            counts[item.name] += 1
            left, top, right, bottom = item.box
            sides[item.name].append(max(right - left, bottom - top))
    assert 0 < counts["key"] < 0.6 * min(counts[name] for name in CLASS_NAMES if name != "key")
    assert np.median(sides["ladybird"]) < 22
    assert all(np.median(sides[name]) > 32 for name in CLASS_NAMES if name != "ladybird")


def test_boxes_fit_tightly_around_the_visible_objects(monkeypatch):
    """Without shadows and camera effects, an image differs from its background only at objects."""
    monkeypatch.setattr("yolo4.sample_data.scene._add_camera_effects", lambda _rng, image: image)
    blur = cv2.GaussianBlur
    monkeypatch.setattr(
        "yolo4.sample_data.scene.cv2.GaussianBlur",
        lambda image, *rest: 0 * image if image.dtype == np.float32 else blur(image, *rest),
    )
    touched = []
    for index in range(6):
        shown, objects = draw_scene(np.random.default_rng((3, index)), 256)
        with monkeypatch.context() as patch:
            patch.setattr("yolo4.sample_data.scene._Scene.place", lambda *_: None)
            empty, _ = draw_scene(np.random.default_rng((3, index)), 256)
        differs = np.abs(shown.astype(int) - empty).max(2) > 40
        boxed = np.zeros_like(differs)
        for left, top, right, bottom in (item.box for item in objects):
            boxed[max(0, top - 2) : bottom + 2, max(0, left - 2) : right + 2] = True
            inner = differs[top:bottom, left:right]
            edges = (inner[:3], inner[-3:], inner[:, :3], inner[:, -3:])
            touched += [bool(edge.any()) for edge in edges]
        assert not (differs & ~boxed).any()
    assert np.mean(touched) > 0.95


@pytest.mark.skipif(os.name == "nt", reason="a limit of POSIX")
def test_a_full_disk_is_one_line_and_leaves_the_last_set(tmp_path):
    folder = tmp_path / "set"
    message = rf"^{folder}: cannot write the sample data: \[Errno \d+\] File too large"
    with full_disk(1000), pytest.raises(UserError, match=message):
        make_sample_data(folder, **SMALL)
    assert list(tmp_path.iterdir()) == []
    before = digests(make_sample_data(folder, **SMALL))
    with full_disk(1000), pytest.raises(UserError, match=message) as caught:
        make_sample_data(folder, **SMALL | {"train": 6})
    assert "\n" not in str(caught.value)
    assert digests(folder) == before
    assert list(tmp_path.iterdir()) == [folder]
