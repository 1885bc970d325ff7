"""Darknet's two file formats: `.weights`, a header and numbers, and `.cfg`, sections of options."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from utils.errors import UserError
from utils.files.reading import open_regular, read_text, reading
from utils.files.writing import atomic_path
from utils.printable import brief, printable

_VERSION = np.dtype("<i4")
_NUMBER = np.dtype("<f4")
_HIGHEST_VERSION = 1000  # to Darknet, versions from here on have another meaning
_LONGEST_NAME = 60  # in messages
_HIGHEST_WHOLE = 2**31 - 1  # in Darknet
_ALIASES = {"conv": "convolutional", "max": "maxpool", "network": "net"}


class WeightsHeader(NamedTuple):
    """The header of a `.weights` file.

    Attributes:
        major: version of the format.
        minor: version of the format; `seen` has 64 bits from 0.2 on, before that 32.
        revision: version of the format.
        seen: images that the network was trained on.
    """

    major: int
    minor: int
    revision: int
    seen: int

    @property
    def seen_type(self) -> np.dtype:
        """How `seen` is stored."""
        return np.dtype("<u8" if self.major * 10 + self.minor >= 2 else "<u4")

    @property
    def size(self) -> int:
        """Length in bytes."""
        return 3 * _VERSION.itemsize + self.seen_type.itemsize


def read_header(path: Path) -> WeightsHeader:
    """Read the header of a `.weights` file.

    Raises:
        UserError: the file cannot be read, is empty or too short, or has another header.
    """
    with open_regular(path) as file, reading(path, "Darknet weights"):
        data = file.read(20)
    if not data:
        raise UserError(f"{path}: is empty; Darknet weights begin with a header of 20 bytes")
    versions = np.frombuffer(data[:12].ljust(12, b"\0"), _VERSION).tolist()
    header = WeightsHeader(*versions, seen=0)
    if not all(0 <= version < _HIGHEST_VERSION for version in versions):
        raise UserError(
            f"{path}: not Darknet weights: it begins with the version "
            f"{'.'.join(map(str, versions))}, where Darknet writes 0.1.0 or 0.2.5"
        )
    if len(data) < header.size:
        raise UserError(
            f"{path}: {len(data)} bytes; the header of Darknet weights alone has {header.size}"
        )
    return header._replace(seen=int(np.frombuffer(data[12:], header.seen_type, count=1)[0]))


def read_weights(path: Path) -> tuple[WeightsHeader, np.ndarray]:
    """Read a `.weights` file.

    Returns:
        The header, and the numbers after it, float32. An incomplete last number is dropped.

    Raises:
        UserError: as `read_header`.
    """
    header = read_header(path)
    with open_regular(path) as file, reading(path, "Darknet weights"):
        return header, np.fromfile(file, _NUMBER, offset=header.size)


def write_weights(path: Path, arrays: Iterable[np.ndarray], seen: int = 0) -> None:
    """Write a `.weights` file of version 0.2.5 atomically.

    Args:
        path: the file.
        arrays: written one after the other, each in C order.
        seen: images that the network was trained on.
    """
    header = WeightsHeader(0, 2, 5, seen)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(np.array(header[:3], _VERSION).tobytes())
        file.write(np.array(seen, header.seen_type).tobytes())
        for array in arrays:
            file.write(np.asarray(array, _NUMBER).tobytes())


_N = TypeVar("_N", int, float)


@dataclass(frozen=True)
class CfgSection:
    """A section of a `.cfg` file.

    Attributes:
        name: without the brackets; the same for all spellings that Darknet knows.
        options: texts by name.
        file: the file it is in.
        line: the line of its name, counted from 1.
    """

    name: str
    options: dict[str, str]
    file: Path
    line: int

    @property
    def where(self) -> str:
        """The section's position, for error messages."""
        return f"{self.file}, line {self.line}: [{self.name}]"

    def whole(self, option: str, default: int) -> int:
        """An option that is a whole number."""
        return self._number(option, self.options.get(option, str(default)), int)

    def wholes(self, option: str) -> tuple[int, ...]:
        """An option that lists whole numbers; empty if it is missing."""
        return tuple(self._number(option, text, int) for text in self._list(option))

    def numbers(self, option: str) -> tuple[float, ...]:
        """An option that lists numbers; empty if it is missing."""
        return tuple(self._number(option, text, float) for text in self._list(option))

    def _list(self, option: str) -> list[str]:
        return [text for text in self.options.get(option, "").split(",") if text]

    def _number(self, option: str, text: str, kind: type[_N]) -> _N:
        with suppress(ValueError):
            number = kind(text)
            if kind is float or abs(number) <= _HIGHEST_WHOLE:
                return number
        expected = "a whole number" if kind is int else "a number"
        raise UserError(
            f"{self.where} has {option}={printable(text[:_LONGEST_NAME])}; expected {expected}"
        )


def read_cfg_sections(path: Path) -> list[CfgSection]:
    """Read a `.cfg` file.

    Raises:
        UserError: the file cannot be read, or as for `parse_cfg`.
    """
    return parse_cfg(read_text(path), path)


def parse_cfg(text: str, path: Path) -> list[CfgSection]:
    """Read the text of a `.cfg` file.

    As in Darknet, blanks are ignored, and if a section repeats an option, the first one counts.

    Args:
        text: content of the file.
        path: the file, for error messages.

    Raises:
        UserError: a line is neither the name of a section nor an option.
    """
    sections: list[CfgSection] = []
    for number, line in enumerate(text.splitlines(), 1):
        bare = "".join(line.split("#")[0].split())
        option, equals, value = bare.partition("=")
        if not bare or bare.startswith(";"):
            continue
        if bare.startswith("[") and bare.endswith("]"):
            name = printable(bare[1:-1][:_LONGEST_NAME])
            sections.append(CfgSection(_ALIASES.get(name, name), {}, path, number))
        elif equals and sections:
            sections[-1].options.setdefault(option, value)
        else:
            expected = "name=value" if sections else "a section, such as [net]"
            raise UserError(
                f"{path}, line {number}: found {brief(line.strip())}, expected {expected}"
            )
    return sections


def format_cfg(sections: Iterable[tuple[str, Mapping[str, object]]]) -> str:
    """The text of a `.cfg` file.

    Args:
        sections: name and options of each; an option is a text, a number or a sequence of numbers.
    """
    texts = []
    for name, options in sections:
        lines = (f"{option}={_text(value)}\n" for option, value in options.items())
        texts.append(f"[{name}]\n{''.join(lines)}")
    return "\n".join(texts)


def _text(value: object) -> str:
    if isinstance(value, tuple | list):
        return ",".join(map(_text, value))
    if isinstance(value, float | np.floating):
        # The shortest decimal that reads as the same number.
        return np.format_float_positional(value, trim="-")
    return str(value)
