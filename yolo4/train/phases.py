"""Trains a network phase by phase: first with a frozen backbone, then all of it."""

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from functools import partial

import keras

from nets.yolov4 import YOLOv4
from utils.errors import UserError
from utils.training_data.dataset import TrainingSet
from utils.training_data.worker_processes import ProcessBatchMaker, batch_maker
from yolo4.build import build_criterion, build_model, set_precision
from yolo4.config import Config
from yolo4.train.batches import TrainingBatches
from yolo4.train.callbacks.events import DetectionEvents
from yolo4.train.callbacks.finite import StopOnNonFinite
from yolo4.train.callbacks.history import History, SaveState
from yolo4.train.callbacks.progress_bar import ProgressBar
from yolo4.train.callbacks.progress_page import ProgressPage
from yolo4.train.callbacks.validation import Validation
from yolo4.train.callbacks.within_epoch import SaveWithinEpoch
from yolo4.train.data import training_set
from yolo4.train.devices.alike import require_alike
from yolo4.train.devices.devices import ONE_DEVICE, Devices
from yolo4.train.devices.opening import open_devices
from yolo4.train.optimizer.compile import compile_for_phase, compiled_by_xla, jit_compile
from yolo4.train.setup import TrainingSetup
from yolo4.train.state.beginning import note_devices, save_beginning, save_first_batches
from yolo4.train.state.checkpoint import load_state
from yolo4.train.state.progress import Progress
from yolo4.train.validation import Evaluator

Callbacks = Sequence[keras.callbacks.Callback]


def begin_training(setup: TrainingSetup, callbacks: Callable[[TrainingSetup], Callbacks]) -> None:
    """Train a new run.

    Args:
        setup: what `prepare` returned.
        callbacks: makes further callbacks, for the setup with its precision.

    Raises:
        UserError: the initial weights do not fit, or the run folder cannot be written.
        NonFiniteLossError: the training diverged.
    """
    # The precision is stored as resolved, so that "auto" does not change on another machine.
    devices = open_devices(setup.config)
    config = dataclasses.replace(setup.config, precision=set_precision(setup.config))
    setup = dataclasses.replace(setup, config=config)
    model = seeded_model(setup, devices)
    sizes = ", ".join(f"{width}x{height}" for height, width in config.training_sizes)
    print(f"network: {model.count_params():,} weights, {config.precision}, {sizes}")
    print(f"compiled by XLA: {compiled_by_xla(devices)}")
    if devices.count > 1:
        print(devices.summary(config.batch_size, config.sync_batch_norm))
    if lines := load_initial_weights(setup, model):
        print(lines)
    if config.freeze_bn:
        _require_statistics(model, config)
    progress = Progress(training_images=len(setup.train))
    _train_phases(setup, devices, model, progress, callbacks(setup), resumed=False)


def continue_training(
    setup: TrainingSetup, progress: Progress, callbacks: Callable[[TrainingSetup], Callbacks]
) -> None:
    """Train the rest of a run from its saved state.

    Args:
        setup: what `prepare_resume` returned.
        progress: how far the state is.
        callbacks: makes further callbacks for the setup.

    Raises:
        UserError: the state is damaged or of another network.
        NonFiniteLossError: the training diverged.
    """
    devices = open_devices(setup.config)
    set_precision(setup.config)
    model = seeded_model(setup, devices)
    progress.resumed.append(progress.position)
    note_devices(setup.run.fingerprint_file, devices.description)
    _train_phases(setup, devices, model, progress, callbacks(setup), resumed=True)


def seeded_model(setup: TrainingSetup, devices: Devices = ONE_DEVICE) -> YOLOv4:
    """The network with random weights, which depend on the seed of the settings alone."""
    keras.utils.set_random_seed(setup.config.seed)
    with devices.scope():
        model = build_model(setup.config, len(setup.class_names))
    if devices.strategy and setup.config.sync_batch_norm:
        model.synchronize_statistics()
    return model


def load_initial_weights(setup: TrainingSetup, model: YOLOv4) -> str:
    """Fill a network with the initial weights of its settings, if they name any.

    Args:
        setup: the setup of a run that has not started.
        model: from `seeded_model`; with `fresh_heads`, its heads stay as they are.

    Returns:
        Lines for the log; empty without initial weights.

    Raises:
        UserError: the weights are damaged or do not fit.
    """
    if setup.weights is None:
        return ""
    heads = {}
    if setup.config.fresh_heads:
        heads = {layer: layer.get_weights() for layer in heads_of(model)}
    lines = setup.weights.load_into(model)
    for layer, values in heads.items():
        layer.set_weights(values)
    return f"{lines}\nthe heads start fresh" if heads else lines


def heads_of(model: YOLOv4) -> list[keras.layers.Conv2D]:
    """The last convolutions, one for each level; they alone have a bias."""
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    return [layer for layer in convolutions if layer.use_bias]


def _require_statistics(model: YOLOv4, config: Config) -> None:
    """Refuse initial weights that are only a part of the network's, such as a backbone's."""
    norms = model.batch_norms()
    filled = sum(norm.has_statistics for norm in norms)
    if filled < len(norms):
        raise UserError(
            f"--freeze-bn: {config.weights} has the statistics of {filled} of the {len(norms)} "
            "batch normalizations; it must have all of them"
        )


def _train_phases(
    setup: TrainingSetup,
    devices: Devices,
    model: YOLOv4,
    progress: Progress,
    callbacks: Callbacks,
    resumed: bool,
) -> None:
    """Train the phases that are left."""
    config, run = setup.config, setup.run
    require_alike(devices, setup, model, progress.position)
    model.criterion = build_criterion(config, setup.anchors)
    dataset = training_set(config, setup.train)
    evaluator = Evaluator(
        setup.val, setup.class_names, config.input_shape, config.batch_size, config.resize, devices
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
        if not (jit_compile(devices) or devices.strategy) and len(dataset.sizes) == 1:
            model.compile_ahead(dataset.max_objects, batch_size)
        model.freeze_backbone(frozen)
        steps = dataset.steps(batch_size)
        compile_for_phase(model, config, first, steps, batch_size, devices)
        # Between the phases too: Keras's `fit` ends with the averaged weights in the model, but
        # training continues with the raw ones, as a resumed run does.
        if resumed or progress.has_begun:
            within_phase = (progress.epoch, progress.step) > (first, 0)
            load_state(run.state_file, model, optimizer=within_phase)
            resumed = False
            if not (progress.has_begun or run.batch_picture.exists()):
                # Older versions wrote the state first.
                save_first_batches(setup, model, dataset, batch_size, devices.description)
        else:
            save_beginning(setup, model, progress, dataset, batch_size, devices.description)
        if frozen:
            print(f"the backbone is frozen up to epoch {last}")
        own_part = dataset.share(devices.cluster.worker, devices.cluster.workers)
        with batch_maker(own_part, batch_size, config.workers) as maker:
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
    devices.wait_for_all()


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
    validation = Validation(config, run, evaluator, progress)
    history = History(run, progress, config.epochs, config.eval_period)
    every = [
        StopOnNonFinite(run),
        bar,
        SaveWithinEpoch(run, progress, batches, config.save_minutes),
        validation,
        *callbacks,
        history,
        ProgressPage(setup, validation, history),
        SaveState(run, progress),
    ]
    if keras.backend.backend() == "tensorflow":  # both write their events with TensorFlow
        every.append(keras.callbacks.TensorBoard(run.events_folder, write_graph=False))
        every.append(DetectionEvents(setup, validation))
    with contextlib.closing(bar), batches.original_errors():
        model.fit(
            batches,
            initial_epoch=progress.epoch,
            epochs=last_epoch,
            shuffle=False,
            verbose=0,  # pyright: ignore[reportArgumentType]  # Keras's type is that of "auto"
            callbacks=every,
        )
