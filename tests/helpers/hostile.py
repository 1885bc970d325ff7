"""Files that are broken or made to do harm, and children whose memory and time are measured."""

import os
import subprocess
import sys
import unicodedata

from hypothesis import strategies as st

from tests.helpers import ROOT
from utils.errors import UserError

# Texts that replace a piece of a file: numbers out of range, deep nesting, control characters.
PIECES = (
    *b'|\0|\xff|\xff\xfe|\n|\x1b[31m|"|[|}|*a|&a |-1|1e39|1e400|NaN|-Infinity|null'.split(b"|"),
    *(piece * 5000 for piece in (b"1", b"[", b"<a>", b'{"a":')),
    *(b"9" * 400, b"\xed\xa0\x80", b"\\ud800", b"2020-13-45"),
)


@st.composite
def mutated(draw, data, cuts=True):
    """The bytes of a valid file with one to three changes: flipped, replaced, repeated, cut."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 8)))
        pieces = [st.sampled_from(PIECES), st.binary(max_size=4), st.just(data[start:end] * 3)]
        data = data[:start] + draw(st.one_of(pieces)) + data[end:]
        if cuts and draw(st.integers(0, 7)) == 0:
            data = data[: draw(st.integers(0, len(data)))]
    return data


def refusal(read, *arguments):
    """The message with which a reader refuses a file, empty if it reads it."""
    try:
        read(*arguments)
    except UserError as error:
        return str(error)
    return ""


_CONTROLS = {"Cc", "Cs", "Zl", "Zp"}
_DIRECTIONS = {*map(chr, [0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])}


def is_harmless(text):
    """Whether a terminal shows the text on one line, in the order of its characters."""
    return not any(unicodedata.category(c) in _CONTROLS or c in _DIRECTIONS for c in text)


def peak_memory(code, *arguments, timeout=60):
    """Run Python code in a child; its output, and its peak of resident memory in MB."""
    code += "\nimport resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *output, peak = done.stdout.splitlines()
    return output, int(peak)
