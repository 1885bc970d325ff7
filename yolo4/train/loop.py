"""Trains a network as the settings say, from the start or from where a run stopped."""

import contextlib
import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import keras

from nets.yolov4 import YOLOv4
from utils.anchors import format_anchors
from utils.errors import UserError
from utils.files import write_atomically
from utils.training_data.worker_processes import batch_maker
from yolo4 import build as models
from yolo4.config import Config
from yolo4.run import Run, open_run
from yolo4.train.batches import TrainingBatches
from yolo4.train.callbacks import CheckpointAndHistory, ProgressBar, StopOnNonFinite, Validation
from yolo4.train.checkpoint import Progress, load_progress, load_state, save_state
from yolo4.train.fingerprint import fingerprint
from yolo4.train.optimizer import compile_for_phase, compiled_by_xla, jit_compile
from yolo4.train.previews import save_batch
from yolo4.train.setup import TrainingSetup, prepare, prepare_again, training_set
from yolo4.train.validation import Evaluator

Watchers = Sequence[keras.callbacks.Callback]
Watch = Callable[[TrainingSetup], Watchers]


def train(config: Config, watch: Watch = lambda setup: ()) -> Run:
    """Train from the start.

    Args:
        config: the settings.
        watch: makes further callbacks.

    Raises:
        UserError: bad data or settings, or the run folder is in use; nothing is written then.
        NonFiniteLossError: the training diverged.
    """
    return train_prepared(prepare(config), watch)


def train_prepared(setup: TrainingSetup, watch: Watch = lambda setup: ()) -> Run:
    """Train from the start, with data and initial weights that were read before.

    Args:
        setup: what `prepare` returned.
        watch: makes further callbacks.

    Raises:
        UserError: the weights do not fit, or the run folder cannot be written.
        NonFiniteLossError: the training diverged.
    """
    # Stored as chosen, so that "auto" means the same on another machine.
    config = dataclasses.replace(setup.config, precision=models.set_precision(setup.config))
    setup = dataclasses.replace(setup, config=config)
    keras.utils.set_random_seed(config.seed)
    model = models.build_model(config, len(setup.class_names))
    print(f"network: {model.count_params():,} weights, {config.precision}, {_size_text(config)}")
    print(f"compiled by XLA: {compiled_by_xla()}")
    if setup.weights:
        print(setup.weights.load_into(model))
    _create_folder(setup)
    _fit(setup, model, Progress(training_images=len(setup.train)), watch(setup), resumed=False)
    return setup.run


def resume(folder: str | Path, watch: Watch = lambda setup: ()) -> Run:
    """Go on with a run after its last finished epoch, as if it had never stopped.

    Args:
        folder: of the run.
        watch: as `train` takes it.

    Raises:
        UserError: no such run, it has ended, it has no state, or its data has changed.
        NonFiniteLossError: the training diverged.
    """
    run = open_run(folder)
    config, progress = run.config(), load_progress(run.state_file)
    if progress.epoch >= config.epochs:
        raise UserError(f"{folder}: all its {config.epochs} epochs are done")
    if progress.stopped_early:
        raise UserError(
            f"{folder}: it ended early after epoch {progress.epoch}, as --early-stopping says: "
            f"no better mAP since epoch {progress.best_epoch}"
        )
    setup = prepare_again(run)
    if len(setup.train) != progress.training_images:
        raise UserError(
            f"{', '.join(config.data)}: {len(setup.train)} training images now, "
            f"{progress.training_images} when the run began; resuming needs the same data"
        )
    models.set_precision(config)
    keras.utils.set_random_seed(config.seed)
    print(f"going on with {folder} after epoch {progress.epoch} of {config.epochs}")
    model = models.build_model(config, len(setup.class_names))
    _fit(setup, model, progress, watch(setup), resumed=True)
    return run


def _create_folder(setup: TrainingSetup) -> None:
    try:
        write_atomically(setup.run.classes_file, "".join(f"{name}\n" for name in setup.class_names))
        write_atomically(setup.run.anchors_file, format_anchors(setup.anchors) + "\n")
        write_atomically(setup.run.config_file, setup.config.to_json())
    except OSError as error:
        raise UserError(f"{setup.run.folder}: cannot be written: {error}") from error


def _fit(
    setup: TrainingSetup, model: YOLOv4, progress: Progress, watchers: Watchers, resumed: bool
) -> None:
    """Train the phases that are left: first with a frozen backbone, then everything."""
    config, run = setup.config, setup.run
    model.criterion = models.build_criterion(config, setup.anchors)
    dataset = training_set(setup)
    validator = Evaluator(setup.val, setup.class_names, config.input_shape, config.batch_size)
    phases = (
        (0, config.freeze_epochs, config.freeze_batch_size, True),
        (config.freeze_epochs, config.epochs, config.batch_size, False),
    )
    for first, last, batch_size, frozen in phases:
        if not first <= progress.epoch < last:
            continue
        if not jit_compile():
            model.compile_ahead(dataset.max_objects, batch_size)
        model.freeze_backbone(frozen)
        compile_for_phase(model, config, first, dataset.steps(batch_size), batch_size)
        # Also between the phases: where Keras leaves the averaged weights, training goes on with
        # the raw ones, as a resumed run does.
        if resumed or progress.epoch > 0:
            load_state(run.state_file, model, optimizer=progress.epoch > first)
            resumed = False
        else:
            save_state(run.state_file, model, progress)
            write_atomically(
                run.fingerprint_file, json.dumps(fingerprint(model, dataset, batch_size)) + "\n"
            )
            save_batch(run.batch_picture, *dataset.batch(0, 0, batch_size), setup.class_names)
        if frozen:
            print(f"the backbone is frozen up to epoch {last}")
        with batch_maker(dataset, batch_size, config.workers) as maker:
            batches = TrainingBatches(maker, batch_size, progress.epoch, config.workers)
            _run_phase(setup, model, batches, last, validator, progress, watchers)
        if model.stop_training:
            break


def _run_phase(
    setup: TrainingSetup,
    model: YOLOv4,
    batches: TrainingBatches,
    last_epoch: int,
    validator: Evaluator,
    progress: Progress,
    watchers: Watchers,
) -> None:
    config, run = setup.config, setup.run
    bar = ProgressBar(config.epochs, batches)
    callbacks = [
        StopOnNonFinite(),
        bar,
        Validation(config, run, validator, progress),
        *watchers,
        CheckpointAndHistory(run, progress, config.epochs),
    ]
    if keras.backend.backend() == "tensorflow":  # which the callback writes its events with
        callbacks.append(keras.callbacks.TensorBoard(run.events_folder, write_graph=False))
    try:
        with contextlib.closing(bar), batches.own_errors():
            model.fit(
                batches,
                initial_epoch=progress.epoch,
                epochs=last_epoch,
                shuffle=False,
                verbose=0,
                callbacks=callbacks,
            )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"\nstopped; everything up to the end of epoch {load_progress(run.state_file).epoch} "
            "is saved. "
            f"Go on with: python train.py --resume {run.folder}"
        ) from None


def _size_text(config: Config) -> str:
    height, width = config.input_shape
    return f"{width}x{height}"
