"""Pascal VOC: what an XML file says, and what is reported about it."""

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


def test_class_names_given_fix_the_order_and_others_are_unknown(tmp_path):
    root = write_voc(tmp_path, THREE, {"train": ["b"], "val": ["a"]})
    data = load(root, class_names=["dog", "bird"])
    np.testing.assert_array_equal(data.splits["train"][0].labels, [0])
    assert problem_counts(data) == {Problem.UNKNOWN_CLASS: 2}
    assert "object 2: 'cat' is not among the classes dog, bird" in data.report.text


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
