"""Names of classes, numbers with their nouns, and tables."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from utils.errors import FileError, UserError
from utils.files.encodings import guessed_encoding
from utils.files.reading import read_bytes, read_text
from utils.printable import brief, printable

_SHOWN = 5
_LONGEST_NAME = 200  # names are drawn into images


def number_of(count: int, noun: str) -> str:
    """A number with its noun: "1 epoch", "2 epochs"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def class_name(value: object) -> str:
    """Normalize the name of a class to one line with single spaces, its control characters escaped.

    Args:
        value: a text or a number; anything else becomes empty.
    """
    is_name = isinstance(value, str | int | float)
    return printable(" ".join(str(value).split())) if is_name else ""


def read_class_names(path: str | Path, read: Callable[[Path], str] = read_text) -> tuple[str, ...]:
    """Read class names from a text file, one per line; blank lines at its end are skipped.

    Args:
        path: the file.
        read: `read_text`, which guesses the encoding, or `read_utf8`.

    Raises:
        UserError: the file is missing, has no name, or an empty or repeated one.
    """
    names = tuple(map(class_name, read(Path(path)).rstrip().splitlines()))
    if not any(names):
        raise UserError(f"{path}: no class names; expected one per line")
    if "" in names:
        number = names.index("")
        detail = f"the name of class {number} is empty; expected a name"
        raise FileError(path, detail, f"line {number + 1}")
    require_names(names, str(path))
    return names


def duration(seconds: float) -> str:
    """A time in words: "1 h 05 min" or "4 min 09 s"."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s"


def columns_of(text: str) -> int:
    """How many columns of a terminal a text takes: Chinese characters, for one, take two each."""
    widths = (1 + (unicodedata.east_asian_width(c) in "WF") for c in text)
    return sum(w for w, c in zip(widths, text, strict=True) if not unicodedata.combining(c))


def aligned(rows: Sequence[Sequence[str]], left: Sequence[int] = (0,)) -> list[str]:
    """The lines of a table for a terminal.

    Args:
        rows: the cells of each line.
        left: numbers of the columns whose cells begin together; those of the others end together.
    """
    widths = [max(map(columns_of, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        blanks = [" " * (width - columns_of(cell)) for cell, width in zip(row, widths, strict=True)]
        cells = enumerate(zip(row, blanks, strict=True))
        lines.append("  ".join(c + b if i in left else b + c for i, (c, b) in cells).rstrip())
    return lines


def encoding_note(path: str | Path, names: Sequence[str]) -> str | None:
    """A sentence that shows the names in a file whose encoding is a guess; None for any other."""
    encoding = guessed_encoding(read_bytes(path))
    if encoding is None:
        return None
    foreign = [name for name in names if not name.isascii()]
    shown = ", ".join(foreign[:_SHOWN]) + (", ..." if len(foreign) > _SHOWN else "")
    return (
        f"{path} is not UTF-8 and was read as {encoding}: {shown}; if that is wrong, save as UTF-8"
    )


def chosen_class_names(path: str | Path) -> tuple[str, ...]:
    """Read the file that a person named with `--classes`; as `read_class_names`, with the note."""
    names = read_class_names(path)
    if note := encoding_note(path, names):
        print(printable(note))
    return names


def require_names(names: tuple[str, ...], where: str) -> None:
    """Raise a UserError if a name is repeated or very long; `where` starts the message."""
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise UserError(f"{where}: class name {brief(repeated[0])} occurs twice; expected it once")
    longest = max(names, key=len, default="")
    if len(longest) > _LONGEST_NAME:
        raise UserError(
            f"{where}: class name {brief(longest)} has {len(longest)} characters; expected at most "
            f"{_LONGEST_NAME}"
        )
