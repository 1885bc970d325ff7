"""Gives changed files to a reader in a child process, and counts what happens."""

import os
import random
import resource
import shutil
import sys
import traceback
from collections import Counter
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.campaign.mutations import mutate
from benchmarks.campaign.readers import Reader
from utils.errors import UserError
from utils.files.writing import temporary_folder
from utils.printable import printable
from utils.process.children import SPAWN, end_with_parent

COLUMNS = (
    *("read", "refused in one line", "change not noticed", "tracebacks", "hangs"),
    "over 1 GB",
)
READ, REFUSED, UNNOTICED, TRACEBACK, HANG, MEMORY = COLUMNS
_FAULTS = {UNNOTICED, TRACEBACK, HANG, MEMORY}

SECONDS = 30.0  # an input that takes longer hangs
_SECONDS_OF_START = 600.0  # of which TensorFlow's import is the most
_MOST_KILOBYTES = 2**20  # above what the process needs for valid files


def try_inputs(
    reader: Reader, folder: Path, count: int, seed: int
) -> tuple[Counter[str], list[str]]:
    """Give a reader changed files, and count each of `COLUMNS`.

    Most inputs share a process. One that hangs, ends the process or takes much memory is tried
    again in a separate process, and that outcome counts.

    Args:
        reader: the reader.
        folder: receives the changed files with faults.
        count: number of inputs.
        seed: determines the changes, together with the reader's name and the input's number.

    Returns:
        How often each outcome was seen, and a line for each fault.
    """
    counts: Counter[str] = Counter()
    faults = []
    shutil.rmtree(_valid_folder(reader, folder), ignore_errors=True)
    first = 0
    while first < count:
        for number, outcome, detail in _outcomes(reader, folder, seed, first, count):
            first = number + 1
            if outcome in (HANG, MEMORY) or outcome is None:
                alone = next(_outcomes(reader, folder, seed, number, number + 1))
                outcome, detail = alone[1] or TRACEBACK, alone[2]
            counts[outcome] += 1
            if outcome in _FAULTS:
                name, data = changed_file(
                    reader, reader.files(_valid_folder(reader, folder)), seed, number
                )
                kept = folder / f"fault_{reader.file_name}_{number}_{name.name}"
                kept.write_bytes(data)
                faults.append(f"{reader.name}, input {number}: {outcome}: {detail} ({kept})")
    return counts, faults


def changed_file(
    reader: Reader, files: dict[Path, bytes], seed: int, number: int
) -> tuple[Path, bytes]:
    """One of a reader's files, and its changed content."""
    source = random.Random(f"{seed} {reader.name} {number}")
    path = source.choice(list(files))
    return path, mutate(files[path], source)


def outcome_of(reader: Reader, folder: Path, path: Path, data: bytes) -> tuple[str, str]:
    """What happens when a file has this content; it gets its own content back afterwards."""
    before = path.read_bytes()
    path.write_bytes(data)
    try:
        reader.read(folder)
    except UserError as error:
        return REFUSED, printable(str(error))  # as the commands print it
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        places = (f"{Path(f.filename).name}:{f.lineno}" for f in frames[-4:])
        return TRACEBACK, f"{type(error).__name__}: {str(error)[:200]!r} at {' '.join(places)}"
    finally:
        _restore(path, before)
    return (UNNOTICED if reader.has_checksum and data != before else READ), ""


def _restore(path: Path, data: bytes) -> None:
    path.unlink(missing_ok=True)  # it may have been moved
    path.write_bytes(data)


def _outcomes(
    reader: Reader, folder: Path, seed: int, first: int, end: int
) -> Iterator[tuple[int, str | None, str]]:
    """Number, outcome and details of inputs, until one takes too much or the process ends."""
    receiver, sender = SPAWN.Pipe(duplex=False)
    arguments = (sender, reader, folder, seed, first, end)
    process = SPAWN.Process(target=_read_in_child, args=arguments)
    process.start()
    sender.close()
    try:
        if not receiver.poll(_SECONDS_OF_START):
            raise UserError(f"{reader.name}: its valid files are not read in time")
        receiver.recv()
        for number in range(first, end):
            if not receiver.poll(SECONDS):
                yield number, HANG, f"not over after {SECONDS:g} s"
                return
            try:
                outcome, detail = receiver.recv()
            except EOFError:
                process.join()
                yield number, None, f"the process ended with status {process.exitcode}"
                return
            yield number, outcome, detail
            if outcome == MEMORY:
                return
    except EOFError:
        raise UserError(f"{reader.name}: its valid files are not read") from None
    finally:
        process.kill()
        process.join()


def _read_in_child(
    sender: Connection, reader: Reader, folder: Path, seed: int, first: int, end: int
) -> None:
    end_with_parent()
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    valid, place = _valid_folder(reader, folder), folder / f"changed_{reader.file_name}"
    if not valid.exists():
        _write_valid(reader, valid)
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(valid, place)
    files = reader.files(place)
    reader.read(place)
    sender.send("ready")
    _silence()
    least = _peak()
    for number in range(first, end):
        outcome, detail = outcome_of(reader, place, *changed_file(reader, files, seed, number))
        if _peak() - least > _MOST_KILOBYTES:
            outcome, detail = MEMORY, f"{(_peak() - least) / 2**20:.1f} GB"
        sender.send((outcome, detail))


def _valid_folder(reader: Reader, folder: Path) -> Path:
    return folder / f"valid_{reader.file_name}"


def _write_valid(reader: Reader, valid: Path) -> None:
    with temporary_folder(valid.parent) as temporary:
        fresh = temporary / "new"
        fresh.mkdir()
        reader.write(fresh)
        fresh.rename(valid)


def _silence() -> None:
    """Send what libraries in C print to nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())


def _peak() -> int:
    """The process's peak of resident memory in kilobytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak
