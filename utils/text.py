"""Reads text files in any common encoding, and class names from them."""

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
# A superset of Latin-1: unused control characters are letters such as "œ", "š" and "€".
_WESTERN = "cp1252"
_LATIN_1 = ("iso-8859-1", "iso8859-1", "latin-1", "latin1")
_XML_ENCODING = re.compile(rb"""\s*<\?xml[^>]*?encoding\s*=\s*["']([\w.:-]+)["']""")


def read_text(path: Path) -> str:
    """Read a text file in UTF-8, UTF-16, Windows-1252 (Latin-1) or GBK, declared or not.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        return decode_text(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error


def decode_text(data: bytes) -> str:
    """Decode text by its byte order mark, its XML declaration, or else its bytes."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    if b"\0" in data[:2]:
        encoding = "utf-16-be" if data[0] == 0 else "utf-16-le"
        return data.decode(encoding, errors="replace")
    for encoding in _declared_encodings(data):
        try:
            return data.decode(encoding)
        except (LookupError, UnicodeError):
            continue
    return _guess(data)


def _declared_encodings(data: bytes) -> list[str]:
    """The encoding that an XML file declares, unless its bytes rule it out."""
    match = _XML_ENCODING.match(data)
    if match is None:
        return []
    name = match[1].decode("ascii").lower()
    if name.startswith(("utf-16", "utf-32", "ucs")):  # the bytes have ruled these out
        return []
    if name in _LATIN_1:
        return [_WESTERN]
    return ["gb18030" if name.startswith("gb") else name]


def _guess(data: bytes) -> str:
    """Decode as UTF-8 if possible, else as GBK or Windows-1252.

    Western text rarely decodes as GBK, and if so to rare characters, because an accented letter is
    followed by a plain one: text with mostly common characters is GBK. The GBK bytes of a few
    common characters are also valid UTF-8, but for an unlikely mix of scripts: "Сè" is 小猫.
    """
    if data.isascii():
        return data.decode("ascii")
    common = _common_chinese(data)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("gbk" if common > 0.5 else _WESTERN, errors="replace")
    return data.decode("gbk") if common == 1 and _mixes_scripts(text) else text


def _common_chinese(data: bytes) -> float:
    """Decode as GBK and return the fraction of non-ASCII characters in GB2312; 0 if not GBK."""
    try:
        wide = [character for character in data.decode("gbk") if character > "\x7f"]
    except UnicodeDecodeError:
        return 0.0
    common = sum(character.encode("gb2312", errors="ignore") != b"" for character in wide)
    return common / max(1, len(wide))


def _mixes_scripts(text: str) -> bool:
    """Whether non-ASCII letters belong to two scripts; Greek letters may be symbols in any text."""
    letters = {character for character in text if character > "\x7f" and character.isalpha()}
    scripts = {unicodedata.name(letter, "?").split()[0] for letter in letters}
    return len(scripts - {"GREEK", "MICRO"}) > 1


def read_utf8(path: Path) -> str:
    """Read a text file that must be UTF-8, with or without a byte order mark.

    Raises:
        UserError: the file cannot be read, or is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8, from byte {error.start} on") from error


def class_name(value: object) -> str:
    """Normalize the name of a class to one line with single spaces; None becomes empty."""
    return " ".join(str("" if value is None else value).split())


def read_class_names(path: str | Path, read: Callable[[Path], str] = read_text) -> tuple[str, ...]:
    """Read class names from a text file, one per line; blank lines are skipped.

    Args:
        path: the file.
        read: `read_text`, which guesses the encoding, or `read_utf8`.

    Raises:
        UserError: the file is missing, has no name, or repeats a name.
    """
    names = tuple(filter(None, map(class_name, read(Path(path)).splitlines())))
    if not names:
        raise UserError(f"{path}: no class names; expected one per line")
    require_distinct(names, str(path))
    return names


def require_distinct(names: tuple[str, ...], where: str) -> None:
    """Raise a UserError if a class name is repeated; `where` starts the message."""
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise UserError(f"{where}: class name {repeated[0]!r} occurs twice; expected it once")
