"""What the refusal of a folder or file says about its contents."""

import json

import pytest

from tests.helpers.annotation_files import load, voc_xml, write_image, write_text
from utils.annotations.formats.seen import describe_contents
from utils.errors import UserError

pytestmark = pytest.mark.quick

POINTER = (
    "version https://git-lfs.github.com/spec/v1\noid sha256:6a00a59fe627a6649a9ee75e101ad773639e29"
    "cf3bc6a78620a504fc14adbb74\nsize 15216\n"
)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.json", {"version": 1, "shapes": [], "imagePath": "a"}, "looks like LabelMe"),
        (
            "a.json",
            [{"image": "a.png", "annotations": [{"label": "x", "coordinates": {}}]}],
            "looks like CreateML, a list with image, annotations, label",
        ),
        ("a.json", {"name": 1, "id": 2}, "a.json: an object with name, id"),
        ("a.json", {"images": [], "annotations": [{"caption": ""}]}, "looks like COCO captions"),
        ("a.csv", "filename,width,height\n", "1 CSV file (a.csv: 'filename,width,height')"),
        ("a.xml", "<annotations/>", "1 XML file (a.xml: root <annotations>)"),
        ("a.xml", "", "1 XML file (a.xml: no XML element)"),
        ("a.xml", POINTER, "a.xml: Git LFS pointer: run git lfs pull"),
        ("a.json", POINTER, "a.json: Git LFS pointer: run git lfs pull"),
        ("a.parquet", "x", "1 file (.parquet)"),
    ],
)
def test_contents(tmp_path, name, content, expected):
    text = content if isinstance(content, str) else json.dumps(content)
    path = write_text(tmp_path / name, text)
    assert expected in describe_contents(tmp_path)
    assert expected in describe_contents(path)


def test_counts(tmp_path):
    assert describe_contents(tmp_path) == "no files"
    for number in range(3):
        write_image(tmp_path / f"{number}.png")
    write_text(tmp_path / "sub" / "a.xml", voc_xml())
    write_text(tmp_path / "sub" / "b.xml", voc_xml())
    assert describe_contents(tmp_path) == "3 images, 2 XML files (a.xml: root <annotation>)"


def test_a_huge_file_is_not_read_whole(tmp_path):
    path = tmp_path / "a.json"
    with path.open("wb") as file:
        file.write(b'{"rows": [')
        file.truncate(1 << 40)  # a terabyte, of which nothing is stored
    assert describe_contents(path) == "1 JSON file (a.json: an object with rows)"


def test_the_refusal_says_what_was_found_and_what_is_right(tmp_path):
    write_image(tmp_path / "a.png")
    write_text(tmp_path / "a.csv", "x,y\n")
    with pytest.raises(UserError) as caught:
        load(tmp_path)
    found, _, expected = str(caught.value).partition("; expected ")
    assert found.endswith("found 1 image, 1 CSV file (a.csv: 'x,y')")
    for word in ("Pascal VOC", "COCO", "YOLO"):
        assert word in expected


def test_pointers_of_git_lfs_are_named_as_such(tmp_path):
    for stem in "ab":
        write_text(tmp_path / "images" / f"{stem}.jpg", POINTER)
        write_text(tmp_path / "annotations" / f"{stem}.xml", POINTER)
    advice = "Git LFS pointer: run git lfs pull"
    with pytest.raises(UserError, match=rf"annotations/a\.xml: {advice}"):
        load(tmp_path)
    write_text(tmp_path / "annotations" / "a.xml", voc_xml())
    with pytest.raises(UserError, match=rf"images/a\.jpg: {advice}"):
        load(tmp_path)
    write_text(tmp_path / "train.json", POINTER)
    with pytest.raises(UserError, match=rf"train\.json: {advice}"):
        load(tmp_path / "train.json")
