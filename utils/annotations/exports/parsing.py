"""Reads the JSON, XML and CSV files of data sets; what is wrong with one becomes a finding."""

import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

from utils.annotations.raw import AnnotationError, Finding, Problem
from utils.errors import FileError
from utils.files import reading
from utils.files.markup import parse_xml
from utils.printable import brief


def mentions(path: Path, *words: str) -> bool:
    """Whether a file contains all these words; much faster than parsing it.

    Raises:
        AnnotationError: the file cannot be read.
    """
    text = _read(path)
    return all(word in text for word in words)


def read_json(path: Path) -> object:
    """The content of a JSON file.

    Raises:
        AnnotationError: the file cannot be read or is not JSON.
    """
    with _as_finding(path):
        return reading.read_json(path, reading.read_text)


def read_xml(path: Path) -> Element:
    """The root element of an XML file.

    Raises:
        AnnotationError: the file cannot be read or is not XML.
    """
    text = _read(path)
    with _as_finding(path):
        return parse_xml(text, path)


@dataclass(frozen=True)
class Table:
    """A CSV file with a header.

    Attributes:
        columns: the titles of the header, in lower case, of letters and digits alone.
        rows: the position of each line that is not blank, and its fields by title, once.
        findings: lines that do not fit the header, complete after the last row.
    """

    columns: list[str]
    rows: Iterator[tuple[str, dict[str, str]]]
    findings: list[Finding]


def read_table(path: Path) -> Table:
    """Read a CSV file with a header, separated by commas, semicolons or tabs.

    Each line is parsed alone, so that an open quote spoils no other line.

    Raises:
        AnnotationError: the file cannot be read.
    """
    lines = enumerate(re.split(r"\r\n|\n|\r", _read(path)), start=1)
    lines = ((f"line {number}", line) for number, line in lines if line.strip())
    _, header = next(lines, ("", ""))
    delimiter = max(",;\t", key=header.count)
    columns = ["".join(filter(str.isalnum, title.lower())) for title in _fields(header, delimiter)]
    findings: list[Finding] = []

    def rows() -> Iterator[tuple[str, dict[str, str]]]:
        for where, line in lines:
            fields = [field.strip() for field in _fields(line, delimiter)]
            if not fields or any(fields[len(columns) :]):
                detail = f"{brief(line)} has {len(fields)} fields; the header has {len(columns)}"
                findings.append(Finding(Problem.BAD_OBJECT, path, where, detail))
            else:
                # Reversed, so that the first of several columns with one title counts.
                yield where, dict(reversed([*zip(columns, fields, strict=False)]))

    return Table(columns, rows(), findings)


def _fields(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:  # a field of more than 131,072 characters
        return []


def _read(path: Path) -> str:
    with _as_finding(path):
        return reading.read_text(path, reading.MOST_BYTES_OF_DATA_SET)


@contextmanager
def _as_finding(path: Path) -> Iterator[None]:
    try:
        yield
    except FileError as error:
        finding = Finding(Problem.BAD_ANNOTATION, path, error.where, error.detail)
        raise AnnotationError(finding) from error
