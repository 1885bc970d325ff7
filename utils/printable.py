"""Text of files and their names, as it is shown to people.

A name can hold characters that move the cursor, color the terminal or reverse the order of the
letters after them. They are shown as escapes; letters of every script stay as they are.
"""

import re
import reprlib

# C0 and C1 controls, line separators, direction marks and halves of surrogate pairs.
_CONTROL = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff]"
)
_MOST_SHOWN, _END_SHOWN, _GAP = 1200, 200, " ... "
_MOST_OF_AN_ERROR = 300

_brief = reprlib.Repr()  # Python 3.11 takes no limits here
_brief.maxlevel, _brief.maxstring, _brief.maxother = 3, 60, 60


def printable(text: str) -> str:
    r"""Escape control characters (`\x1b`, `\n`, `\u202e`), so that the text stays on one line.

    The middle of a very long text is left out.
    """
    text = _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)
    if len(text) <= _MOST_SHOWN:
        return text
    return f"{text[: _MOST_SHOWN - _END_SHOWN - len(_GAP)]}{_GAP}{text[-_END_SHOWN:]}"


def brief(value: object) -> str:
    """A value of any type and size in Python's notation, shortened, for error messages."""
    return _brief.repr(value)


def one_line(error: BaseException) -> str:
    """What an error says, on one line of bounded length."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, MemoryError):
        return "too large for the memory that is free"
    message = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    message = printable(" ".join(message.split())) or type(error).__name__
    return message if len(message) <= _MOST_OF_AN_ERROR else f"{message[:_MOST_OF_AN_ERROR]}..."
