"""Trains a network: a new run, or the rest of a run that was stopped.

Keras is imported when everything else is settled: a mistake in the data does not wait for it.
"""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from utils.annotations import FoundData
from utils.errors import UserError
from utils.process.signals import explained_interruption
from yolo4.config import Config
from yolo4.quiet import quiet_start
from yolo4.run import Run, open_run
from yolo4.train.devices.workers import join_workers, written_run
from yolo4.train.page.state import change_state, end_on_page
from yolo4.train.setup import TrainingSetup, new_run, prepare, prepare_resume
from yolo4.train.state.progress import load_progress, recover_progress
from yolo4.train.state.same_data import require_same_data

if TYPE_CHECKING:
    import keras

MakeCallbacks = Callable[[TrainingSetup], "Sequence[keras.callbacks.Callback]"]


def train_model(config: Config, callbacks: MakeCallbacks = lambda setup: ()) -> Run:
    """Train a new run.

    Args:
        config: the settings.
        callbacks: makes further callbacks for the setup of the run.

    Returns:
        The run: its folder holds the weights, the history and the settings.

    Raises:
        UserError: the data or the settings are not usable, or the run folder is in use or holds
            something; it is left as it was then.
        NonFiniteLossError: the training diverged.
    """
    join_workers(config)
    run = new_run(config)
    with written_run(run) as written:
        config = dataclasses.replace(config, run_dir=str(written.folder))
        start_run(prepare(config), callbacks)
    return run


def start_run(setup: TrainingSetup, callbacks: MakeCallbacks = lambda setup: ()) -> Run:
    """Train a new run whose data has been read and whose folder the caller has locked.

    Args:
        setup: what `prepare` returned.
        callbacks: as in `train_model`.

    Raises:
        UserError: the initial weights do not fit, or the run folder cannot be written.
        NonFiniteLossError: the training diverged.
    """
    with explained_interruption(lambda: _interrupted(setup.run)):
        with quiet_start():
            from yolo4.train.devices.opening import open_devices

            open_devices(setup.config)
            from yolo4.train.phases import begin_training
        with end_on_page(setup.run):
            begin_training(setup, callbacks)
    return setup.run


def resume_run(
    folder: str | Path,
    callbacks: MakeCallbacks = lambda setup: (),
    found: FoundData | None = None,
    devices: str | None = None,
) -> Run:
    """Resume a run from its saved state, with the same result as without the interruption.

    Args:
        folder: the run folder.
        callbacks: as in `train_model`.
        found: as for `yolo4.train.data.read_data`.
        devices: those to train on from here; None: as the run's settings say.

    Raises:
        UserError: there is no such run, it is finished, it has no saved state, or its data has
            changed.
        NonFiniteLossError: the training diverged.
    """
    run = open_run(folder)
    if devices is None:
        devices = run.config().devices
    join_workers(dataclasses.replace(run.config(), devices=devices))
    with (
        written_run(run, resumed=True) as written,
        explained_interruption(lambda: _interrupted(run)),
    ):
        _resume(written, callbacks, found, devices)
    return run


def _resume(run: Run, callbacks: MakeCallbacks, found: FoundData | None, devices: str) -> None:
    folder, config, progress = run.folder, run.config(), recover_progress(run)
    if config.positives_per_image is None:
        raise UserError(
            f"{run.config_file}: found no positives_per_image, by which the loss is divided: an "
            f"older version began this run; start a new one with --weights {folder}"
        )
    if progress.epoch >= config.epochs:
        raise UserError(f"{folder}: all its {config.epochs} epochs are done; {_further(folder)}")
    if progress.stopped_early:
        raise UserError(
            f"{folder}: --early-stopping ended it after epoch {progress.epoch}: "
            f"no better mAP since epoch {progress.best_epoch}; {_further(folder)}"
        )
    setup = prepare_resume(run, found)
    require_same_data(setup, progress.training_images)
    setup = dataclasses.replace(setup, config=dataclasses.replace(setup.config, devices=devices))
    with quiet_start():
        from yolo4.train.devices.opening import open_devices

        open_devices(setup.config)
        from yolo4.train.phases import continue_training
    print(f"resuming {folder} from {progress.position}; it has {config.epochs} epochs")
    run.failure_file.unlink(missing_ok=True)
    change_state(run, "Resumed", f" from {progress.position}; no validation since then.")
    with end_on_page(run):
        continue_training(setup, progress, callbacks)


def _further(folder: str | Path) -> str:
    """How to train the weights of a finished run further.

    More epochs alone would be another training: they change the learning rate of every step.
    """
    return f"to train its weights further, start a new run with --weights {folder}"


def _interrupted(run: Run) -> str:
    """What an interrupted training says; its page says it too."""
    if not run.config_file.is_file():
        return "\nstopped before the training began; the same command begins it again"
    saved = load_progress(run.state_file).position
    words = (
        f"; everything up to {saved} is saved. Resume with: python train.py --resume {run.folder}"
    )
    change_state(run, "Interrupted", words)
    return f"\nstopped{words}"
