"""Every file gives a value or one error that names it, whatever it holds and whatever it is."""

import io
import json
import math
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.hostile import is_harmless, mutated, peak_memory, refusal
from utils.errors import FileError, UserError
from utils.files.encodings import decode_text, guessed_encoding
from utils.files.markup import parse_xml, read_yaml
from utils.files.reading import (
    open_npz,
    open_regular,
    parse_json,
    read_bytes,
    read_csv,
    read_json,
    read_text,
    read_utf8,
    reading,
)

pytestmark = pytest.mark.quick

YAML = b"path: ..\ntrain: images/train\nval: [images/val]\nnames:\n  0: cat\n  1: 'a b'\nnc: 2\n"
XML = b"<annotation><size><width>4</width></size><object><name>cat</name></object></annotation>"
JSON = b'{"images": [{"id": 1, "width": 1.5e2}], "names": ["a", "\\u00e9", null, true]}'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("hostile")


def packed():
    file = io.BytesIO()
    np.savez(file, a=np.arange(6.0).reshape(2, 3), b=np.array("text"))
    return file.getvalue()


def read_npz(path):
    with open_npz(path, "arrays") as arrays:
        return {name: arrays[name] for name in arrays.files}


def read_xml(path):
    return parse_xml(read_text(path), path)


READERS = {
    "text": (read_text, "naïve\nвода\n".encode()),
    "utf8": (read_utf8, "naïve\nвода\n".encode()),
    "json": (read_json, JSON),
    "csv": (read_csv, b'epoch,loss\n1,2.5\n2,"1,5"\n'),
    "yaml": (read_yaml, YAML),
    "xml": (read_xml, XML),
    "npz": (read_npz, packed()),
}
EVERY_READER = pytest.mark.parametrize("reader", READERS)


@EVERY_READER
@given(data=st.data())
def test_changed_files_are_read_or_refused_in_one_line(folder, reader, data):
    read, valid = READERS[reader]
    path = folder / f"changed.{reader}"
    path.write_bytes(data.draw(mutated(valid)))
    message = refusal(read, path)
    assert message.startswith(str(path)) or not message
    assert is_harmless(message)
    assert len(message) < 1000


@EVERY_READER
@given(content=st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(folder, reader, content):
    path = folder / f"random.{reader}"
    path.write_bytes(content)
    message = refusal(READERS[reader][0], path)
    assert message.startswith(str(path)) or not message


@EVERY_READER
def test_valid_files_are_read(folder, reader):
    read, valid = READERS[reader]
    path = folder / f"valid.{reader}"
    path.write_bytes(valid)
    assert read(path) is not None


@EVERY_READER
def test_only_regular_files_are_read_and_nothing_blocks(tmp_path, reader):
    read, _ = READERS[reader]
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    expected = {"pipe": "is a pipe", "zero": "is a device", "folder": "is a folder"}
    for name, message in {**expected, "gone": "no such file"}.items():
        with pytest.raises(FileError, match=f"{name}: {message}"):
            read(tmp_path / name)


def test_a_pipe_does_not_block_open_and_keeps_no_descriptor(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(FileError):
        open_regular(tmp_path / "pipe")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_name_that_no_file_can_have(tmp_path):
    for name in ("a\0b", "x" * 5000):
        with pytest.raises(FileError, match="cannot be read"):
            read_bytes(tmp_path / name)


def test_the_size_is_limited_before_anything_is_read(tmp_path):
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(FileError, match=r"has 1,099,511,627,776 bytes; expected at most"):
        read_bytes(path)
    path.write_bytes(b"1234")
    assert read_bytes(path, most=4) == b"1234"
    with pytest.raises(FileError, match="has 4 bytes; expected at most 3"):
        read_bytes(path, most=3)


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (RecursionError("maximum recursion depth"), "nested too deeply"),
        (MemoryError(), "too large for the memory that is free"),
        (OSError(5, "Input/output error"), "Input/output error"),
        (ArithmeticError("a\n\x1bb"), r"a \\x1bb"),
        (LookupError(), "LookupError"),
    ],
)
def test_any_error_becomes_one_line(error, found):
    with (
        pytest.raises(FileError, match=f": {found}; expected JSON"),
        reading("a.json", "JSON"),
    ):
        raise error


@pytest.mark.parametrize("error", [UserError("ours"), KeyboardInterrupt()])
def test_our_errors_and_interrupts_pass(error):
    with pytest.raises(type(error)) as caught, reading("a", "b"):
        raise error
    assert caught.value is error


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("[\n1,\nx]", "line 3: bad JSON"),
        ("", "line 1: bad JSON"),
        ("1" * 5000, "5000 digits"),
    ],
)
def test_bad_json(text, message):
    with pytest.raises(FileError, match=message):
        parse_json(text, "a.json")


def test_numbers_beyond_floats_are_values(tmp_path):
    assert parse_json("1e400", "a") == math.inf
    assert parse_json("1" + "0" * 400, "a") == 10**400


def test_json_in_another_encoding_is_refused_unless_guessed(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes('{"name": "Äpfel"}'.encode("cp1252"))
    with pytest.raises(FileError, match="not UTF-8, from byte 10 on"):
        read_json(path)
    assert read_json(path, read_text) == {"name": "Äpfel"}


def yaml_of(tmp_path, text):
    path = tmp_path / "a.yaml"
    path.write_text(text, encoding="utf-8")
    return read_yaml(path)


@pytest.mark.parametrize(
    "name",
    ["on", "off", "yes", "no", "True", "007", "12:30", "1_000", "null", "~", "2020-13-45", "1e3"],
)
def test_yaml_names_stay_as_they_are_in_the_file(tmp_path, name):
    assert yaml_of(tmp_path, f"names: [{name}, x]\n{name}: 1") == {"names": [name, "x"], name: "1"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 10_000, "nested too deeply"),
        ("".join(f"{' ' * depth}a:\n" for depth in range(1000)), "nested too deeply"),
        ("a: &a [1]\nb: [" + ", ".join(["*a"] * 11) + "]", "more than 10 aliases"),
        ("a: &a [*a]", "line 1: bad YAML, found unconstructable recursive node"),
        ("a: b\n? [1]\n: 2", "line 2: bad YAML, found unhashable key"),
        ("a: 1\n---\nb: 1", "line 2: bad YAML"),
        ("a: [", "line 1: bad YAML"),
        ("a: \x07", "special characters are not allowed"),
    ],
)
def test_bad_yaml(tmp_path, text, message):
    with pytest.raises(FileError, match=message):
        yaml_of(tmp_path, text)


def test_yaml_builds_no_objects(tmp_path):
    text = "a: !!python/object/apply:os.system ['true']\nb: !Mine 7"
    assert yaml_of(tmp_path, text) == {"a": ["true"], "b": "7"}


def test_a_yaml_bomb_takes_neither_time_nor_memory(tmp_path):
    path = tmp_path / "bomb.yaml"
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    path.write_text("\n".join(lines))
    code = (
        "import sys\nfrom utils.files.markup import read_yaml\nfrom utils.errors import FileError\n"
    )
    _, before = peak_memory(code)
    code += "try: read_yaml(sys.argv[1])\nexcept FileError as error: print(error)"
    (line,), peak = peak_memory(code, path)
    assert line == f"{path}: more than 10 aliases; expected YAML"
    assert peak < before + 50


@pytest.mark.parametrize("text", ["<a>" * 100_000, "<a " * 1000, "<a>\ud800</a>", "<a>&b;</a>"])
def test_bad_xml(text):
    with pytest.raises(FileError, match=r"^a\.xml"):
        parse_xml(text, "a.xml")


def test_deep_xml_is_read_without_recursion():
    depth = 100_000
    assert parse_xml("<a>" * depth + "</a>" * depth, "a.xml").tag == "a"


def test_an_xml_bomb_is_refused():
    entities = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">\n' for n in range(9))
    text = f'<!DOCTYPE a [\n<!ENTITY e0 "x">\n{entities}]><a>&e9;</a>'
    with pytest.raises(FileError, match="line 2: defines XML entities"):
        parse_xml(text, "a.xml")


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    path.write_bytes(packed())
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    monkeypatch.setattr("utils.files.reading.MOST_BYTES_OF_DATA_SET", size)
    assert read_npz(path)["b"] == "text"
    monkeypatch.setattr("utils.files.reading.MOST_BYTES_OF_DATA_SET", size - 1)
    with pytest.raises(FileError, match=rf"unpacks to {size:,} bytes"):
        read_npz(path)


def test_pickles_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.array([{}], object))
    with pytest.raises(FileError, match="allow_pickle"):
        read_npz(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["punycode", "idna", "unicode_escape", "rot13", "utf-7", "zip"])
def test_only_character_sets_are_accepted_as_encodings(name):
    text = f"<?xml version='1.0' encoding='{name}'?><a>+AGE- \\x41</a>"
    assert decode_text(text.encode()) == text


def test_a_large_text_is_decoded_in_linear_time(tmp_path):
    line = "яблоко,груша,слива\n".encode("cp1251")
    assert len(decode_text(line * 200_000)) == 200_000 * len(line)


@pytest.mark.parametrize(
    ("text", "encoding", "guess"),
    [
        ("cat", "ascii", None),
        ("вода", "utf-8", None),
        ("вода", "utf-16", None),
        ("pêche", "cp1252", "Windows-1252"),
        ("груша", "cp1251", "Windows-1252"),
        ("小猫", "gbk", "GBK"),
    ],
)
def test_a_guess_is_known_as_such(text, encoding, guess):
    assert guessed_encoding(text.encode(encoding)) == guess


@given(value=st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_json_round_trip(value):
    assert parse_json(json.dumps(value), "a") == value
