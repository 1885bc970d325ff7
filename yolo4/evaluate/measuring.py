"""Detections of runs and of text files on annotated images, and what is measured of them."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from utils.annotations import ScanReport, load_dataset
from utils.errors import UserError
from utils.metrics import summary
from utils.metrics.text_boxes import TextBoxes
from utils.records import Detections, Record
from yolo4.evaluate.options import EvaluateOptions
from yolo4.evaluate.report.evaluation import Evaluation
from yolo4.inference.detector import Detector
from yolo4.inference.records import choose_records, detect_records
from yolo4.run import Run


@dataclasses.dataclass(frozen=True)
class Images:
    """The annotated images to measure on."""

    data: Sequence[str]
    split: str
    records: Sequence[Record]
    class_names: Sequence[str]
    report: ScanReport


def choose_images(run: Run, options: EvaluateOptions) -> Images:
    """The images that the options name, or those of the run.

    Raises:
        UserError: no such data set or split.
    """
    config = run.config()
    data = options.data or config.data
    if not data:
        raise UserError(f"{run.folder}: the run has no data set; name one with --data")
    dataset = load_dataset(data, run.class_names(), options.on_bad_data, config.split_seed)
    split, records = choose_records(dataset.splits, options.split)
    return Images(data, split, records, dataset.class_names, dataset.report)


def labels_in(class_names: Sequence[str], run: Run) -> np.ndarray:
    """The label that each class of a run has among `class_names`, int32 `[C]`.

    Raises:
        UserError: the run has other classes.
    """
    own = run.class_names()
    if set(own) != set(class_names):
        differing = sorted(set(own) ^ set(class_names))
        raise UserError(
            f"--against {run.folder}: its classes must be those of the measured run; only one of "
            f"them has {', '.join(differing[:5])}"
        )
    numbers = {name: number for number, name in enumerate(class_names)}
    return np.array([numbers[name] for name in own], np.int32)


def measure_run(run: Run, images: Images, options: EvaluateOptions) -> Evaluation:
    """Detect with a run's network in the images, and measure.

    Raises:
        UserError: the run has other classes than the images.
    """
    labels = labels_in(images.class_names, run)
    found = [
        Detections(each.boxes, each.scores, labels[each.labels])
        for each in _detect(run, images, options)
    ]
    metrics = summary.evaluate(
        found,
        images.records,
        images.class_names,
        options.iou_thresholds,
        coco=True,
        choice=run.score_choice(),
    )
    return Evaluation(
        name=str(run.folder),
        where=f"split {images.split} of {', '.join(images.data)}",
        caveat=_caveat(run, images),
        records=images.records,
        detections=found,
        class_names=images.class_names,
        metrics=metrics,
        has_images=True,
    )


def _detect(run: Run, images: Images, options: EvaluateOptions) -> list[Detections]:
    detector = Detector.from_run(
        run.folder,
        options.postprocess(),
        batch_size=options.batch_size,
        backend=options.backend,
        throughput=True,
        resize=options.resize,
        rect=options.rect,
        precision=options.precision,
    )
    what = f"{run.folder} on {len(images.records)} images, split {images.split}"
    print(f"measuring {what}, with {detector.infer}")
    return detect_records(
        detector.detect_batch,
        images.records,
        detector.batch_size,
        parallel=detector.parallel,
        shape=(lambda record: detector.fit(record.size).input_size) if options.rect else None,
    )


def _caveat(run: Run, images: Images) -> str:
    """What the images have chosen, and whether the training knew them."""
    measured, trained = (
        {Path(path).resolve() for path in paths} for paths in (images.data, run.config().data)
    )
    if measured != trained:
        return "this is not the data of the training, which may have seen some of these images"
    if images.split == "test":
        return "these images chose neither the epoch nor a setting of the training"
    if images.split == "val":
        return "these images chose the epoch, so the number is somewhat too high"
    return "the network was trained on these images, or on part of them, so the number is too high"


def measure_text(
    name: str, boxes: TextBoxes, ground_truth: str, options: EvaluateOptions
) -> Evaluation:
    """Measure the detections of text files.

    Args:
        name: of their folder.
        boxes: detections and ground truth.
        ground_truth: the folder of the latter.
        options: the IoU thresholds.
    """
    metrics = summary.evaluate(
        boxes.detections, boxes.records, boxes.class_names, options.iou_thresholds, coco=True
    )
    return Evaluation(
        name=name,
        where=f"in {ground_truth}",
        caveat="what the detector was trained on, and what chose its settings, is not known",
        records=boxes.records,
        detections=boxes.detections,
        class_names=boxes.class_names,
        metrics=metrics,
        has_images=False,
    )
