"""Files in the user's cache folder, and the states of the files that they were made of."""

import json
import os
import time
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Any

import PIL
import simplejpeg

from utils.errors import FileError
from utils.files.folders import home_folder
from utils.files.reading import MOST_BYTES_OF_DATA_SET, parse_json, read_utf8
from utils.files.writing import remove_leftovers, write_atomically

# A file that changes twice within one tick of the file system's clock keeps its times, and the
# coarsest clock (FAT's) ticks every two seconds. Files younger than that are not cached.
_MIN_AGE_NS = 2 * 10**9
_UTILS = Path(__file__).parents[2]
# What reads images and annotations.
_READERS = ("image.py", "text.py", "decoding/*.py", "files/*.py", "annotations/**/*.py")


def newest_cacheable() -> int:
    """The time in nanoseconds after which a file that has changed is not cached now."""
    return time.time_ns() - _MIN_AGE_NS


def stamp_of(file: Path | str) -> list[Any] | None:
    """Size and times of change of a file, None if it does not exist."""
    try:
        status = os.stat(file)  # noqa: PTH116 - `Path` takes longer
    except (OSError, ValueError):
        return None
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def cache_folder() -> Path:
    """`yolov4/scans` in `$XDG_CACHE_HOME`, or in `~/.cache` if that is not set.

    For a user without a home it is in `/.cache`, which cannot be written.
    """
    base = os.environ.get("XDG_CACHE_HOME") or (home_folder() or Path("/")) / ".cache"
    return Path(base) / "yolov4" / "scans"


def name_of(*parts: str | Path) -> str:
    """A file name that stands for some texts or paths."""
    return blake2b(os.fsencode("\0".join(map(str, parts))), digest_size=16).hexdigest()


def code_versions(patterns: Iterable[str] = _READERS) -> list[str]:
    """Versions of what reads files: the libraries, and hashes of the code.

    Args:
        patterns: of the files in `utils` that hold the code; by default the one that reads images
            and annotations.
    """
    code = sorted(path for pattern in patterns for path in _UTILS.glob(pattern))
    hashes = (blake2b(path.read_bytes(), digest_size=16).hexdigest() for path in code)
    return [simplejpeg.__version__, PIL.__version__, *hashes]


def read_kept(cache: Path, state: object) -> Any:
    """Read the content that `write_kept` has written for a state.

    Raises:
        FileError: there is none, it is that of another state or version, or it is damaged.
    """
    checksum, _, text = read_utf8(cache, MOST_BYTES_OF_DATA_SET).partition("\n")
    if checksum != _checksum(state, text):
        raise FileError(cache, "it was made of other files, by another version, or is damaged")
    return parse_json(text, cache)


def write_kept(cache: Path, state: object, content: object) -> None:
    """Write values of JSON that were made of files in a state, which is values of JSON, too."""
    text = json.dumps(content)
    write_cache(cache, f"{_checksum(state, text)}\n{text}")


def write_cache(cache: Path, text: str) -> None:
    """Write a file of the cache; a line is printed if that is not possible."""
    try:
        write_atomically(cache, text)
        remove_leftovers(cache.parent, shared=True)
    except OSError as error:
        print(f"the next start will read the data again: {cache}: {error.strerror}")


def _checksum(state: object, text: str) -> str:
    """A hash of the text, and of all that it depends on."""
    parts = json.dumps([code_versions(), state, blake2b(text.encode("utf-8")).hexdigest()])
    return blake2b(parts.encode("utf-8"), digest_size=16).hexdigest()
