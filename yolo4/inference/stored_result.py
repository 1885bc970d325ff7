"""Results that hold on one machine, and are stored so that they are measured once."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from utils.errors import FileError
from utils.files.reading import read_json, reading
from utils.files.writing import write_atomically


def load_result(file: Path, name: str, hardware: str) -> Any:
    """What was measured; None if nothing was, or elsewhere, or if the file is damaged.

    Args:
        file: the file that `store_result` has written; its content is not trusted.
        name: of the result.
        hardware: processor and library version, for which the result has to hold.
    """
    try:
        stored = read_json(file)
        with reading(file, "a result that holds on one machine"):
            return stored[name] if stored["place"] == hardware else None
    except FileError:
        return None


def store_result(file: Path, name: str, result: Any, hardware: str) -> None:
    """Write a result, of JSON's types; if that fails, the next start measures again."""
    with suppress(OSError):
        write_atomically(file, json.dumps({name: result, "place": hardware}) + "\n")
