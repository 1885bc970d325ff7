"""Which split a file or folder belongs to, by its name."""

import pytest

from utils.annotations.raw import UNSPLIT
from utils.annotations.split_names import (
    split_in_name,
    split_of_folder,
    split_of_list,
    split_of_word,
)

pytestmark = pytest.mark.quick

OF_NAMES = [
    ("train", "train"),
    ("training", "train"),
    ("Training_Set", "train"),
    ("trainset", "train"),
    ("TrainImages", "train"),
    ("train2017", "train"),
    ("trainval", "trainval"),
    ("train_val", "trainval"),
    ("val", "val"),
    ("valid", "val"),
    ("validate", "val"),
    ("Validation", "val"),
    ("minival2014", "val"),
    ("eval", "val"),
    ("evaluation", "val"),
    ("dev", "val"),
    ("devset", "val"),
    ("test", "test"),
    ("testing", "test"),
    ("testset", "test"),
    ("test-dev2017", "test"),
    ("latest", None),
    ("invalid", None),
    ("strain", None),
    ("interval", None),
    ("trains", None),
    ("devices", None),
    ("photos", None),
    ("", None),
]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        *OF_NAMES,
        ("instances_train2017", "train"),
        ("2007_val", "val"),
        ("raccoon_test", "test"),
        ("image_info_test-dev2017", "test"),
        ("dev_kit_train", "train"),
    ],
)
def test_split_in_the_name_of_a_file(name, split):
    assert split_in_name(name) == split


@pytest.mark.parametrize(
    ("name", "split"),
    [
        *OF_NAMES[:-1],
        ("images_train", "train"),
        ("obj_train_data", "train"),
        ("JPEGImages_val", "val"),
        ("2007_test", "test"),
        ("test_images", "test"),
        ("validation_images", "val"),
        ("evaluation_data", "val"),
        ("test_hard", None),
        ("test_drive", None),
        ("TestDrive2019", None),
        ("training_photos", None),
        ("testing_images", None),
        ("dev_images", None),
        ("crash_test", None),
        ("CrashTest", None),
        ("steam_train", None),
        ("model_val", None),
    ],
)
def test_split_in_the_name_of_a_folder(tmp_path, name, split):
    (tmp_path / name).mkdir()
    assert split_of_folder(tmp_path / name, tmp_path) == (split or UNSPLIT)


def test_a_split_at_the_end_of_a_folder_name_counts_beside_another_split(tmp_path):
    for name in ("hardhat_train", "hardhat_test", "crash_test", "toy_train", "toy_train_2"):
        (tmp_path / name).mkdir()
    (tmp_path / "crash_val").touch()  # no folder
    found = {path.name: split_of_folder(path, tmp_path) for path in tmp_path.iterdir()}
    del found["crash_val"]
    assert found == {
        "hardhat_train": "train",
        "hardhat_test": "test",
        "crash_test": UNSPLIT,
        "toy_train": UNSPLIT,
        "toy_train_2": UNSPLIT,
    }


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("training_photos", "validation_photos"), ("train", "val")),
        (("training_photos", "match_photos"), (None, None)),
        (("train", "test_hard", "test_easy"), ("train", "test", "test")),
        (("train", "crash_test"), ("train", None)),
        (("test_drive", "city", "highway"), (None, None, None)),
        (("test_drive", "test"), (None, "test")),
        (("toy_dev", "toy_test", "big_eval"), ("val", "test", None)),
        (("toys_and_val", "voc_images_train"), (None, "train")),
    ],
)
def test_a_name_with_other_words_counts_beside_another_split(tmp_path, names, splits):
    for name in names:
        (tmp_path / name).mkdir()
    found = tuple(split_of_folder(tmp_path / name, tmp_path) for name in names)
    assert found == tuple(split or UNSPLIT for split in splits)


def test_the_nearest_folder_decides_and_those_above_the_root_do_not_count(tmp_path):
    folder = tmp_path / "train" / "data" / "val" / "cam1"
    folder.mkdir(parents=True)
    assert split_of_folder(folder, tmp_path) == "val"
    assert split_of_folder(folder.parents[1], tmp_path) == "train"
    assert split_of_folder(folder, tmp_path / "train" / "data" / "val") == UNSPLIT


@pytest.mark.parametrize(
    ("stem", "split"),
    [
        ("train", "train"),
        ("validation", "val"),
        ("2007_test", "test"),
        ("trainval", "trainval"),
        ("aeroplane_train", None),  # VOC's list of one class
        ("train_val", None),  # of the class train
        ("train_train", None),
        ("default", None),
    ],
)
def test_split_of_a_list_in_image_sets(stem, split):
    assert split_of_list(stem) == split


def test_split_of_a_key_is_that_of_the_whole_word():
    assert split_of_word("valid") == "val"
    assert split_of_word("train_images") is None
