"""Files are read again only when something has changed."""

import json
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.annotation_files import (
    CAT,
    DOG,
    all_records,
    load,
    problem_counts,
    voc_xml,
    write_image,
)
from utils.annotations import Problem, scan_cache
from utils.annotations.formats.voc import xml_file
from utils.annotations.raw import Annotation, Finding, RawObject
from utils.errors import UserError

pytestmark = pytest.mark.quick


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache folder for one test, in which files need no minimum age."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(scan_cache, "_MIN_AGE_NS", -(10**12))
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


NAMES = st.text(max_size=9)
OBJECTS = st.builds(
    RawObject,
    st.one_of(NAMES, st.integers(0, 99)),
    st.tuples(*[st.floats(allow_nan=False)] * 4),
    NAMES,
    st.booleans(),
)
PROBLEMS = st.builds(Finding, st.sampled_from(Problem), st.just(Path("a.xml")), NAMES, NAMES)
SIZES = st.none() | st.tuples(st.integers(1, 9999), st.integers(1, 9999))


@given(
    st.builds(
        Annotation,
        st.lists(OBJECTS, max_size=4),
        st.lists(PROBLEMS, max_size=4),
        SIZES,
        st.booleans(),
    )
)
def test_an_annotation_is_the_same_after_the_cache(annotation):
    cached = json.loads(json.dumps(scan_cache._to_json(annotation)))
    assert scan_cache._from_json(Path("a.xml"), cached) == annotation


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
    monkeypatch.setattr(scan_cache.simplejpeg, "__version__", "0")
    load(root)
    assert len(decoded) == 6


def test_an_image_that_may_still_change_within_a_clock_tick_is_not_cached(
    root, decoded, cache, monkeypatch
):
    monkeypatch.setattr(scan_cache, "_MIN_AGE_NS", 10**12)
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
