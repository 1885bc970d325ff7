"""Files are read again only when something has changed."""

import json
import os
import sys
from pathlib import Path

import pytest

from tests.helpers.annotation_files import (
    CAT,
    DOG,
    all_records,
    load,
    problem_counts,
    voc_xml,
    write_image,
    write_text,
)
from utils.annotations import Problem
from utils.annotations.cached import cache_file, scan_cache
from utils.annotations.cached.whole_scan import WholeScan
from utils.annotations.formats.voc import xml_file
from utils.errors import UserError
from utils.files import reading

pytestmark = pytest.mark.quick


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache folder for one test, in which files need no minimum age, and of files only."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cache_file, "_MIN_AGE_NS", -(10**12))
    monkeypatch.setattr(WholeScan, "write", lambda *_: None)
    return tmp_path / "cache" / "yolov4" / "scans"


@pytest.fixture
def decoded(monkeypatch):
    """Names of the images that were decoded."""
    names = []

    def decode(data, path):
        names.append(path.name)
        return decode_image(data, path)

    decode_image = scan_cache.decode_image
    monkeypatch.setattr(scan_cache, "decode_image", decode)
    return names


@pytest.fixture
def parsed(monkeypatch):
    """Names of the XML files that were read."""
    names = []

    def parse(path):
        names.append(path.name)
        return parse_file(path)

    parse_file = xml_file._parse
    monkeypatch.setattr(xml_file, "_parse", parse)
    return names


@pytest.fixture
def root(tmp_path):
    """A data set of three images; a BMP has as many bytes whatever its pixels are."""
    for name in "abc":
        write_image(tmp_path / "data" / f"{name}.bmp")
        (tmp_path / "data" / f"{name}.xml").write_text(voc_xml([CAT, DOG], size=None))
    return tmp_path / "data"


def content(data):
    """Everything a scan returns."""
    fields = ("image", "size", "boxes", "labels", "difficult")
    rows = [
        str([getattr(record, name) for name in fields]) for record in all_records(data).values()
    ]
    return rows, data.class_names, data.report.text


def test_the_second_scan_reads_no_file_and_has_the_same_result(root, decoded, parsed):
    (root / "c.bmp").write_bytes((root / "a.bmp").read_bytes())
    (root / "a.xml").write_text(voc_xml([("cat", -9, 0, 99, 9), ("cat", 3, 3, 3, 9)]))
    write_image(root / "d.jpg", (40, 60), orientation=6)
    half_read = voc_xml([CAT, DOG], size=(40, 60)).replace("<ymin>", "<ymin>?", 1)
    (root / "d.xml").write_text(half_read)
    first = content(load(root))
    assert "expected four numbers" in first[-1]
    assert sorted(decoded) == ["a.bmp", "b.bmp", "c.bmp", "d.jpg"]
    assert sorted(parsed) == ["a.xml", "b.xml", "c.xml", "d.xml"]
    decoded.clear()
    parsed.clear()
    assert content(load(root)) == first
    assert decoded == parsed == []


@pytest.mark.parametrize("keeps_time", [False, True])
def test_an_image_replaced_by_one_of_as_many_bytes_is_read_again(root, decoded, keeps_time):
    if keeps_time and sys.platform == "win32":
        pytest.skip("Windows does not record when a file's status changed")
    load(root)
    decoded.clear()
    path, before = root / "b.bmp", (root / "b.bmp").stat()
    write_image(path, (40, 60))
    os.utime(path, ns=(0, before.st_mtime_ns if keeps_time else before.st_mtime_ns + 1))
    assert path.stat().st_size == before.st_size
    sizes = {record.image.name: record.size for record in all_records(load(root)).values()}
    assert sizes == {"a.bmp": (60, 40), "b.bmp": (40, 60), "c.bmp": (60, 40)}
    assert decoded == ["b.bmp"]


def test_an_image_damaged_after_a_scan_is_skipped_each_time(root):
    load(root)
    (root / "b.bmp").write_bytes(b"BM" + bytes(7252))
    for _ in range(2):
        data = load(root)
        assert problem_counts(data) == {Problem.BAD_IMAGE: 1}
        assert len(all_records(data)) == 2
    with pytest.raises(UserError, match=r"b\.bmp"):
        load(root, on_bad_data="error")


@pytest.mark.usefixtures("cache")
def test_only_unchanged_images_are_in_the_cache(root):
    load(root)
    image = root / "a.bmp"
    assert scan_cache.ScanCache([root]).has(image)
    image.write_bytes(image.read_bytes() + b" ")
    assert not scan_cache.ScanCache([root]).has(image)
    assert scan_cache.ScanCache([root]).has(root / "b.bmp")
    assert not scan_cache.ScanCache([root]).has(root / "none.bmp")


def test_files_come_and_go(root, decoded, cache):
    load(root)
    decoded.clear()
    (root / "a.bmp").unlink()
    (root / "a.xml").unlink()
    write_image(root / "d.bmp")
    (root / "d.xml").write_text(voc_xml([CAT]))
    names = {record.image.name for record in all_records(load(root)).values()}
    assert names == {"b.bmp", "c.bmp", "d.bmp"}
    assert decoded == ["d.bmp"]
    (file,) = cache.iterdir()
    assert "a.bmp" not in file.read_text()
    assert "d.bmp" in file.read_text()


def test_an_annotation_replaced_by_one_of_as_many_bytes_is_read_again(root, decoded, parsed):
    before = (root / "a.xml").stat()
    load(root)
    decoded.clear()
    parsed.clear()
    text = (root / "a.xml").read_text()
    (root / "a.xml").write_text(text.replace("<xmin>1<", "<xmin>7<"))
    os.utime(root / "a.xml", ns=(0, before.st_mtime_ns + (sys.platform == "win32")))
    assert (root / "a.xml").stat().st_size == before.st_size
    corners = {r.image.name: r.boxes[0, 0] for r in all_records(load(root)).values()}
    assert corners == {"a.bmp": 7, "b.bmp": 1, "c.bmp": 1}
    assert parsed == ["a.xml"]
    assert problem_counts(load(root, class_names=["cat"])) == {Problem.UNKNOWN_CLASS: 3}
    assert decoded == []


def test_an_unreadable_annotation_is_read_each_time(root, parsed):
    (root / "b.xml").write_text("<annotation>")
    for _ in range(2):
        parsed.clear()
        assert problem_counts(load(root)) == {Problem.BAD_ANNOTATION: 1}
        assert "b.xml" in parsed


COCO = {
    "images": [{"id": 7, "file_name": "a.png"}, {"id": 8, "file_name": "b.png", "width": 9}],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 3, "bbox": [1, 2, 30.5, 20], "iscrowd": 1},
        {"id": 2, "image_id": 7, "category_id": 3, "bbox": [1, 2, "?", 20]},
        {"id": 3, "image_id": 8, "category_id": 3, "bbox": [9, 2, 5, 20]},
        {"id": 4, "image_id": 9, "category_id": 3, "bbox": [9, 2, 5, 20]},
    ],
    "categories": [{"id": 3, "name": "cat"}],
}
YAML = "path: .\ntrain: images\nnames: [cat, dog]\n"
# By format: its files beside the images, the one to change, and the change of as many bytes.
KINDS = {
    "VOC": (
        {"Annotations/a.xml": voc_xml([CAT, DOG])},
        "Annotations/a.xml",
        ("<xmin>1<", "<xmin>7<"),
    ),
    "COCO": (
        {"annotations/instances.json": json.dumps(COCO)},
        "annotations/instances.json",
        ("[1, 2, 30.5", "[7, 2, 30.5"),
    ),
    "YOLO": (
        {"data.yaml": YAML, "labels/a.txt": "0 0.5 0.5 0.5 0.5\n1 0.2 0.2 0.1 0.1\nno label\n"},
        "labels/a.txt",
        ("0 0.5", "0 0.4"),
    ),
}


@pytest.fixture
def annotated(tmp_path, request):
    """A data set of a format, the file to change, and the change."""
    files, name, change = KINDS[request.param]
    for image in "ab":
        write_image(tmp_path / "data" / "images" / f"{image}.png")
    for path, text in files.items():
        write_text(tmp_path / "data" / path, text)
    return tmp_path / "data", tmp_path / "data" / name, change


@pytest.fixture
def opened(monkeypatch, tmp_path):
    """Names of the files of the data set that were read whole."""
    names = []

    def read(path, *most):
        if Path(path).is_relative_to(tmp_path / "data"):
            names.append(Path(path).name)
        return read_bytes(path, *most)

    read_bytes = reading.read_bytes
    monkeypatch.setattr(reading, "read_bytes", read)
    return names


EVERY_KIND = pytest.mark.parametrize("annotated", KINDS, indirect=True)


@EVERY_KIND
def test_the_second_scan_reads_no_annotation_of_any_format(annotated, opened):
    root, file, _ = annotated
    first = content(load(root))
    assert file.name in opened
    opened.clear()
    assert content(load(root)) == first
    assert set(opened) <= {"data.yaml"}


@EVERY_KIND
def test_an_annotation_of_any_format_is_read_again_if_it_has_changed(annotated, opened, decoded):
    root, file, change = annotated
    before, status = load(root), file.stat()
    opened.clear()
    decoded.clear()
    text = file.read_text()
    assert change[0] in text
    file.write_text(text.replace(*change))
    os.utime(file, ns=(0, status.st_mtime_ns + (sys.platform == "win32")))
    assert file.stat().st_size == status.st_size
    corners = [all_records(data)["a"].boxes[0, 0] for data in (before, load(root))]
    assert corners[0] != corners[1]
    assert opened.count(file.name) == 1
    assert decoded == []


@pytest.mark.parametrize("annotated", ["YOLO"], indirect=True)
def test_text_files_are_read_again_for_other_class_names(annotated):
    root, _, _ = annotated
    load(root)
    (root / "data.yaml").write_text(YAML.replace("cat, dog", "pear"))
    data = load(root)
    assert data.class_names == ("pear",)
    assert problem_counts(data) == {Problem.UNKNOWN_CLASS: 1, Problem.BAD_OBJECT: 1}


@pytest.mark.parametrize("annotated", ["COCO"], indirect=True)
@pytest.mark.parametrize("part", ['"cat"', "annotation 1", "[", "0"])
def test_a_damaged_cache_of_a_coco_file_is_rebuilt(annotated, cache, opened, part):
    root, file, _ = annotated
    first = content(load(root))
    (kept,) = cache.glob("*.content.json")
    valid = kept.read_text()
    assert part in valid
    kept.write_text(valid.replace(part, part[::-1] + " ", 1))
    opened.clear()
    assert content(load(root)) == first
    assert file.name in opened
    assert kept.read_text() == valid


@pytest.mark.parametrize("damage", ["", "{", "[]", "7", '{"code": 1, "files": {}}', "\xff"])
def test_a_damaged_cache_is_ignored(root, decoded, cache, damage):
    first = content(load(root))
    (file,) = cache.iterdir()
    file.write_text(damage, encoding="latin-1")
    decoded.clear()
    assert content(load(root)) == first
    assert len(decoded) == 3
    assert content(load(root)) == first
    assert len(decoded) == 3


def test_images_are_read_again_by_another_version_of_the_decoder(root, decoded, monkeypatch):
    load(root)
    monkeypatch.setattr(cache_file.simplejpeg, "__version__", "0")
    load(root)
    assert len(decoded) == 6


def test_an_image_that_may_still_change_within_a_clock_tick_is_not_cached(
    root, decoded, cache, monkeypatch
):
    monkeypatch.setattr(cache_file, "_MIN_AGE_NS", 10**12)
    load(root)
    load(root)
    assert len(decoded) == 6
    assert not cache.exists()


def test_a_cache_that_cannot_be_written_is_ignored(root, decoded, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder would be")
    first = content(load(root))
    assert content(load(root)) == first
    assert len(decoded) == 6


def test_the_code_of_every_format_is_part_of_the_cache(root, decoded, monkeypatch):
    load(root)
    read_bytes = Path.read_bytes

    def with_other_voc(path):
        return read_bytes(path) + (b"#" if path.name == "xml_file.py" else b"")

    monkeypatch.setattr(Path, "read_bytes", with_other_voc)
    load(root)
    assert len(decoded) == 6
