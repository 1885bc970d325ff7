"""Reads the JSON, XML and CSV files of data sets; what is wrong with one becomes a finding."""

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, fromstring

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring as safe_fromstring

from utils.annotations.raw import AnnotationError, Finding, Problem
from utils.errors import UserError
from utils.text import read_text


def mentions(path: Path, *words: str) -> bool:
    """Whether a file contains all these ASCII words; much faster than parsing it.

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
    text = _read(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise _error(path, f"line {error.lineno}", f"bad JSON, {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise _error(path, "", f"bad JSON, {error}") from None


def read_xml(path: Path) -> Element:
    """The root element of an XML file.

    Raises:
        AnnotationError: the file cannot be read or is not XML.
    """
    text = _read(path)
    try:
        # Only a document type can do harm; the C parser takes a tenth of the time.
        return (safe_fromstring if "<!DOCTYPE" in text else fromstring)(text)
    except ParseError as error:
        line, column = error.position
        detail = f"bad XML, {str(error).split(':')[0]} (column {column})"
        raise _error(path, f"line {line}", detail) from None
    except DefusedXmlException:
        raise _error(path, "", "defines XML entities, which are not allowed") from None
    except ValueError as error:
        raise _error(path, "", f"bad XML, {error}") from None


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
                detail = f"{line[:60]!r} has {len(fields)} fields; the header has {len(columns)}"
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
    try:
        return read_text(path)
    except UserError as error:
        raise _error(path, "", str(error).removeprefix(f"{path}: ")) from error


def _error(path: Path, where: str, detail: str) -> AnnotationError:
    return AnnotationError(Finding(Problem.BAD_ANNOTATION, path, where, detail))
