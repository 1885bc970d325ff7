"""Text files of people's data sets, whatever their encoding."""

import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

from utils.errors import UserError

_BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
# Where Latin-1 has control characters that nobody writes, this has letters: "œ", "š", "€".
_WESTERN = "cp1252"
_LATIN_1 = ("iso-8859-1", "iso8859-1", "latin-1", "latin1")
_XML_ENCODING = re.compile(rb"""\s*<\?xml[^>]*?encoding\s*=\s*["']([\w.:-]+)["']""")


def read_text(path: Path) -> str:
    """Read a text file: UTF-8, UTF-16, Windows-1252 (Latin-1) or GBK, marked, declared or neither.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        return decode_text(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error


def decode_text(data: bytes) -> str:
    """Decode text by its byte order mark, its XML declaration, or a guess from its bytes."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    if b"\0" in data[:2]:
        encoding = "utf-16-be" if data[0] == 0 else "utf-16-le"
        return data.decode(encoding, errors="replace")
    for encoding in _declared(data):
        try:
            return data.decode(encoding)
        except (LookupError, UnicodeError):
            continue
    return _guess(data)


def _declared(data: bytes) -> list[str]:
    """The encoding that an XML file declares, unless its bytes cannot be that."""
    found = _XML_ENCODING.match(data)
    if found is None:
        return []
    name = found[1].decode("ascii").lower()
    if name.startswith(("utf-16", "utf-32", "ucs")):  # ruled out by the bytes already
        return []
    if name in _LATIN_1:
        return [_WESTERN]
    return ["gb18030" if name.startswith("gb") else name]


def _guess(data: bytes) -> str:
    """Decode as UTF-8 where that is possible, else as GBK or Windows-1252.

    Western text seldom decodes as GBK at all, and then to rare characters, since an accented
    letter is followed by a plain one: text of mostly everyday characters is GBK. A few everyday
    characters also make valid UTF-8, but then of letters that nobody mixes: "Сè" is 小猫.
    """
    if data.isascii():
        return data.decode("ascii")
    everyday = _everyday_chinese(data)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("gbk" if everyday > 0.5 else _WESTERN, errors="replace")
    return data.decode("gbk") if everyday == 1 and _mixes_scripts(text) else text


def _everyday_chinese(data: bytes) -> float:
    """The part of the non-ASCII characters that GB2312 has, read as GBK; 0 if it is not GBK."""
    try:
        wide = [character for character in data.decode("gbk") if character > "\x7f"]
    except UnicodeDecodeError:
        return 0.0
    everyday = sum(character.encode("gb2312", errors="ignore") != b"" for character in wide)
    return everyday / max(1, len(wide))


def _mixes_scripts(text: str) -> bool:
    """Whether there are non-ASCII letters of two alphabets; Greek ones are symbols anywhere."""
    letters = {character for character in text if character > "\x7f" and character.isalpha()}
    scripts = {unicodedata.name(letter, "?").split()[0] for letter in letters}
    return len(scripts - {"GREEK", "MICRO"}) > 1


def read_utf8(path: Path) -> str:
    """Read a text file that is UTF-8 for certain, with or without a mark.

    Raises:
        UserError: the file cannot be read, or is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8, from byte {error.start} on") from error


def class_name(written: object) -> str:
    """A class's name on one line, as files of names need it; None is no name, like blanks."""
    return " ".join(str("" if written is None else written).split())


def read_class_names(path: str | Path, read: Callable[[Path], str] = read_text) -> tuple[str, ...]:
    """Read class names from a text file, one per line; blank lines are skipped.

    Args:
        path: the file.
        read: `read_text`, which guesses the encoding, or `read_utf8`.

    Raises:
        UserError: the file is missing, has no name, or has a name twice.
    """
    names = tuple(filter(None, map(class_name, read(Path(path)).splitlines())))
    if not names:
        raise UserError(f"{path}: no class name in it; write one per line")
    require_distinct(names, str(path))
    return names


def require_distinct(names: tuple[str, ...], where: str) -> None:
    """Raise a UserError when a class name stands twice in a list; `where` says whose list."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"{where}: class name {twice[0]!r} stands there twice")
