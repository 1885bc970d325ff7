"""Decodes text in any common encoding, declared or not."""

import codecs
import re
import unicodedata

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
# Of characters. Python also has codecs for other purposes, some of which take quadratic time.
_CHARACTER_SETS = re.compile(
    r"utf-?8|(us-?)?ascii|iso-?(8859|2022)-\w+|(windows-|cp|ibm)\d+|koi8-\w+|mac\w+|gb\w+|big5\w*"
    r"|euc[-_]\w+|shift[-_]?jis|hz\w*|johab|tis-?620"
)
_FIRST_RARE = b"\xd8"  # the first byte of GB2312's characters of the second level
# Enough to tell one encoding from another.
_SAMPLE = 1 << 16


def decode_text(data: bytes) -> str:
    """Decode text by its byte order mark, its XML declaration, or else its bytes."""
    return _decode(data)[0]


def guessed_encoding(data: bytes) -> str | None:
    """The encoding that `decode_text` has to guess, None if the text declares it or is UTF-8."""
    return {"gbk": "GBK", _WESTERN: "Windows-1252"}.get(_decode(data)[1])


def _decode(data: bytes) -> tuple[str, str]:
    """The text, and its encoding if that is a guess, else an empty string."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace"), ""
    if b"\0" in data[:2]:
        encoding = "utf-16-be" if data[0] == 0 else "utf-16-le"
        return data.decode(encoding, errors="replace"), ""
    for encoding in _declared_encodings(data):
        try:
            return data.decode(encoding), ""
        except (LookupError, UnicodeError):
            continue
    return _guess(data)


def _declared_encodings(data: bytes) -> list[str]:
    """The encoding that an XML file declares, unless its bytes rule it out."""
    match = _XML_ENCODING.match(data[:_SAMPLE])
    if match is None:
        return []
    name = match[1].decode("ascii", errors="replace").lower()
    if name in _LATIN_1:
        return [_WESTERN]
    if not _CHARACTER_SETS.fullmatch(name):
        return []
    return ["gb18030" if name.startswith("gb") else name]


def _guess(data: bytes) -> tuple[str, str]:
    """Decode as UTF-8 if possible, else as GBK or Windows-1252.

    Western text rarely decodes as GBK, and if so to rare characters, because an accented letter is
    followed by a plain one: text with mostly common characters is GBK. The GBK bytes of a few
    common characters are also valid UTF-8, but for an unlikely mix of scripts: "Сè" is 小猫.
    """
    if data.isascii():
        return data.decode("ascii"), ""
    common = _common_chinese(data)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        encoding = "gbk" if common > 0.5 else _WESTERN
        return data.decode(encoding, errors="replace"), encoding
    if common == 1 and _mixes_scripts(text[:_SAMPLE]):
        return data.decode("gbk", errors="replace"), "gbk"
    return text, ""


def _common_chinese(data: bytes) -> float:
    """Decode as GBK and return the fraction of common characters, of the non-ASCII ones.

    GB2312 has the frequent characters before the rare ones, which count half: Cyrillic letters of
    Windows-1251 decode as rare ones. It is 0 if the data is not GBK.
    """
    try:
        # In a sample, the last character may be cut.
        text = codecs.getincrementaldecoder("gbk")().decode(data[:_SAMPLE], len(data) <= _SAMPLE)
    except UnicodeDecodeError:
        return 0.0
    wide = [character for character in text if character > "\x7f"]
    first_bytes = (character.encode("gb2312", errors="ignore")[:1] for character in wide)
    common = sum(0 if not byte else 1 if byte < _FIRST_RARE else 0.5 for byte in first_bytes)
    return common / max(1, len(wide))


def _mixes_scripts(text: str) -> bool:
    """Whether non-ASCII letters belong to two scripts; Greek letters may be symbols in any text."""
    letters = {character for character in text if character > "\x7f" and character.isalpha()}
    scripts = {unicodedata.name(letter, "?").split()[0] for letter in letters}
    return len(scripts - {"GREEK", "MICRO"}) > 1
