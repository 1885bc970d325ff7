"""Trains a network: a new run, or the rest of a run that was stopped."""

import contextlib
import dataclasses
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import keras

from nets.yolov4 import YOLOv4
from utils.anchors import format_anchors
from utils.annotations import FoundData
from utils.errors import UserError
from utils.files.lock import locked
from utils.files.writing import write_atomically
from utils.process.signals import explained_interruption
from utils.training_data.dataset import TrainingSet
from utils.training_data.worker_processes import ProcessBatchMaker, batch_maker
from yolo4.build import build_criterion, build_model, set_precision
from yolo4.config import Config
from yolo4.run import Run, open_run
from yolo4.train.batches import TrainingBatches
from yolo4.train.callbacks import CheckpointAndHistory, ProgressBar, StopOnNonFinite, Validation
from yolo4.train.checkpoint import (
    Progress,
    fingerprint,
    load_progress,
    load_state,
    recover_progress,
    save_state,
)
from yolo4.train.optimizer import compile_for_phase, compiled_by_xla, jit_compile
from yolo4.train.previews import save_batch
from yolo4.train.saving import SaveWithinEpoch
from yolo4.train.setup import (
    TrainingSetup,
    data_digest,
    new_run,
    prepare,
    prepare_resume,
    require_same_data,
    training_set,
)
from yolo4.train.validation import Evaluator

Callbacks = Sequence[keras.callbacks.Callback]
MakeCallbacks = Callable[[TrainingSetup], Callbacks]


def train_model(
    config: Config,
    callbacks: MakeCallbacks = lambda setup: (),
    found: FoundData | None = None,
) -> Run:
    """Train a new run.

    Args:
        config: the settings.
        callbacks: makes further callbacks for the setup of the run.
        found: what `utils.annotations.find_data` has found at `config.data`, if it was called.

    Returns:
        The run: its folder holds the weights, the history and the settings.

    Raises:
        UserError: the data or the settings are not usable, or the run folder is in use or holds
            something; it is left as it was then.
        NonFiniteLossError: the training diverged.
    """
    run = new_run(config)
    with locked(run.folder):
        config = dataclasses.replace(config, run_dir=str(run.folder))
        return start_run(prepare(config, found), callbacks)


def start_run(setup: TrainingSetup, callbacks: MakeCallbacks = lambda setup: ()) -> Run:
    """Train a new run whose data has been read and whose folder the caller has locked.

    Args:
        setup: what `prepare` returned.
        callbacks: as in `train_model`.

    Raises:
        UserError: the initial weights do not fit, or the run folder cannot be written.
        NonFiniteLossError: the training diverged.
    """
    with explained_interruption(lambda: _how_to_go_on(setup.run)):
        _start(setup, callbacks)
    return setup.run


def _start(setup: TrainingSetup, callbacks: MakeCallbacks) -> None:
    # The precision is stored as resolved, so that "auto" does not change on another machine.
    config = dataclasses.replace(setup.config, precision=set_precision(setup.config))
    setup = dataclasses.replace(setup, config=config)
    keras.utils.set_random_seed(config.seed)
    model = build_model(config, len(setup.class_names))
    sizes = ", ".join(f"{width}x{height}" for height, width in config.training_sizes)
    print(f"network: {model.count_params():,} weights, {config.precision}, {sizes}")
    print(f"compiled by XLA: {compiled_by_xla()}")
    if setup.weights:
        print(setup.weights.load_into(model))
    if config.freeze_bn:
        _require_statistics(model, config)
    progress = Progress(training_images=len(setup.train))
    _fit(setup, model, progress, callbacks(setup), resumed=False)


def resume_run(
    folder: str | Path,
    callbacks: MakeCallbacks = lambda setup: (),
    found: FoundData | None = None,
) -> Run:
    """Resume a run from its saved state, with the same result as without the interruption.

    Args:
        folder: the run folder.
        callbacks: as in `train_model`.
        found: as in `train_model`.

    Raises:
        UserError: there is no such run, it is finished, it has no saved state, or its data has
            changed.
        NonFiniteLossError: the training diverged.
    """
    run = open_run(folder)
    with locked(run.folder), explained_interruption(lambda: _how_to_go_on(run)):
        _resume(run, callbacks, found)
    return run


def _resume(run: Run, callbacks: MakeCallbacks, found: FoundData | None) -> None:
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
    set_precision(config)
    keras.utils.set_random_seed(config.seed)
    print(f"resuming {folder} from {progress.position}; it has {config.epochs} epochs")
    model = build_model(config, len(setup.class_names))
    _fit(setup, model, progress, callbacks(setup), resumed=True)


def _further(folder: str | Path) -> str:
    """How to train the weights of a finished run further.

    More epochs alone would be another training: they change the learning rate of every step.
    """
    return f"to train its weights further, start a new run with --weights {folder}"


def _require_statistics(model: YOLOv4, config: Config) -> None:
    """Refuse initial weights that are only a part of the network's, such as a backbone's."""
    norms = model.batch_norms()
    filled = sum(norm.has_statistics for norm in norms)
    if filled < len(norms):
        raise UserError(
            f"--freeze-bn: {config.weights} has the statistics of {filled} of the {len(norms)} "
            "batch normalizations; it must have all of them"
        )


def _how_to_go_on(run: Run) -> str:
    """What an interrupted training says."""
    if not run.config_file.is_file():
        return "\nstopped before the training began; the same command begins it again"
    saved = load_progress(run.state_file).position
    return (
        f"\nstopped; everything up to {saved} is saved. "
        f"Resume with: python train.py --resume {run.folder}"
    )


def _fit(
    setup: TrainingSetup, model: YOLOv4, progress: Progress, callbacks: Callbacks, resumed: bool
) -> None:
    """Train the remaining phases: first with a frozen backbone, then everything."""
    config, run = setup.config, setup.run
    model.criterion = build_criterion(config, setup.anchors)
    dataset = training_set(setup)
    evaluator = Evaluator(
        setup.val, setup.class_names, config.input_shape, config.batch_size, config.resize
    )
    phases = (
        (0, config.freeze_epochs, config.freeze_batch_size, True),
        (config.freeze_epochs, config.epochs, config.batch_size, False),
    )
    for first, last, batch_size, frozen in phases:
        if not first <= progress.epoch < last:
            continue
        # Each of several sizes is compiled when it first comes: ahead, all would compete with the
        # first steps for the processor.
        if not jit_compile() and len(dataset.sizes) == 1:
            model.compile_ahead(dataset.max_objects, batch_size)
        model.freeze_backbone(frozen)
        compile_for_phase(model, config, first, dataset.steps(batch_size), batch_size)
        # Between the phases too: Keras's `fit` ends with the averaged weights in the model, but
        # training continues with the raw ones, as a resumed run does.
        if resumed or progress.has_begun:
            within_phase = (progress.epoch, progress.step) > (first, 0)
            load_state(run.state_file, model, optimizer=within_phase)
            resumed = False
            if not (progress.has_begun or run.batch_picture.exists()):
                # Older versions wrote the state first.
                _save_first_batches(setup, model, dataset, batch_size)
        else:
            _save_beginning(setup, model, progress, dataset, batch_size)
        if frozen:
            print(f"the backbone is frozen up to epoch {last}")
        with batch_maker(dataset, batch_size, config.workers) as maker:
            run_until = partial(
                _run_epochs, setup, model, maker, batch_size, evaluator, progress, callbacks
            )
            if progress.step:  # `fit` trains whole epochs: the rest of one is trained by itself
                run_until(progress.epoch + 1)
                load_state(run.state_file, model, optimizer=True)
            if progress.epoch < last and not model.stop_training:
                run_until(last)
        if model.stop_training:
            break


def _save_beginning(
    setup: TrainingSetup, model: YOLOv4, progress: Progress, dataset: TrainingSet, batch_size: int
) -> None:
    """Write what is known before the first step: a run that has a config can be resumed.

    So the config is the last file. A folder without it is an unfinished beginning, which the next
    training overwrites.
    """
    run = setup.run
    try:
        for state in (run.state_file, run.previous_state_file):
            state.unlink(missing_ok=True)  # of another beginning, which had other settings
        write_atomically(run.classes_file, "".join(f"{name}\n" for name in setup.class_names))
        write_atomically(run.anchors_file, format_anchors(setup.anchors) + "\n")
        data_digest(setup).save(run.data_file)
        write_atomically(run.data_report_file, setup.data_report.to_csv())
        _save_first_batches(setup, model, dataset, batch_size)
        save_state(run.state_file, model, progress)
        write_atomically(run.config_file, setup.config.to_json())
    except OSError as error:
        raise UserError(f"{run.folder}: cannot be written: {error}") from error


def _save_first_batches(
    setup: TrainingSetup, model: YOLOv4, dataset: TrainingSet, batch_size: int
) -> None:
    """Write the fingerprint of an untrained network and its first batches, and their picture."""
    run, hashes = setup.run, fingerprint(model, dataset, batch_size)
    write_atomically(run.fingerprint_file, json.dumps(hashes) + "\n")
    save_batch(run.batch_picture, *dataset.batch(0, 0, batch_size), setup.class_names)


def _run_epochs(
    setup: TrainingSetup,
    model: YOLOv4,
    maker: TrainingSet | ProcessBatchMaker,
    batch_size: int,
    evaluator: Evaluator,
    progress: Progress,
    callbacks: Callbacks,
    last_epoch: int,
) -> None:
    config, run = setup.config, setup.run
    batches = TrainingBatches(maker, batch_size, progress.epoch, config.workers, progress.step)
    bar = ProgressBar(config.epochs, batches, progress)
    every = [
        StopOnNonFinite(),
        bar,
        SaveWithinEpoch(run, progress, batches, config.save_minutes),
        Validation(config, run, evaluator, progress),
        *callbacks,
        CheckpointAndHistory(run, progress, config.epochs),
    ]
    if keras.backend.backend() == "tensorflow":  # the callback writes its events with TensorFlow
        every.append(keras.callbacks.TensorBoard(run.events_folder, write_graph=False))
    with contextlib.closing(bar), batches.original_errors():
        model.fit(
            batches,
            initial_epoch=progress.epoch,
            epochs=last_epoch,
            shuffle=False,
            verbose=0,  # pyright: ignore[reportArgumentType]  # Keras's type is that of "auto"
            callbacks=every,
        )
