"""Kills commands at random moments, lets them continue, and compares them with undisturbed ones."""

import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import psutil

from benchmarks.campaign.commands import ROOT, Command, content_of, files_of
from utils.errors import UserError

COLUMNS = (
    *("continued, bit for bit the same", "other content", "files missing"),
    *("leftovers", "processes left", "no way to continue"),
)
_SAME, _OTHER, _MISSING, _LEFT, _ALIVE, _ENDED = COLUMNS
_KILLED = "killed"
_SECONDS_OF_CHILDREN = 5


def kill_often(
    command: Command, folder: Path, kills: int, seed: int
) -> tuple[Counter[str], list[str]]:
    """Kill a command several times, each time in a new folder.

    Args:
        command: the command.
        folder: with the data set `data` and the undisturbed trainings' folder `train`; receives a
            folder for each kill, which is removed if all is well.
        kills: how often. A trial that ends before its moment is repeated.
        seed: determines the moments, as fractions of the undisturbed command's time.

    Returns:
        How often each of `COLUMNS` was seen, and a line for each fault.

    Raises:
        UserError: the undisturbed command fails.
    """
    reference = _begin(folder / command.name, command, folder)
    start = time.monotonic()
    _require_success(_run(command.argv, reference), reference)
    seconds = time.monotonic() - start
    counts: Counter[str] = Counter()
    faults = []
    number = 0
    while counts[_KILLED] < kills:
        moment = random.Random(f"{seed} {command.name} {number}").random()
        trial = _begin(folder / f"{command.name}_{number}", command, folder)
        start = time.monotonic()
        found = dict(_kill_once(command, trial, reference, moment * seconds))
        if _KILLED in found:
            counts.update(found.keys())
        else:  # nothing disturbed it, and it was faster
            seconds = min(seconds, time.monotonic() - start)
        bad = {outcome: detail for outcome, detail in found.items() if detail}
        if bad:
            faults += [f"{trial.name}, at {moment:.3f}: {each}: {bad[each]}" for each in bad]
        else:
            shutil.rmtree(trial)
        number += 1
    return counts, faults


def _begin(trial: Path, command: Command, folder: Path) -> Path:
    """A new folder with what the command needs."""
    shutil.rmtree(trial, ignore_errors=True)
    trial.mkdir()
    if command.needs_run:
        shutil.copytree(folder / "train" / "run", trial / "run")
    return trial


def _kill_once(
    command: Command, trial: Path, reference: Path, seconds: float
) -> Iterator[tuple[str, str]]:
    """What is seen, each with its details, which are empty if it is good."""
    with (trial / "log").open("w") as log:
        process = _start(command.argv, trial, log)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            yield _KILLED, ""
        children = _descendants(process)
        process.kill()
        process.wait()
    _, alive = psutil.wait_procs(children, _SECONDS_OF_CHILDREN)
    alive = [each for each in alive if each.is_running() and _is_alive(each)]
    if alive:
        yield _ALIVE, f"{len(alive)}"
        for each in alive:
            each.kill()
    was_over = process.returncode == 0
    status = 0 if was_over else _run(command.argv_to_continue(trial), trial)
    if status:
        yield _ENDED, f"status {status}: {_last_line(trial)}"
        return
    yield from _differences(command, trial, reference)


def _differences(command: Command, trial: Path, reference: Path) -> Iterator[tuple[str, str]]:
    expected, found = (files_of(each, command.results) for each in (reference, trial))
    missing, left = expected.keys() - found.keys(), found.keys() - expected.keys()
    others = [
        name
        for name in expected.keys() & found.keys()
        if content_of(expected[name]) != content_of(found[name])
    ]
    for outcome, names in ((_MISSING, missing), (_LEFT, left), (_OTHER, others)):
        if names:
            yield outcome, ", ".join(sorted(names))
    if not missing and not others:
        yield _SAME, ""


def _run(argv: tuple[str, ...], folder: Path) -> int:
    with (folder / "log").open("a") as log:
        return _start(argv, folder, log).wait()


def _start(argv: tuple[str, ...], folder: Path, log: TextIO) -> subprocess.Popen:
    script = [str(ROOT / argv[0])] if argv[0].endswith(".py") else [argv[0]]
    caches = {"XDG_CACHE_HOME": folder / "cache", "MPLCONFIGDIR": folder.parent / "matplotlib"}
    surroundings = {"PYTHONPATH": ROOT, **caches}
    return subprocess.Popen(
        [sys.executable, *script, *argv[1:]],
        cwd=folder,
        env={**os.environ, **{name: str(value) for name, value in surroundings.items()}},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
    )


def _descendants(process: subprocess.Popen) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _require_success(status: int, folder: Path) -> None:
    if status:
        raise UserError(f"{folder / 'log'}: ended with status {status}: {_last_line(folder)}")


def _last_line(folder: Path) -> str:
    lines = (folder / "log").read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""
