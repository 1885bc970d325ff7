"""One run of a study in a separate process: trains, starting or continuing, then measures."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.annotations import FoundData, find_data
from utils.files.lock import locked
from utils.metrics.calibration import ScoreChoice
from utils.records import Detections, Record
from yolo4.compare.arms import Arm
from yolo4.compare.options import Measure
from yolo4.compare.planning.folds import as_fold
from yolo4.compare.running.machine import note_machine
from yolo4.compare.study_files import (
    MeasuredImages,
    Study,
    StudyRun,
    save_detections,
    write_json,
)
from yolo4.config import Config
from yolo4.environment.streams import prepare_streams
from yolo4.quiet import quiet_start


def train_and_measure(
    folder: Path,
    arm: Arm,
    reference: Arm,
    shared: Config,
    seed: int,
    folds: int,
    measure: Measure,
    settings: Mapping[str, Any],
) -> None:
    """Finish one run, from its current state.

    Args:
        folder: the study's folder.
        arm: the run's arm.
        reference: the arm whose settings count the positives.
        shared: the settings of all runs.
        seed: the run's seed.
        folds: number of folds, of which the run tests `seed % folds`; 0: the data's own splits.
        measure: which of the run's weights are measured.
        settings: those that the arm's trials have chosen.

    Raises:
        UserError: the data or the settings do not allow training.
    """
    prepare_streams()
    study = Study(folder)
    run = dataclasses.replace(study.run(arm.folder, seed), measure=measure)
    images = MeasuredImages.load(study.measured_file(seed, folds))
    with quiet_start():
        from yolo4.train.devices.opening import open_devices

        open_devices(shared)
        from yolo4.train.callbacks.finite import NonFiniteLossError
    fold = images if folds else None
    try:
        shared = dataclasses.replace(shared, run_dir=str(run.folder))
        count = shared.positives_per_image or study.positives_per_image(seed)
        if count is None and arm != reference:
            count = _positives_per_image(reference.config(shared, seed), fold)
        config = arm.config(dataclasses.replace(shared, positives_per_image=count), seed)
        _train(run, arm, dataclasses.replace(config, **settings), fold)
    except NonFiniteLossError:  # the run has kept why
        return
    with locked(run.folder):  # also sweeps what a killed process has left
        _measure(run, images)


def _positives_per_image(reference: Config, fold: MeasuredImages | None) -> float | None:
    """By what all runs with a seed divide their loss, even if an arm changes what is assigned.

    It is counted with the settings of the reference. The first run with a seed counts it for the
    others, and those that begin at the same time count it too.
    """
    from yolo4.train.setup import prepare

    return prepare(reference, _found(reference, fold)).config.positives_per_image


def _train(run: StudyRun, arm: Arm, config: Config, fold: MeasuredImages | None) -> None:
    import keras

    from yolo4.compare.loss.diagnosis import LossAnalysisCallback
    from yolo4.compare.loss.matching import matched_gain
    from yolo4.compare.running.control import PerturbWeights
    from yolo4.train.loop import resume_run, start_run
    from yolo4.train.setup import TrainingSetup, prepare
    from yolo4.train.state.progress import recover_progress

    def callbacks(setup: TrainingSetup) -> list[keras.callbacks.Callback]:
        note_machine(run)
        analysis = LossAnalysisCallback(setup.run, setup.config, setup.val, setup.class_names)
        return [*([PerturbWeights(setup.run, config.seed)] if arm.is_control else []), analysis]

    if run.config_file.is_file():
        progress, config = recover_progress(run), run.config()
        if progress.epoch < config.epochs and not progress.stopped_early:
            resume_run(run.folder, callbacks, _found(config, fold))
        return
    with locked(run.folder):
        setup = prepare(config, _found(config, fold))
        if arm.protocol == "matched":
            gain = matched_gain(setup)
            print(f"confidence gain {gain:.4g}: the initial gradient is as large as BCE's")
            matched = dataclasses.replace(setup.config, confidence_gain=gain)
            setup = dataclasses.replace(setup, config=matched)
        start_run(setup, callbacks)


def _found(config: Config, fold: MeasuredImages | None) -> FoundData | None:
    """The data as divided for a fold; None: as it is divided itself."""
    return None if fold is None else as_fold(find_data(config.data), fold)


def _measure(run: StudyRun, images: MeasuredImages) -> None:
    """Analyze the confidence loss with the measured weights, and detect objects in the images."""
    from utils.metrics.voc_map import evaluate_voc
    from utils.postprocess import EVALUATION
    from yolo4.compare.loss.diagnosis import diagnose
    from yolo4.inference.detector import Detector
    from yolo4.inference.records import detect_records

    detector = Detector.from_run(
        run,
        EVALUATION,
        backend="keras",  # in full precision, so that the arms differ in nothing else
    )
    write_json(run.diagnosis_file, diagnose(run, images.val))

    def detect(records: Sequence[Record]) -> list[Detections]:
        return detect_records(detector.detect_batch, records, detector.batch_size)

    if run.measure == "last":
        voc = evaluate_voc(detect(images.val), images.val, images.class_names)
        ScoreChoice.of(voc.main.overall).save(run.last_choice_file)
    detections = detect(images.records)
    save_detections(run.detections_file, detections)
