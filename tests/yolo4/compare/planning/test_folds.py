"""Every image is tested once, copies stay together, and a training sees its own part alone."""

import dataclasses
import shutil

import cv2
import numpy as np
import pytest

from utils.annotations import find_data, load_dataset
from utils.errors import UserError
from utils.records import Record
from yolo4.compare.planning.folds import all_images, as_fold, make_folds
from yolo4.sample_data.make import make_sample_data

pytestmark = pytest.mark.quick

TRAIN, VAL, TEST = 14, 4, 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("folds") / "data"
    make_sample_data(path, train=TRAIN, val=VAL, test=TEST, size=96)
    return path


@pytest.fixture(scope="module")
def data(folder):
    return load_dataset([folder], progress=False)


def images(records):
    return {record.image for record in records}


def test_every_image_is_tested_by_one_fold_and_trained_on_by_the_others(data):
    folds = make_folds(data, 4, seed=0)
    whole = images(record for records in data.splits.values() for record in records)
    tested = [images(fold.records) for fold in folds]
    assert set.union(*tested) == whole == images(all_images(folds).records)
    assert sum(map(len, tested)) == TRAIN + VAL + TEST
    assert max(map(len, tested)) - min(map(len, tested)) <= 1
    for fold in folds:
        assert not images(fold.records) & images(fold.val)
        assert fold.counts["val"] == len(fold.val) == -(-(len(whole) - len(fold.records)) // 10)
        assert sum(fold.counts.values()) == len(whole)


def test_another_seed_divides_otherwise(data):
    one, same, other = (make_folds(data, 2, seed) for seed in (0, 0, 1))
    assert images(one[0].records) == images(same[0].records) != images(other[0].records)


def test_a_training_gets_the_images_of_its_fold_with_all_their_objects(folder, data):
    for fold in make_folds(data, 3, seed=0):
        split = load_dataset(as_fold(find_data([folder]), fold), progress=False).splits
        assert images(split["test"]) == images(fold.records)
        assert images(split["val"]) == images(fold.val)
        assert len(split["train"]) == fold.counts["train"]
        expected = {record.image: record for record in fold.records}
        for record in split["test"]:
            np.testing.assert_array_equal(record.boxes, expected[record.image].boxes)
            np.testing.assert_array_equal(record.difficult, expected[record.image].difficult)


def test_copies_of_an_image_are_in_one_fold(data):
    (first, *rest) = [record for records in data.splits.values() for record in records]
    copy = dataclasses.replace(first, image=first.image.with_name("copy.png"))
    doubled = dataclasses.replace(data, splits={"train": [first, copy, *rest]})
    for fold in make_folds(doubled, 5, seed=0):
        assert (first.image in images(fold.records)) == (copy.image in images(fold.records))


@pytest.mark.parametrize("folds", [2, 5])
def test_images_that_are_nearly_the_same_are_in_one_part(data, tmp_path, capsys, folds):
    """A brighter and a smaller copy: tested together, or validated, or trained on."""
    (first, *rest) = [record for records in data.splits.values() for record in records]
    pixels = cv2.imread(str(first.image))
    similar = {first.image}
    for name, changed in (
        ("bright.jpg", np.clip(pixels * 1.2, 0, 255).astype(np.uint8)),
        ("small.jpg", cv2.resize(pixels, None, fx=0.8, fy=0.8)),
    ):
        cv2.imwrite(str(tmp_path / name), changed)
        digest = (tmp_path / name).read_bytes()[-32:]
        rest.append(dataclasses.replace(first, image=tmp_path / name, digest=digest))
        similar.add(tmp_path / name)
    made = make_folds(dataclasses.replace(data, splits={"train": [first, *rest]}), folds, seed=0)
    for fold in made:
        for part in (images(fold.records), images(fold.val)):
            assert len(similar & part) in (0, 3)
    sizes = [len(fold.records) for fold in made]
    assert max(sizes) - min(sizes) <= 1, "single images fill up the smaller parts"
    assert "24 images, 22 of them different" in capsys.readouterr().out


def test_a_training_does_not_go_on_without_an_image_of_its_fold(folder, data, tmp_path):
    fold = make_folds(data, 3, seed=0)[0]
    shutil.copytree(folder, tmp_path / "data")
    with pytest.raises(UserError, match="no longer in the data"):
        as_fold(find_data([tmp_path / "data"]), fold)


def test_a_path_may_be_written_in_another_way(folder, data, monkeypatch):
    monkeypatch.chdir(folder.parent)
    fold = make_folds(data, 3, seed=0)[0]
    assert as_fold(find_data(["data"]), fold).data_sets[0].splits["test"]


def test_too_few_images_are_refused(data):
    with pytest.raises(UserError, match="has 22 different images; expected at least 24"):
        make_folds(data, 8, seed=0)


def test_a_record_without_objects_is_tested_too(data):
    (first, *rest) = [record for records in data.splits.values() for record in records]
    none = np.zeros((0, 4), np.float32)
    empty = Record(first.image, first.size, none, none[:, 0].astype(np.int32),
                   none[:, 0].astype(bool), first.digest)  # fmt: skip
    background = dataclasses.replace(data, splits={"train": [empty, *rest]})
    assert first.image in images(all_images(make_folds(background, 2, 0)).records)
