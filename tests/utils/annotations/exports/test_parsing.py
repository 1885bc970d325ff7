"""JSON, XML and CSV files that cannot be used become findings that name the place."""

import os

import pytest

from tests.helpers.annotation_files import write_text
from utils.annotations.exports.parsing import mentions, read_json, read_table, read_xml
from utils.annotations.raw import AnnotationError, Problem

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("read", "text", "where", "detail"),
    [
        (read_json, '{"a": 1,\n "b": }', "line 2", "bad JSON, "),
        (read_json, "[" * 100_000, "", "nested too deeply"),
        (read_json, "9" * 10_000, "", "expected JSON"),
        (read_xml, "<a>\n<b>\n</a>", "line 3", "bad XML, mismatched tag"),
        (read_xml, '<!DOCTYPE a [<!ENTITY e "cat">]><a/>', "line 1", "defines XML entities"),
    ],
)
def test_a_broken_file(tmp_path, read, text, where, detail):
    path = write_text(tmp_path / "x", text)
    with pytest.raises(AnnotationError) as caught:
        read(path)
    finding = caught.value.finding
    assert (finding.problem, finding.file, finding.where) == (Problem.BAD_ANNOTATION, path, where)
    assert detail in finding.detail


@pytest.mark.parametrize("read", [mentions, read_json, read_xml, read_table])
def test_what_is_no_regular_file(tmp_path, read):
    os.mkfifo(tmp_path / "pipe")
    for name, detail in (("pipe", "is a pipe"), ("gone", "no such file"), (".", "is a folder")):
        with pytest.raises(AnnotationError) as caught:
            read(tmp_path / name)
        assert detail in caught.value.finding.detail


def test_words_of_a_file(tmp_path):
    for encoding in ("utf-8", "utf-16", "utf-8-sig"):
        path = write_text(tmp_path / "x", '{"shapes": []}', encoding)
        assert mentions(path, '"shapes"')
        assert not mentions(path, '"shapes"', '"imagePath"')


def test_a_table(tmp_path):
    text = '\n#File Name, x_min ,x_min\n"a, b", 1,2\n\nc\nd,1,2,3\ne,1,2,,\n'
    table = read_table(write_text(tmp_path / "x", text))
    assert table.columns == ["filename", "xmin", "xmin"]
    assert list(table.rows) == [
        ("line 3", {"filename": "a, b", "xmin": "1"}),
        ("line 5", {"filename": "c"}),
        ("line 7", {"filename": "e", "xmin": "1"}),
    ]
    assert [str(finding) for finding in table.findings] == [
        f"{tmp_path / 'x'}, line 6: 'd,1,2,3' has 4 fields; the header has 3"
    ]


def test_a_table_without_a_line(tmp_path):
    table = read_table(write_text(tmp_path / "x", "\n"))
    assert (table.columns, list(table.rows), table.findings) == ([], [], [])
