"""File names: how long they may be, and whether libraries in C++ can open them."""

import os

LONGEST = 255
"""Bytes of a file name on all common file systems."""


def fitting_name(stem: str, ending: str) -> str:
    """`stem + ending`, with the end of the stem cut off if the name would be too long."""
    while stem and len(os.fsencode(stem + ending)) > LONGEST:
        stem = stem[:-1]
    return stem + ending


def is_utf8(path: str | os.PathLike[str]) -> bool:
    """Whether a path is UTF-8; Python stands for other bytes by surrogate characters."""
    try:
        os.fspath(path).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
