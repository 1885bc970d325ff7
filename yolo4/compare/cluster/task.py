"""A job on a machine of the cluster: what Ray runs there."""

import contextlib
import json
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from utils.errors import UserError
from utils.files.lock import is_locked
from utils.process.children import call_in_child
from yolo4.compare.cluster.shipment import Shipment, receive
from yolo4.compare.cluster.site import Site
from yolo4.compare.cluster.transfer import pack, unpack
from yolo4.compare.running.jobs import Job
from yolo4.run import Run
from yolo4.train.state.progress import Progress, load_progress

if TYPE_CHECKING:
    import ray

_POLL = 0.5  # seconds between looks at the training
# A process of a lost machine may still hold the run's folder, until it notices.
_UNTIL_FREE = 300.0  # seconds
# Of the time, at most this fraction goes into sending the state to the command.
_SENDING = 0.05


@dataclass(frozen=True)
class Report:
    """What a machine reports of a job.

    Attributes:
        host: the machine that does it.
        progress: of its training; None: nothing new.
        files: what the study keeps of it so far; None if the machine shares the study's folder, and
            if nothing is new.
        wants_files: it has not begun: the machine lacks the study's files.
        ended: whether it has ended.
        error: how it ended, if not well.
    """

    host: str
    progress: Progress | None = None
    files: bytes | None = None
    wants_files: bool = False
    ended: bool = False
    error: BaseException | None = None


def do_job(
    site: Site,
    job: Job,
    shipment: Shipment | None,
    files: "Sequence[ray.ObjectRef]",
    pieces: "Sequence[ray.ObjectRef]",
) -> Iterator[Report]:
    """Do a job in a child process.

    If this machine sees the study's folder, the job is done there. Otherwise it is done in a
    temporary folder, and the files travel.

    Args:
        site: where the study is.
        job: what is to be done.
        shipment: the data that was sent; None: it is at the same path here.
        files: one object, what the job needs of the study's folder; none if it was not sent.
        pieces: of the shipment.

    Yields:
        How it goes; the last report says how it ended.
    """
    host = socket.gethostname()
    try:
        site.require_same_sources()
        if shipment is None and site.is_here():
            with contextlib.chdir(site.working_folder):
                yield from _follow(job, Path(site.folder), host)
        elif not files:
            yield Report(host, wants_files=True)
        else:
            yield from _do_elsewhere(site, job, shipment, files, pieces, host)
    except UserError as error:
        yield Report(host, ended=True, error=UserError(f"on {host}: {error}"))


def _do_elsewhere(
    site: Site,
    job: Job,
    shipment: Shipment | None,
    files: "Sequence[ray.ObjectRef]",
    pieces: "Sequence[ray.ObjectRef]",
    host: str,
) -> Iterator[Report]:
    """Do a job in a temporary folder, from the files that were sent."""
    import ray

    with tempfile.TemporaryDirectory(prefix="yolov4-", ignore_cleanup_errors=True) as scratch:
        folder = Path(scratch, "study")
        original = {str(folder): site.folder}
        working_folder = scratch
        if shipment:
            received = receive(shipment, pieces)
            Path(scratch, shipment.name).symlink_to(received)
            for start in (received, Path(scratch, shipment.name), Path(shipment.name)):
                original |= {f"{start}/{place}": path for path, place in shipment.places.items()}
        elif Path(site.working_folder).is_dir():
            working_folder = site.working_folder

        def packed() -> bytes:
            return pack(folder, [job.result, f"{job.folder}.log"], _with_paths(original))

        unpack(ray.get(files[0]), folder)
        with contextlib.chdir(working_folder):
            yield from _follow(job, folder, host, packed)


def _with_paths(original: dict[str, str]) -> Callable[[str, bytes], bytes]:
    """Replaces the paths of this machine in text files by those that the command knows."""

    def rewrite(name: str, content: bytes) -> bytes:
        for here, there in original.items():
            if name.endswith(".json"):
                here, there = json.dumps(here)[1:-1], json.dumps(there)[1:-1]
            content = content.replace(os.fsencode(here), os.fsencode(there))
        return content

    return rewrite


def _follow(
    job: Job, folder: Path, host: str, packed: Callable[[], bytes] | None = None
) -> Iterator[Report]:
    """Have a job done in a child process, and report its progress.

    Args:
        job: what is to be done.
        folder: the study's, on this machine.
        host: this machine.
        packed: makes what the study keeps of it so far; None: it is in the study's folder.
    """
    run = Run(folder / job.folder)
    _wait_until_free(run.folder)
    log = Path(f"{run.folder}.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    yield Report(host)
    with ThreadPoolExecutor(1) as pool:
        child = pool.submit(call_in_child, _logged, log, job.function, folder, *job.arguments)
        seen, send_after = None, 0.0
        while not wait([child], _POLL).done:
            changed = _changed(run)
            if changed in (seen, None):
                continue
            seen = changed
            report = Report(host, _progress(run))
            if packed and job.result == job.folder and time.monotonic() >= send_after:
                start = time.monotonic()
                report = replace(report, files=packed())
                send_after = time.monotonic() + (time.monotonic() - start) / _SENDING
            yield report
    error = child.exception()
    if isinstance(error, UserError):
        error = UserError(f"on {host}: {error}")
    yield Report(host, _progress(run), packed() if packed else None, ended=True, error=error)


def _logged(log: Path, function: Callable[..., None], *arguments: object) -> None:
    """Call a function whose output goes to the end of a file."""
    with log.open("ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    function(*arguments)


def _changed(run: Run) -> int | None:
    """When the state of a training was saved last; None if it was not."""
    with contextlib.suppress(OSError):
        return run.state_file.stat().st_mtime_ns
    return None


def _progress(run: Run) -> Progress | None:
    with contextlib.suppress(UserError):
        return load_progress(run.state_file)
    return None


def _wait_until_free(folder: Path) -> None:
    end = time.monotonic() + _UNTIL_FREE
    while is_locked(folder) and time.monotonic() < end:
        time.sleep(1.0)
