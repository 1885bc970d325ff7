"""Pascal VOC in any folders: how XML files and images find each other."""

import numpy as np
import pytest

from tests.helpers.annotation_files import (
    CAT,
    DOG,
    all_records,
    load,
    problem_counts,
    stems,
    voc_xml,
    write_image,
    write_text,
    write_voc,
)
from utils.annotations import Problem
from utils.errors import UserError

pytestmark = pytest.mark.quick


@pytest.mark.parametrize("stem", ["my photo 1", "a#1", "猫 été", "img.v2", "100%", "b 1"])
def test_names(tmp_path, stem):
    root = write_voc(tmp_path, {stem: [CAT], "x": [DOG]}, {"train": [stem], "val": ["x"]})
    data = load(root)
    assert stems(data) == {"train": [stem], "val": ["x"]}
    assert problem_counts(data) == {}


def test_names_in_another_unicode_form_and_case(tmp_path):
    write_image(tmp_path / "JPEGImages" / "cafe\u0301.JPG")
    write_text(tmp_path / "Annotations" / "Caf\u00e9.xml", voc_xml([CAT]))
    write_voc(tmp_path, {"b": [CAT]})
    assert len(all_records(load(tmp_path))) == 2


def test_folders_named_after_splits_hold_them(tmp_path):
    for split in ("train", "valid", "test"):
        write_image(tmp_path / split / "images" / f"{split}1.jpg")
        write_text(tmp_path / split / "annotations" / f"{split}1.xml", voc_xml([CAT]))
    assert stems(load(tmp_path)) == {"train": ["train1"], "val": ["valid1"], "test": ["test1"]}


def test_folder_names_of_other_tools(tmp_path):
    for stem in "abc":
        write_image(tmp_path / "images" / f"{stem}.png")
        write_text(tmp_path / "annotations" / f"{stem}.xml", voc_xml([CAT]))
    assert set(all_records(load(tmp_path))) == set("abc")


def test_the_stem_has_priority_over_filename_which_is_the_fallback(tmp_path):
    for name in ("a.jpg", "b.jpg", "other.jpg"):
        write_image(tmp_path / "JPEGImages" / name)
    write_text(tmp_path / "Annotations" / "a.xml", voc_xml([CAT], filename="b.jpg"))
    write_text(tmp_path / "Annotations" / "b.xml", voc_xml([DOG], filename="gone.jpg"))
    write_text(tmp_path / "Annotations" / "7.xml", voc_xml([CAT, DOG], filename="C:\\x\\other.jpg"))
    records = all_records(load(tmp_path))
    assert {stem: len(r.labels) for stem, r in records.items()} == {"a": 1, "b": 1, "other": 2}
    np.testing.assert_array_equal(records["a"].labels, [0])


def test_filename_decides_between_images_of_one_stem(tmp_path):
    for name in ("a.jpg", "a.png"):
        write_image(tmp_path / "JPEGImages" / name)
    write_voc(tmp_path, {"b": [CAT]})
    write_text(tmp_path / "Annotations" / "a.xml", voc_xml([CAT], filename="a.png"))
    data = load(tmp_path)
    assert all_records(data)["a"].image.name == "a.png"
    assert problem_counts(data) == {Problem.MISSING_ANNOTATION: 1}


def test_labelimg_folder(tmp_path):
    for stem in ("a b", "b", "c"):
        write_image(tmp_path / f"{stem}.JPG")
        write_text(tmp_path / f"{stem}.xml", voc_xml([CAT]))
    write_image(tmp_path / "unlabeled.jpg")
    data = load(tmp_path)
    assert "side by side" in data.format
    assert set(all_records(data)) == {"a b", "b", "c"}
    assert problem_counts(data) == {Problem.MISSING_ANNOTATION: 1}
    assert {split: len(records) for split, records in data.splits.items()} == {
        "train": 1,
        "val": 1,
        "test": 1,
    }


def test_labelimg_folders_named_after_splits(tmp_path):
    for folder in ("train", "valid", "test"):
        write_image(tmp_path / folder / f"{folder}1.png")
        write_text(tmp_path / folder / f"{folder}1.xml", voc_xml([CAT]))
    expected = {"train": ["train1"], "val": ["valid1"], "test": ["test1"]}
    assert stems(load(tmp_path)) == expected
    assert stems(load(*(tmp_path / name for name in ("train", "valid", "test")))) == expected


@pytest.mark.parametrize(
    ("xml", "image"),
    [
        ("Annotations/{}.xml", "Images/{}.png"),
        ("Annotations/day0/{}.xml", "JPEGImages/day0/{}.png"),
        ("annotations/xmls/{}.xml", "images/{}.jpg"),  # Oxford pets
        ("annots/{}.xml", "images/{}.jpg"),
        ("labels/{}.xml", "images/{}.jpg"),
        ("truth/boxes/{}.XML", "photos/2020/{}.jpg"),
        ("xml/{}.xml", "{}.jpg"),
    ],
)
def test_xml_is_recognized_in_any_folder(tmp_path, xml, image):
    for stem in "abc":
        write_image(tmp_path / image.format(stem))
        write_text(tmp_path / xml.format(stem), voc_xml([CAT]))
    records = all_records(load(tmp_path))
    assert set(records) == set("abc")
    for record in records.values():
        np.testing.assert_array_equal(record.boxes, [CAT[1:]])


def test_oxford_pets_has_masks_and_lists_beside_its_xml(tmp_path):
    for stem in ("Abyssinian_1", "beagle_2", "pug_3"):
        write_image(tmp_path / "images" / f"{stem}.jpg")
        write_image(tmp_path / "annotations" / "trimaps" / f"{stem}.png")
        write_text(tmp_path / "annotations" / "xmls" / f"{stem}.xml", voc_xml([CAT]))
    write_text(tmp_path / "annotations" / "trainval.txt", "Abyssinian_1 1 1 1\n")
    records = all_records(load(tmp_path))
    assert {record.image.parent.name for record in records.values()} == {"images"}
    assert len(records) == 3


@pytest.mark.parametrize(
    "names",
    [("annotations/{}", "images/{}"), ("{}/xml", "{}/pictures"), ("labels/{}", "images/{}")],
)
def test_folders_of_splits_with_equal_file_names(tmp_path, names):
    for split, box in (("train", CAT), ("validate", DOG)):
        xml, images = (tmp_path / name.format(split) for name in names)
        write_image(images / "0.jpg")
        write_text(xml / "0.xml", voc_xml([box], filename="0.jpg"))
    data = load(tmp_path)
    assert {split: len(records) for split, records in data.splits.items()} == {"train": 1, "val": 1}
    for split, folder, box in (("train", "train", CAT), ("val", "validate", DOG)):
        (record,) = data.splits[split]
        assert folder in record.image.parts
        np.testing.assert_array_equal(record.boxes, [box[1:]])


def test_xml_of_one_split_is_not_about_an_image_of_another(tmp_path):
    for name in ("images/train/a.jpg", "images/val/b.jpg"):
        write_image(tmp_path / name)
    for name in ("annotations/train/a.xml", "annotations/train/b.xml", "annotations/val/b.xml"):
        write_text(tmp_path / name, voc_xml([CAT]))
    data = load(tmp_path)
    assert stems(data) == {"train": ["a"], "val": ["b"]}
    assert problem_counts(data) == {Problem.MISSING_IMAGE: 1}


def test_xml_beside_images_is_about_none_elsewhere(tmp_path):
    for name in ("one/a.jpg", "one/b.jpg", "two/c.jpg"):
        write_image(tmp_path / name)
    for name in ("one/a.xml", "one/b.xml", "one/c.xml"):
        write_text(tmp_path / name, voc_xml([CAT]))
    data = load(tmp_path)
    assert set(all_records(data)) == {"a", "b"}
    assert problem_counts(data) == {Problem.MISSING_IMAGE: 1}
    assert tmp_path / "two" / "c.jpg" in data.report.unused


def test_two_xml_files_about_one_image(tmp_path):
    """Joined, they would double its objects."""
    for name in "ab":
        write_image(tmp_path / "images" / "day" / f"{name}.jpg")
        write_text(tmp_path / "annots" / "day" / f"{name}.xml", voc_xml([CAT]))
    old = write_text(tmp_path / "annots" / "old" / "a.xml", voc_xml([DOG]))
    data = load(tmp_path)
    assert problem_counts(data) == {Problem.SECOND_ANNOTATION: 1}
    assert data.report.findings[0].file == old
    np.testing.assert_array_equal(all_records(data)["a"].boxes, [CAT[1:]])
    (tmp_path / "images" / "day").rename(tmp_path / "images" / "night")
    with pytest.raises(UserError, match=r"day/a\.xml and .*old/a\.xml are both about .*a\.jpg"):
        load(tmp_path)


def test_other_xml_is_no_voc(tmp_path):
    write_image(tmp_path / "a.jpg")
    write_text(tmp_path / "a.xml", '<?xml version="1.0"?><!-- <annotation> --><annotations/>')
    with pytest.raises(
        UserError, match=r"found 1 image, 1 XML file \(a\.xml: root <annotations>\)"
    ):
        load(tmp_path)
