"""Changes valid files at random: bytes flipped, replaced, repeated and cut, and values replaced."""

import json
import random
import re
from collections.abc import Callable
from typing import Any

# Numbers out of range, deep nesting, control characters, invalid text.
PIECES = (
    *b'|\0|\xff|\xff\xfe|\n|\x1b[31m|"|[|}|<|&|*a|&a |-1|0|1e39|1e400|NaN|-Infinity|null'.split(
        b"|"
    ),
    *(piece * 5000 for piece in (b"1", b"[", b"<a>", b'{"a":', b"- ")),
    *(b"9" * 400, b"\xed\xa0\x80", b"\\ud800", b"2020-13-45", b"../../etc", "\u202e".encode()),
)
VALUES = (
    *(None, True, -1, 0, 10**30, 1e39, -1e400, float("nan"), "", "\x1b[31m", "nan", "1e39"),
    *([], {}, [[[]]], {"a": 1}, "\ud800", "x" * 5000, [0] * 1000, "/dev/zero"),
)
_WORD = re.compile(rb"[^\s,;:=<>\"'\[\]{}/]+")
_MOST_CHANGES = 3
_MOST_JSON = 2**20
_MOST_TEXT = 2**16  # bytes of text are the first ones, even in a large file


def mutate(data: bytes, source: random.Random) -> bytes:
    """Change a file's content in one to three places; the same source makes the same changes."""
    for _ in range(source.randint(1, _MOST_CHANGES)):
        data = source.choice(_CHANGES)(data, source)
    return data


def _flip(data: bytes, source: random.Random) -> bytes:
    if not data:
        return data
    place = _place(data, source)
    return data[:place] + bytes([data[place] ^ 1 << source.randrange(8)]) + data[place + 1 :]


def _place(data: bytes, source: random.Random) -> int:
    """Where to change something: half of the time near one of the ends, where headers are."""
    near = min(len(data), 2048)
    starts = (0, len(data) - near)
    if source.random() < 0.5:
        return source.randrange(len(data))
    return source.choice(starts) + source.randrange(near)


def _replace(data: bytes, source: random.Random) -> bytes:
    start = _place(data, source) if data else 0
    end = min(len(data), start + source.randint(0, 8))
    pieces = (source.choice(PIECES), source.randbytes(source.randint(1, 4)), data[start:end] * 3)
    return data[:start] + source.choice(pieces) + data[end:]


def _cut(data: bytes, source: random.Random) -> bytes:
    return data[: source.randint(0, len(data))]


def _leave_out(data: bytes, source: random.Random) -> bytes:
    start, end = sorted(source.randint(0, len(data)) for _ in range(2))
    return data[:start] + data[min(end, start + 200) :]


def _repeat_line(data: bytes, source: random.Random) -> bytes:
    lines = data.splitlines(keepends=True) or [b""]
    number = source.randrange(len(lines))
    return b"".join(lines[:number] + [lines[number]] * source.choice((2, 50)) + lines[number + 1 :])


def _replace_word(data: bytes, source: random.Random) -> bytes:
    """Replace a name or a number of text."""
    words = list(_WORD.finditer(data[:_MOST_TEXT]))
    if not words:
        return data
    word, other = source.choice(words), source.choice(words)
    new = source.choice((*PIECES, other[0], b"-" + word[0], word[0] + b"e9", word[0].swapcase()))
    return data[: word.start()] + new + data[word.end() :]


def _replace_value(data: bytes, source: random.Random) -> bytes:
    """Replace, remove or repeat a value of JSON; anything else gets another word."""
    try:
        content = json.loads(data) if len(data) < _MOST_JSON else None
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict | list) or not content:
        return _replace_word(data, source)
    parent, key = source.choice(list(_places(content)))
    action = source.randrange(4)
    if action == 0:
        del parent[key]
    elif action == 1 and isinstance(parent, list):
        parent.append(parent[key])
    elif action == 1:
        parent[f"{key}s"] = parent.pop(key)
    else:
        parent[key] = source.choice(VALUES)
    return json.dumps(content).encode()


def _places(content: Any) -> Any:
    """Every value within a value of JSON: what holds it, and its key or index there."""
    waiting = [content]
    while waiting:
        parent = waiting.pop()
        keys = parent if isinstance(parent, dict) else range(len(parent))
        for key in keys:
            yield parent, key
            if isinstance(parent[key], dict | list):
                waiting.append(parent[key])


_Change = Callable[[bytes, random.Random], bytes]
_CHANGES: tuple[_Change, ...] = (
    *(_flip, _flip, _replace, _replace, _cut, _leave_out, _repeat_line),
    *(_replace_word, _replace_word, _replace_value, _replace_value),
)
