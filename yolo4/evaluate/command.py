"""Measures a detector on annotated images: a trained run, or the text files of any detector."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from utils.annotations import ScanReport, load_dataset
from utils.errors import UserError
from utils.files.lock import output_folder
from utils.files.writing import write_atomically, writing_to
from utils.metrics import summary
from utils.metrics.plots import (
    plot_average_precision,
    plot_precision_recall,
    plot_score_thresholds,
)
from utils.metrics.summary import Metrics
from utils.metrics.text_boxes import read_text_boxes
from utils.postprocess import EVALUATION, PostprocessSettings
from utils.printable import printable
from utils.records import Detections, Record
from yolo4.evaluate.options import EvaluateOptions
from yolo4.evaluate.report.evaluation import Evaluation
from yolo4.evaluate.report.page import write_report
from yolo4.inference import Backend
from yolo4.inference.detector import Detector
from yolo4.inference.records import choose_records, detect_records
from yolo4.run import Run, open_run


def evaluate(options: EvaluateOptions) -> None:
    """Measure what the options name, write the results and print a table.

    The output folder receives `report.html` and the copies of its pictures, `metrics.json`,
    `score_thresholds.csv` and three plots; and for a run `data_report.csv`, what was skipped or
    changed in the data.

    Raises:
        UserError: no such run, data set, split or folder, a malformed line in a text file, or the
            output folder cannot be written.
        FolderInUseError: another process writes to the output folder.
    """
    if options.detections is None or options.ground_truth is None:
        _evaluate_run(options)
    else:
        _evaluate_text(options.detections, options.ground_truth, options)


def evaluate_run(
    run: Run | str | Path | None = None,
    data: Sequence[str] = (),
    split: str | None = None,
    settings: PostprocessSettings = EVALUATION,
    backend: Backend = "auto",
) -> Metrics:
    """Measure a trained run on annotated images, without writing results.

    The network that was exported for the backend is kept in the run's `engines/`.

    Args:
        run: the run or its folder; the latest run if None.
        data: folders or files of a data set; the one that the run was trained on if empty.
        split: "train", "val", "test" or "all"; test if there is one, else val, if None.
        settings: how detections are selected.
        backend: what runs the network; "auto" is the fastest that is installed.

    Raises:
        UserError: no such run, data set or split, or the backend is not installed.
    """
    options = EvaluateOptions(
        data=tuple(data), split=split, backend=backend, **dataclasses.asdict(settings)
    )
    opened = run if isinstance(run, Run) else open_run(run)
    return _measure(opened, _choose_images(opened, options), options)[1]


@dataclasses.dataclass(frozen=True)
class _Images:
    """The annotated images to measure on."""

    data: Sequence[str]
    split: str
    records: Sequence[Record]
    class_names: Sequence[str]
    report: ScanReport


def _evaluate_run(options: EvaluateOptions) -> None:
    """Measure a trained run."""
    run = open_run(options.run)
    run.require_network()
    images = _choose_images(run, options)
    source = {"run": str(run.folder), "data": ", ".join(images.data), "split": images.split}
    # Before the network starts, so that an error does not wait for it.
    with output_folder(Path(options.output or run.folder / "evaluation" / images.split)) as output:
        with writing_to(output):
            write_atomically(output / run.data_report_file.name, images.report.to_csv())
        detections, metrics = _measure(run, images, options)
        evaluation = Evaluation(
            name=str(run.folder),
            where=f"split {images.split} of {source['data']}",
            caveat=_caveat(run, images),
            records=images.records,
            detections=detections,
            class_names=images.class_names,
            metrics=metrics,
            has_images=True,
        )
        _report(evaluation, output, source)


def _caveat(run: Run, images: _Images) -> str:
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


def _choose_images(run: Run, options: EvaluateOptions) -> _Images:
    config = run.config()
    data = options.data or config.data
    if not data:
        raise UserError(f"{run.folder}: the run has no data set; name one with --data")
    dataset = load_dataset(data, run.class_names(), options.on_bad_data, config.split_seed)
    split, records = choose_records(dataset.splits, options.split)
    return _Images(data, split, records, dataset.class_names, dataset.report)


def _measure(
    run: Run, images: _Images, options: EvaluateOptions
) -> tuple[list[Detections], Metrics]:
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
    detections = detect_records(
        detector.detect_batch,
        images.records,
        detector.batch_size,
        parallel=detector.parallel,
        shape=(lambda record: detector.fit(record.size).input_size) if options.rect else None,
    )
    metrics = summary.evaluate(
        detections,
        images.records,
        images.class_names,
        options.iou_thresholds,
        coco=True,
        choice=run.score_choice(),
    )
    return detections, metrics


def _evaluate_text(detections: str, ground_truth: str, options: EvaluateOptions) -> None:
    """Measure the detections in a folder of text files against the ground truth in another."""
    boxes = read_text_boxes(detections, ground_truth)
    _remark(
        "images have no detection file and count as without detections", boxes.without_detections
    )
    _remark("objects without area are ignored", boxes.without_area)
    source = {"detections": detections, "ground_truth": ground_truth}
    with output_folder(Path(options.output or "evaluation")) as output:
        metrics = summary.evaluate(
            boxes.detections, boxes.records, boxes.class_names, options.iou_thresholds, coco=True
        )
        evaluation = Evaluation(
            name=detections,
            where=f"in {ground_truth}",
            caveat="what the detector was trained on, and what chose its settings, is not known",
            records=boxes.records,
            detections=boxes.detections,
            class_names=boxes.class_names,
            metrics=metrics,
            has_images=False,
        )
        _report(evaluation, output, source)


def _report(evaluation: Evaluation, output: Path, source: dict[str, str]) -> None:
    with writing_to(output):
        write_results(evaluation.metrics, output, source)
        page = write_report(evaluation, output)
    print(f"\n{evaluation.metrics.table()}\n\nmetrics.json and plots are in {output}")
    print(f"page: {page}")


def _remark(what: str, names: Sequence[str]) -> None:
    if names:
        shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        print(printable(f"{len(names)} {what}: {shown}"))


def write_results(metrics: Metrics, folder: Path, source: dict[str, str]) -> None:
    """Write the metrics and the plots of an evaluation.

    Args:
        metrics: what was measured.
        folder: created if it is missing.
        source: names of what was measured, for `metrics.json`.
    """
    write_atomically(folder / "metrics.json", metrics.to_json(source=source))
    write_atomically(folder / "score_thresholds.csv", metrics.to_csv())
    names, scores = metrics.voc.class_names, metrics.voc.main
    plot_precision_recall(scores, names, folder / "precision_recall.png")
    plot_score_thresholds(scores, names, folder / "score_thresholds.png")
    plot_average_precision(scores, names, folder / "average_precision.png")
