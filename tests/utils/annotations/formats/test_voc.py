"""Pascal VOC folders and LabelImg folders, valid and broken."""

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
from utils.annotations.formats.voc.xml_file import read_xml
from utils.annotations.raw import AnnotationError
from utils.errors import UserError

pytestmark = pytest.mark.quick

THREE = {"a": [CAT], "b": [DOG, CAT], "c": []}


def test_splits_boxes_and_sorted_classes(tmp_path):
    data = load(write_voc(tmp_path, THREE, {"train": ["b"], "val": ["a"], "test": ["c"]}))
    assert data.class_names == ("cat", "dog")
    assert stems(data) == {"train": ["b"], "val": ["a"], "test": ["c"]}
    record = data.splits["train"][0]
    np.testing.assert_array_equal(record.boxes, [[10, 5, 60, 40], [1, 2, 30, 20]])
    np.testing.assert_array_equal(record.labels, [1, 0])
    assert (record.boxes.dtype, record.labels.dtype) == (np.float32, np.int32)
    assert record.size == (60, 40)
    assert data.splits["test"][0].boxes.shape == (0, 4)
    assert problem_counts(data) == {}
    assert "Pascal VOC" in data.format


def test_class_names_given_fix_the_order_and_others_are_unknown(tmp_path):
    root = write_voc(tmp_path, THREE, {"train": ["b"], "val": ["a"]})
    data = load(root, class_names=["dog", "bird"])
    np.testing.assert_array_equal(data.splits["train"][0].labels, [0])
    assert problem_counts(data) == {Problem.UNKNOWN_CLASS: 2}
    assert "object 2: 'cat' is not among the classes dog, bird" in data.report.text


def test_several_folders_are_merged_split_by_split(tmp_path):
    one = write_voc(tmp_path / "VOC2007", THREE, {"trainval": ["a", "b"], "test": ["c"]})
    two = write_voc(tmp_path / "VOC2012", {"d": [CAT], "e": [CAT]}, {"train": ["d"], "val": ["e"]})
    expected = {"train": ["a", "b", "d"], "val": ["e"], "test": ["c"]}
    assert stems(load(one, two)) == expected
    assert stems(load(tmp_path)) == expected


def test_trainval_alone_is_split(tmp_path):
    images = {f"i{n}": [CAT] for n in range(30)}
    root = write_voc(tmp_path, images, {"trainval": list(images)[:20], "test": list(images)[20:]})
    splits = stems(load(root))
    assert len(splits["val"]) == 2
    assert sorted(splits["train"] + splits["val"]) == sorted(list(images)[:20])
    assert splits["test"] == list(images)[20:]


def test_val_is_trainval_without_train(tmp_path):
    root = write_voc(tmp_path, THREE, {"trainval": ["a", "b", "c"], "train": ["a", "c"]})
    assert stems(load(root)) == {"train": ["a", "c"], "val": ["b"]}


@pytest.mark.parametrize("line", ["b", "b 1", "b  -1", "b.jpg", "b.png", "  b  "])
def test_lines_of_a_split_list(tmp_path, line):
    root = write_voc(tmp_path, THREE, {"train": [line, "", "a"], "val": ["c"]})
    assert stems(load(root))["train"] == ["b", "a"]


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


def test_a_list_may_have_names_in_another_unicode_form(tmp_path):
    root = write_voc(
        tmp_path, {"caf\u00e9": [CAT], "b": [DOG]}, {"train": ["cafe\u0301"], "val": ["b"]}
    )
    assert stems(load(root)) == {"train": ["caf\u00e9"], "val": ["b"]}


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


def test_difficult(tmp_path):
    root = write_voc(tmp_path, {"a": [CAT], "b": [CAT]})
    write_text(root / "Annotations" / "a.xml", voc_xml([CAT], extra="<difficult>1</difficult>"))
    write_text(
        root / "Annotations" / "b.xml", voc_xml([CAT], extra="<difficult>Unspecified</difficult>")
    )
    records = all_records(load(root))
    assert records["a"].difficult.tolist() == [True]
    assert records["b"].difficult.tolist() == [False]


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("utf-8-sig", None),
        ("utf-16", "utf-16"),
        ("utf-16", None),
        ("utf-16-le", None),
        ("utf-16-be", "UTF-16"),
        ("gbk", "GBK"),
        ("gbk", "gb2312"),
        ("gbk", None),
        ("utf-8", "utf-16"),
        ("utf-8", "nonsense"),
    ],
)
def test_encodings_of_chinese(tmp_path, encoding, declared):
    header = f'<?xml version="1.0" encoding="{declared}"?>\n' if declared else ""
    path = write_text(tmp_path / "a.xml", header + voc_xml([("小猫", 1, 2, 3, 4)]), encoding)
    assert read_xml(path).objects[0].category == "小猫"


@pytest.mark.parametrize("name", ["小猫", "狗", "红细胞", "朱镕基", "交通灯 red", "狗dog"])
def test_undeclared_gbk(tmp_path, name):
    path = write_text(tmp_path / "a.xml", voc_xml([(name, 1, 2, 3, 4)]), "gbk")
    assert read_xml(path).objects[0].category == name


@pytest.mark.parametrize("name", ["café", "кошка", "γάτα", "naïve Ω", "кот é", "kočka"])
def test_undeclared_utf8(tmp_path, name):
    path = write_text(tmp_path / "a.xml", voc_xml([(name, 1, 2, 3, 4)]))
    assert read_xml(path).objects[0].category == name


@pytest.mark.parametrize("declared", ["iso-8859-1", "latin-1", "utf-8", None])
@pytest.mark.parametrize("name", ["émeu", "vélo", "Ärger", "für", "niño", "ça"])
def test_encodings_of_western_names(tmp_path, declared, name):
    header = f'<?xml version="1.0" encoding="{declared}"?>\n' if declared else ""
    path = write_text(tmp_path / "a.xml", header + voc_xml([(name, 1, 2, 3, 4)]), "latin-1")
    assert read_xml(path).objects[0].category == name


@pytest.mark.parametrize("declared", ["iso-8859-1", "windows-1252", "undefined", None])
@pytest.mark.parametrize("name", ["cœur", "l’été", "žába"])
def test_western_letters_that_latin_1_lacks(tmp_path, declared, name):
    header = f'<?xml version="1.0" encoding="{declared}"?>\n' if declared else ""
    path = write_text(tmp_path / "a.xml", header + voc_xml([(name, 1, 2, 3, 4)]), "cp1252")
    assert read_xml(path).objects[0].category == name


def test_a_class_name_is_one_line(tmp_path):
    path = write_text(tmp_path / "a.xml", voc_xml([("\n traffic\n   light ", 1, 2, 3, 4)]))
    assert read_xml(path).objects[0].category == "traffic light"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotation>\n<object>\n</annotation>", r"a\.xml, line 3: bad XML, mismatched tag"),
        ("<annotation>\n<size>", r"a\.xml, line 2: bad XML, no element found"),
        ("", r"a\.xml: the file is empty"),
        ("<html></html>", r"the root element is <html>; expected <annotation>"),
        (
            '<!DOCTYPE a [\n<!ENTITY b "c">]>\n<annotation>&b;</annotation>',
            r"a\.xml, line 2: defines XML entities",
        ),
    ],
)
def test_bad_xml_names_file_and_line(tmp_path, text, message):
    path = write_text(tmp_path / "a.xml", text)
    with pytest.raises(AnnotationError, match=message) as caught:
        read_xml(path)
    assert caught.value.finding.problem is Problem.BAD_ANNOTATION


def test_an_xml_file_that_cannot_be_read_is_reported_with_the_reason(tmp_path):
    (tmp_path / "a.xml").mkdir()
    with pytest.raises(AnnotationError, match=r"a\.xml: is a folder; expected a file"):
        read_xml(tmp_path / "a.xml")


@pytest.mark.parametrize(
    ("inner", "message"),
    [
        ("<name>cat</name>", "cat: no <bndbox>"),
        ("<bndbox/>", "no <name>"),
        (
            "<name>cat</name><bndbox><xmin>1</xmin></bndbox>",
            "xmin '1', ymin '', xmax '', ymax ''; expected four numbers",
        ),
    ],
)
def test_a_bad_object_is_reported_and_the_others_are_read(tmp_path, inner, message):
    text = voc_xml([CAT]).replace("</annotation>", f"<object>{inner}</object></annotation>")
    annotation = read_xml(write_text(tmp_path / "a.xml", text))
    assert [item.category for item in annotation.objects] == ["cat"]
    assert annotation.findings[0].where == "object 2"
    assert message in annotation.findings[0].detail


def test_what_is_missing_is_reported_and_the_rest_is_read(tmp_path):
    lists = {"train": ["a", "b", "nope"], "val": ["c", "d", "e"]}
    root = write_voc(tmp_path, THREE | {"d": [CAT], "e": [CAT], "f": [CAT]}, lists)
    (root / "JPEGImages" / "b.jpg").unlink()
    (root / "JPEGImages" / "d.jpg").write_bytes(b"")
    (root / "Annotations" / "e.xml").write_text("<annotation>")
    data = load(root)
    assert stems(data) == {"train": ["a"], "val": ["c"]}
    assert problem_counts(data) == {
        Problem.MISSING_ANNOTATION: 1,
        Problem.MISSING_IMAGE: 1,
        Problem.BAD_IMAGE: 1,
        Problem.BAD_ANNOTATION: 1,
    }
    assert "train.txt, line 3: nope: no XML file of this name" in data.report.text
    assert "d.jpg: the file is empty" in data.report.text
    assert "1 .xml not used (in no list of Main): " in data.report.text


def test_a_truncated_image_is_skipped(tmp_path):
    root = write_voc(tmp_path, THREE, {"train": ["a", "b"], "val": ["c"]})
    path = root / "JPEGImages" / "b.jpg"
    path.write_bytes(path.read_bytes()[:-100])
    data = load(root)
    assert stems(data)["train"] == ["a"]
    assert problem_counts(data) == {Problem.BAD_IMAGE: 1}
    assert "truncated" in data.report.text


def test_error_names_the_first_and_the_count(tmp_path):
    root = write_voc(tmp_path, {"a": [CAT, ("cat", 5, 5, 5, 9)], "b": [("cat", 90, 5, 95, 9)]})
    with pytest.raises(
        UserError, match=r"2 problems.*zero-area box: .*a\.xml, object 2: cat \[5, 5, 5, 9\]"
    ):
        load(root, on_bad_data="error")


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


@pytest.mark.parametrize(
    ("folder", "lists"),
    [
        ("ImageSets", {"train": "ab", "test": "c"}),
        ("ImageSets/Main", {"train": "ab", "testing": "c"}),
        ("imagesets/main", {"2007_train": "ab", "2007_test": "c"}),
    ],
)
def test_lists_in_image_sets(tmp_path, folder, lists):
    for stem in "abcd":
        write_image(tmp_path / "Images" / f"{stem}.png")
        write_text(tmp_path / "Annotations" / f"{stem}.xml", voc_xml([CAT]))
    for name, names in lists.items():
        write_text(tmp_path / folder / f"{name}.txt", "\n".join(names))
    data = load(tmp_path)
    assert {stem for split in ("train", "val") for stem in stems(data)[split]} == {"a", "b"}
    assert stems(data)["test"] == ["c"]
    assert data.report.unused[tmp_path / "Annotations" / "d.xml"].startswith("in no list of ")
    assert f"split by {folder}" in data.format


def test_a_single_other_list_names_the_images(tmp_path):
    """CVAT writes ImageSets/Main/default.txt."""
    root = write_voc(tmp_path, THREE | {"d": [CAT]}, {"default": "abc"})
    data = load(root)
    assert set(all_records(data)) == set("abc")
    assert "no split in the data" in data.report.text
    write_text(root / "ImageSets" / "Main" / "more.txt", "d\n")
    data = load(root)
    assert set(all_records(data)) == set("abcd")
    assert "2 .txt not used (its name is that of no split): " in data.report.text


def test_the_lists_of_single_classes_are_no_splits(tmp_path):
    lists = {
        "train": "a",
        "val": "b",
        "cat_train": ["a 1"],
        "train_val": ["b -1"],
        "train_train": "a",
    }
    assert stems(load(write_voc(tmp_path, THREE, lists))) == {"train": ["a"], "val": ["b"]}


def test_lists_may_name_folders(tmp_path):
    for folder, box in (("day0", CAT), ("day1", DOG)):
        write_image(tmp_path / "JPEGImages" / folder / "x.jpg")
        write_text(tmp_path / "Annotations" / folder / "x.xml", voc_xml([box]))
    write_text(tmp_path / "ImageSets" / "Main" / "train.txt", "day0/x\n")
    write_text(tmp_path / "ImageSets" / "Main" / "val.txt", "JPEGImages\\day1\\x.jpg\nx\n")
    data = load(tmp_path)
    np.testing.assert_array_equal(data.splits["train"][0].boxes, [CAT[1:]])
    np.testing.assert_array_equal(data.splits["val"][0].boxes, [DOG[1:]])
    assert problem_counts(data) == {Problem.MISSING_ANNOTATION: 1}
    assert "val.txt, line 2: x: 2 XML files have this name" in data.report.text


@pytest.mark.parametrize(
    "change",
    [
        ("object>", "Object>"),
        ("<object>", "<objects><object>", "</object>", "</object></objects>"),
        ("annotation>", "Annotation>"),
        ("<annotation>", '<annotation xmlns="http://x.org/voc">'),
        ("xmin", "XMin", "bndbox", "BndBox", "name>", "Name>"),
    ],
)
def test_spellings_of_the_elements(tmp_path, change):
    text = voc_xml([CAT])
    for old, new in zip(change[::2], change[1::2], strict=True):
        text = text.replace(old, new)
    annotation = read_xml(write_text(tmp_path / "a.xml", text))
    assert [(item.category, item.corners) for item in annotation.objects] == [("cat", CAT[1:])]
    assert annotation.size == (60, 40)
    assert annotation.findings == []


def test_boxes_outside_objects_are_reported_and_those_of_parts_left_out(tmp_path):
    text = voc_xml([CAT], extra="<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>")
    text = text.replace("</annotation>", "<item><bndbox/></item></annotation>")
    annotation = read_xml(write_text(tmp_path / "a.xml", text))
    assert [item.corners for item in annotation.objects] == [CAT[1:]]
    assert [(f.problem, f.where) for f in annotation.findings] == [
        (Problem.BAD_OBJECT, "<bndbox> 3")
    ]


def test_other_xml_is_no_voc(tmp_path):
    write_image(tmp_path / "a.jpg")
    write_text(tmp_path / "a.xml", '<?xml version="1.0"?><!-- <annotation> --><annotations/>')
    with pytest.raises(
        UserError, match=r"found 1 image, 1 XML file \(a\.xml: root <annotations>\)"
    ):
        load(tmp_path)


def test_fractions_of_the_image_are_scaled_if_all_boxes_are(tmp_path):
    for stem, box in (("a", (1 / 12, 0.25, 0.5, 0.75)), ("b", (0, 0, 1, 0.5))):
        write_image(tmp_path / f"{stem}.jpg")
        write_text(tmp_path / f"{stem}.xml", voc_xml([("cat", *box)]))
    data = load(tmp_path)
    np.testing.assert_allclose(all_records(data)["a"].boxes, [[5, 10, 30, 30]])
    np.testing.assert_array_equal(all_records(data)["b"].boxes, [[0, 0, 60, 20]])
    assert problem_counts(data) == {Problem.FRACTIONS: 2}
    write_image(tmp_path / "c.jpg")
    write_text(tmp_path / "c.xml", voc_xml([DOG]))
    data = load(tmp_path)
    np.testing.assert_array_equal(all_records(data)["c"].boxes, [DOG[1:]])
    assert problem_counts(data) == {Problem.BELOW_A_PIXEL: 2}
