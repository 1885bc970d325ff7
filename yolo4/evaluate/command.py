"""Measures a detector on annotated images: a trained run, or the text files of any detector."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from utils.files.lock import output_folder
from utils.files.writing import write_atomically, writing_to
from utils.metrics.plots import (
    plot_average_precision,
    plot_precision_recall,
    plot_score_thresholds,
)
from utils.metrics.summary import Metrics
from utils.metrics.text_boxes import of_common_classes, read_text_boxes
from utils.postprocess import EVALUATION, PostprocessSettings
from utils.printable import printable
from yolo4.evaluate.measuring import choose_images, labels_in, measure_run, measure_text
from yolo4.evaluate.options import EvaluateOptions
from yolo4.evaluate.report.evaluation import Evaluation
from yolo4.inference import Backend
from yolo4.run import Run, open_run
from yolo4.weights.own import require_network


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
    return measure_run(opened, choose_images(opened, options), options).metrics


def _evaluate_run(options: EvaluateOptions) -> None:
    """Measure a trained run, and another one on the same images if one is named."""
    run = open_run(options.run)
    runs = [run] if options.against is None else [run, open_run(options.against)]
    for each in runs:
        require_network(each)
    images = choose_images(run, options)
    for other in runs[1:]:
        labels_in(images.class_names, other)
    source = {"run": str(run.folder), "data": ", ".join(images.data), "split": images.split}
    # Before the network starts, so that an error does not wait for it.
    with output_folder(Path(options.output or run.folder / "evaluation" / images.split)) as output:
        with writing_to(output):
            write_atomically(output / run.data_report_file.name, images.report.to_csv())
        evaluations = [measure_run(each, images, options) for each in runs]
        _report(evaluations, output, source)


def _evaluate_text(detections: str, ground_truth: str, options: EvaluateOptions) -> None:
    """Measure the detections in a folder of text files, and in another one if it is named."""
    folders = [detections] if options.against is None else [detections, options.against]
    boxes = of_common_classes([read_text_boxes(folder, ground_truth) for folder in folders])
    for folder, each in zip(folders, boxes, strict=True):
        of_folder = "" if len(folders) == 1 else f"{folder}: "
        _remark(
            "images have no detection file and count as without detections",
            each.without_detections,
            of_folder,
        )
    _remark("objects without area are ignored", boxes[0].without_area)
    source = {"detections": detections, "ground_truth": ground_truth}
    with output_folder(Path(options.output or "evaluation")) as output:
        evaluations = [
            measure_text(folder, each, ground_truth, options)
            for folder, each in zip(folders, boxes, strict=True)
        ]
        _report(evaluations, output, source)


def _report(evaluations: Sequence[Evaluation], output: Path, source: dict[str, str]) -> None:
    """Write the results of the first evaluation, and a page of all; print the tables."""
    # A mistake in the options or the data does not wait for SciPy and Jinja.
    from yolo4.evaluate.report.page import write_report

    with writing_to(output):
        write_results(evaluations[0].metrics, output, source)
        page = write_report(evaluations[0], output, *evaluations[1:])
    for each in evaluations:
        title = f"{printable(each.name)}: " if len(evaluations) > 1 else ""
        print(f"\n{title}{each.metrics.table()}")
    print(f"\nmetrics.json and plots are in {output}\npage: {page}")


def _remark(what: str, names: Sequence[str], of_folder: str = "") -> None:
    if names:
        shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        print(printable(f"{of_folder}{len(names)} {what}: {shown}"))


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
