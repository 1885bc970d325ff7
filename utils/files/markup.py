"""Reads YAML and XML that other people or programs have written."""

from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError, fromstring

import yaml
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring as safe_fromstring

from utils.errors import FileError
from utils.files.reading import read_text, reading

_MOST_BYTES_OF_YAML = 1 << 20  # its parser takes ten seconds for this
_MOST_DEPTH = 50
# Lists of aliases of lists of aliases multiply: 10 aliases give at most 3 * 3 * 4 copies.
_MOST_ALIASES = 10


class _TextLoader(yaml.BaseLoader):
    """Builds mappings, lists and texts: neither `no` nor `007` becomes another value."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = self._aliases = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose a node, as PyYAML calls it, within the limits."""
        self._aliases += self.check_event(yaml.AliasEvent)
        if self._aliases > _MOST_ALIASES:
            raise yaml.YAMLError(f"more than {_MOST_ALIASES} aliases")
        if self._depth == _MOST_DEPTH:
            raise RecursionError
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


def read_yaml(path: str | Path) -> Any:
    """Read a YAML file into mappings, lists and texts; every scalar is the text in the file.

    Raises:
        FileError: the file cannot be read, is not YAML, or exceeds a limit.
    """
    text = read_text(path, _MOST_BYTES_OF_YAML)
    with reading(path, "YAML"):
        try:
            return yaml.load(text, _TextLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            where = f"line {mark.line + 1}" if mark else ""
            raise FileError(path, f"bad YAML, {error.problem or error.context}", where) from None


def parse_xml(text: str, path: str | Path) -> Element:
    """Parse XML that defines no entities, which could multiply or name other files.

    Args:
        text: what to parse.
        path: the file that it is from, for error messages.

    Returns:
        The root element.

    Raises:
        FileError: it is not XML, or defines entities.
    """
    with reading(path, "XML"):
        try:
            # Only a document type can do harm; text without one goes to the C parser, which takes
            # a tenth of the time.
            return (safe_fromstring if "<!DOCTYPE" in text else fromstring)(text)
        except ParseError as error:
            line, column = error.position
            detail = f"bad XML, {str(error).split(':')[0]} (column {column})"
            raise FileError(path, detail, f"line {line}") from None
        except DefusedXmlException:
            line = text[: text.find("<!ENTITY")].count("\n") + 1
            detail = "defines XML entities, which are not allowed"
            raise FileError(path, detail, f"line {line}") from None
