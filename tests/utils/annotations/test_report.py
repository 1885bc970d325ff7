"""What the report of a scan tells: warnings, bounded notes, and the table of all records."""

import csv
import io
from pathlib import Path

import pytest

from tests.helpers.annotation_files import CAT, DOG, load, write_image, write_text, write_voc
from utils.annotations import load_dataset
from utils.annotations.report.scan_report import ScanReport

pytestmark = pytest.mark.quick

FLAT = ("cat", 5, 5, 5, 9)


def rows_of(report):
    return list(csv.DictReader(io.StringIO(report.to_csv().decode())))


def test_every_finding_and_every_file_that_is_not_used_is_a_row(tmp_path):
    root = write_voc(tmp_path, {"a": [CAT, FLAT, ("dog", -9, 0, 20, 20)], "b": [FLAT] * 9})
    write_text(root / "old" / "notes.json", '{"shapes": []}')
    write_text(root / "old" / "settings.json", '{"name": "x"}')
    report = load(root).report
    rows = rows_of(report)
    assert list(rows[0]) == ["file", "where", "what", "done"]
    done = [row["done"] for row in rows]
    assert done.count("object skipped") == 10
    assert done.count("box clipped") == 1
    assert {
        "file": str(root / "Annotations" / "a.xml"),
        "where": "object 2",
        "what": "zero-area box: cat [5, 5, 5, 9] in 60x40",
        "done": "object skipped",
    } in rows
    assert [row["file"] for row in rows if row["done"] == "file not used"] == [
        str(root / "old" / "notes.json")
    ]
    assert len([row for row in rows if row["file"]]) == len(report.findings) + 1


def test_the_printed_report_names_the_table(tmp_path, capsys):
    root = write_voc(tmp_path, {"a": [CAT, FLAT], "b": [CAT]})
    load_dataset(root, report_file=Path("logs/x/data_report.csv"))
    assert "all of these are in logs/x/data_report.csv" in capsys.readouterr().out
    whole = write_voc(tmp_path / "whole", {"a": [CAT], "b": [CAT]})
    load_dataset(whole, report_file=Path("logs/x/data_report.csv"))
    assert "data_report.csv" not in capsys.readouterr().out


def test_a_file_name_that_is_not_utf8_does_not_stop_the_table():
    unused = {Path("a\udcff.json"): "bad JSON"}
    report = ScanReport("x", ("cat",), {}, (), (), unused=unused)
    assert b"a\\udcff.json" in report.to_csv()


def test_notes_and_classes_are_bounded(tmp_path):
    root = write_voc(tmp_path, {"a": [CAT], "b": [CAT]})
    names = ["cat", *(f"class {number}" for number in range(500))]
    report = load(root, class_names=names).report
    assert ["boxes", "of", "401", "more", "classes", "0", "0"] in [
        line.split() for line in report.text.splitlines()
    ]
    many = ScanReport(
        report.format, report.class_names, report.splits, (), tuple(map(str, range(99)))
    )
    assert many.text.count("note: ") == 20
    assert "  and 79 more notes" in many.text
    assert len([row for row in rows_of(many) if row["done"] == "note"]) == 99


def test_classes_that_cannot_be_learned(tmp_path):
    images = {"a": [CAT], "b": [CAT, DOG], "c": [DOG, ("hen", 1, 1, 9, 9)]}
    root = write_voc(tmp_path, images, {"train": "a", "val": "b", "test": "c"})
    report = load(root, class_names=["cat", "dog", "hen", "cow"]).report
    assert report.warnings == (
        "classes with boxes in val and none in train, which cannot be learned: dog",
        "classes with boxes in test and none in train, which cannot be learned: dog, hen",
        "classes without a box: cow",
    )
    assert "  warning: classes without a box: cow" in report.text
    assert (
        load(root / "Annotations" / "..", class_names=["cat", "dog", "hen"]).report.warnings[2:]
        == ()
    )


def test_no_warning_about_classes_without_a_train_split(tmp_path):
    root = write_voc(tmp_path, {"a": [CAT]}, {"test": ["a"]})
    assert load(root, class_names=["cat", "dog"]).report.warnings == ()


def test_images_that_lost_all_their_objects(tmp_path):
    images = {"a": [CAT], "b": [FLAT], "c": [DOG], "d": [], "e": [CAT, FLAT], "f": [DOG]}
    root = write_voc(tmp_path, images, {"train": "ab", "val": "cdef"})
    assert load(root).report.warnings == (
        "classes with boxes in val and none in train, which cannot be learned: dog",
        "images of train without objects because all of theirs were skipped: 1 of 2; these objects"
        " are trained as background",
    )
    report = load(root, class_names=["cat"]).report
    assert report.warnings[-1] == (
        "images of val without objects because all of theirs were skipped: 2 of 4; these objects"
        " count as wrong if found"
    )


def test_images_and_annotations_outside_the_data_set_are_counted(tmp_path):
    root = write_voc(tmp_path / "data", {"a": [CAT], "b": [CAT]})
    for name in ("docs/logo.png", "docs/photo.png"):
        write_image(root / name)
    write_text(root / "docs" / "page.xml", "<html/>")
    write_text(root / "docs" / "other.xml", "<annotations/>")
    write_text(root / "README.txt", "read me")
    report = load(root).report
    assert len(report.unused) == 3
    assert (
        f"2 .png not used (not part of the data set): {root / 'docs' / 'logo.png'}, " in report.text
    )
