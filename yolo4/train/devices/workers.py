"""A training by several workers, which are started alike: the chief writes the run, all train."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from utils.errors import UserError
from utils.files.lock import locked
from yolo4.config import Config
from yolo4.environment.devices import Cluster
from yolo4.quiet import quiet_start
from yolo4.run import Run

# Names of TensorFlow's errors, which is not imported for them alone.
_OF_EXCHANGES = {
    "AbortedError",
    "CancelledError",
    "DeadlineExceededError",
    "FailedPreconditionError",
    "InternalError",
    "UnavailableError",
}


def join_workers(config: Config) -> None:
    """If TF_CONFIG names several workers, wait for all of them.

    They meet before they read the data, so that all of them notice if one fails from then on.

    Raises:
        UserError: as `open_devices`.
    """
    cluster = Cluster.of_environment()
    if cluster.workers == 1:
        return
    role = "the chief, which writes the run" if cluster.is_chief else "which only trains"
    print(f"worker {cluster.worker} of {cluster.workers}, {role}: waiting for all", flush=True)
    with quiet_start():
        from yolo4.train.devices.opening import open_devices

        open_devices(config)


@contextlib.contextmanager
def written_run(run: Run, resumed: bool = False) -> Iterator[Run]:
    """Within the block, the run that this process writes: this one, locked, if it is the chief.

    The other workers keep a copy of their own in a temporary folder, so that they need no folder in
    common while they train, and print nothing.

    Args:
        run: the run.
        resumed: whether the run has begun; then all workers must be able to read its folder.

    Raises:
        FolderInUseError: another process owns the run.
        UserError: another worker has ended.
    """
    with _explained_loss(run), _written(run, resumed) as written:
        yield written


@contextlib.contextmanager
def _explained_loss(run: Run) -> Iterator[None]:
    """Within the block, an exchange that failed is one line."""
    try:
        yield
    except Exception as error:
        if Cluster.of_environment().workers == 1 or type(error).__name__ not in _OF_EXCHANGES:
            raise
        raise UserError(
            "another worker has ended or cannot be reached, so this one ends; if the training has "
            f"begun, the workers that are left resume it with --resume {run.folder}"
        ) from None


@contextlib.contextmanager
def _written(run: Run, resumed: bool) -> Iterator[Run]:
    if Cluster.of_environment().is_chief:
        advice = "" if resumed else "name a folder that can be written with --run-dir"
        with locked(run.folder, otherwise=advice):
            yield run
        return
    with (
        tempfile.TemporaryDirectory(prefix="yolov4-worker-") as folder,
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
    ):
        copy = Run(Path(folder))
        if resumed:
            for file in run.files_of_resuming:
                if file.exists():
                    shutil.copy(file, copy.folder / file.name)
        yield copy
