"""Class names: how they are read, and which files do not show their encoding; tables."""

import numpy as np
import pytest

from tests.helpers.annotation_files import load, write_image
from utils.errors import UserError
from utils.metrics.pairs import rows_by_label
from utils.text import (
    aligned,
    chosen_class_names,
    columns_of,
    duration,
    encoding_note,
    read_class_names,
    require_names,
)

pytestmark = pytest.mark.quick


def names_file(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "classes.txt"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    ("encoding", "note"),
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("utf-16", None),
        ("cp1251", "classes.txt is not UTF-8 and was read as Windows-1252: ÿáëîêî, ãðóøà; if"),
    ],
)
def test_a_guessed_encoding_is_said_with_the_names(tmp_path, capsys, encoding, note):
    path = names_file(tmp_path, "яблоко\ngreen\nгруша\n", encoding)
    found = encoding_note(path, read_class_names(path))
    assert found is None if note is None else note in found
    chosen_class_names(path)
    assert capsys.readouterr().out == (f"{found}\n" if found else "")


@pytest.mark.parametrize("layout", ["folders", "lists", "yaml"])
def test_the_report_of_the_data_says_it_too(tmp_path, layout):
    for name in "ab":
        write_image(tmp_path / "images" / f"{name}.png")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    if layout == "yaml":
        text = "train: images\nval: images\nnames: [груша]\n"
        (tmp_path / "data.yaml").write_bytes(text.encode("cp1251"))
    else:
        names_file(tmp_path, "груша\n", "cp1251")
    if layout == "lists":
        (tmp_path / "train.txt").write_text("images/a.png 1,2,30,20,0\n")
    notes = [note for note in load(tmp_path).report.notes if "read as Windows-1252: ãðóøà" in note]
    assert len(notes) == 1


def test_a_long_name_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"classes\.txt: class name 'xxx.* has 201 characters"):
        read_class_names(names_file(tmp_path, f"cat\n{'x' * 201}\n"))
    assert read_class_names(names_file(tmp_path, "x" * 200)) == ("x" * 200,)


def test_repeats_among_many_names_are_found_in_linear_time():
    names = [str(number) for number in range(300_000)]
    require_names(tuple(names), "here")
    with pytest.raises(UserError, match="here: class name '7' occurs twice"):
        require_names((*names, "7"), "here")


def test_rows_by_label():
    labels = np.array([2, 0, 2, 2, 0])
    assert [rows.tolist() for rows in rows_by_label(labels, 4)] == [[1, 4], [], [0, 2, 3], []]
    assert [rows.tolist() for rows in rows_by_label(np.zeros(0, int), 2)] == [[], []]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 min 00 s"), (59.6, "1 min 00 s"), (3599.4, "59 min 59 s"), (3600, "1 h 00 min")],
)
def test_a_time_in_words(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("cat", 3),
        ("кот", 3),
        ("血小板", 6),
        ("ｃａｔ", 6),
        ("고양이", 6),
        ("e\u0301mu", 3),
        ("", 0),
    ],
)
def test_wide_letters_take_two_columns_of_a_terminal_and_accents_none(text, columns):
    assert columns_of(text) == columns


def test_columns_of_a_table_are_aligned_with_letters_of_any_width():
    rows = [("", "AP", "state"), ("血小板", "100.0", "ok"), ("cat", "7.5", "late")]
    assert aligned(rows, left=(0, 2)) == [
        "           AP  state",
        "血小板  100.0  ok",
        "cat       7.5  late",
    ]
    assert aligned(rows)[2] == "cat       7.5   late"
