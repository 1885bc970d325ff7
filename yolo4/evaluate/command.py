"""Measures a detector on annotated images: a trained run, or the text files of any other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from utils.errors import UserError
from utils.files import make_output, write_atomically, writing_to
from utils.postprocess import EVALUATION, PostprocessSettings
from yolo4.options import check_ranges, option

if TYPE_CHECKING:
    import numpy as np

    from utils.metrics.summary import Metrics
    from utils.records import Detections

    Detect = Callable[[list[np.ndarray]], list[Detections]]


@dataclass(frozen=True)
class EvaluateOptions:
    """What `get_map.py` measures, and how."""

    run: str | None = option(None, "run to measure, logs/<run>; None: the latest", "what")
    data: tuple[str, ...] = option((), "data set; none: the one the run trained on", "what")
    split: str | None = option(None, "train, val, test or all; None: test, else val", "what")
    detections: str | None = option(
        None, "instead of a run: folder of text files, 'class score x1 y1 x2 y2'", "what"
    )
    ground_truth: str | None = option(
        None, "its ground truth: text files, 'class x1 y1 x2 y2 [difficult]'", "what"
    )
    output: str | None = option(
        None, "folder for metrics.json and plots; None: in the run, or ./evaluation", "what"
    )
    on_bad_data: Literal["skip", "error"] = option(
        "skip", "set bad records aside and report them, or stop", "what"
    )
    iou_thresholds: tuple[float, ...] = option(
        (0.5, 0.75), "overlap that makes a detection right; 0.5 is always measured", "how", 0.01, 1
    )
    score_threshold: float = option(
        EVALUATION.score_threshold,
        "detections below are not looked at; low, or recall is lost",
        "how",
        0,
        1,
    )
    nms_threshold: float = option(
        EVALUATION.nms_threshold, "overlap above which the lesser box goes", "how", 0, 1
    )
    nms: Literal["iou", "diou"] = option(
        EVALUATION.nms, "how non-maximum suppression overlaps", "how"
    )
    max_detections: int = option(
        EVALUATION.max_detections, "at most so many per image", "how", low=1
    )
    batch_size: int = option(8, "images per step", "how", low=1)
    backend: Literal["auto", "keras", "openvino", "onnxruntime", "litert"] = option(
        "auto", "what computes; auto: OpenVINO where installed and no GPU, else Keras", "how"
    )

    def __post_init__(self) -> None:
        check_ranges(self)
        if (self.detections is None) != (self.ground_truth is None):
            raise UserError("--detections and --ground-truth belong together: name both folders")
        if self.detections is not None and (self.run or self.data or self.split):
            raise UserError("--detections takes the place of --run, --data and --split: drop these")

    def postprocess(self) -> PostprocessSettings:
        """How detections are selected."""
        return PostprocessSettings(
            self.score_threshold, self.nms_threshold, self.nms, self.max_detections
        )


def measure(options: EvaluateOptions) -> "Metrics":
    """Measure what the options name, write the results and print a table.

    The output folder receives `metrics.json`, `score_thresholds.csv` and three plots.

    Raises:
        UserError: no such run, data set, split or folder, a malformed line in a text file, or the
            output folder cannot be written.
    """
    from_text = options.detections is not None
    metrics, source, output = (_of_text if from_text else _of_run)(options)
    with writing_to(output):
        write_results(metrics, output, source)
    print(f"\n{metrics.table()}\n\nmetrics.json and plots are in {output}")
    return metrics


def write_results(metrics: "Metrics", folder: Path, source: dict[str, str]) -> None:
    """Write the numbers and the plots of an evaluation.

    Args:
        metrics: what was measured.
        folder: made where it is missing.
        source: what was measured, for `metrics.json`.
    """
    from utils.metrics.plots import (
        plot_average_precision,
        plot_precision_recall,
        plot_score_thresholds,
    )

    write_atomically(folder / "metrics.json", metrics.to_json(source=source))
    write_atomically(folder / "score_thresholds.csv", metrics.to_csv())
    names, scores = metrics.voc.class_names, metrics.voc.main
    plot_precision_recall(scores, names, folder / "precision_recall.png")
    plot_score_thresholds(scores, names, folder / "score_thresholds.png")
    plot_average_precision(scores, names, folder / "average_precision.png")


def _of_run(options: EvaluateOptions) -> "tuple[Metrics, dict[str, str], Path]":
    """Measure a trained run; what it was, and the folder for the results."""
    from utils.annotations import load_dataset
    from utils.metrics.summary import evaluate
    from yolo4.inference.records import choose_records
    from yolo4.run import open_run

    run = open_run(options.run)
    config = run.config()
    data = options.data or config.data
    if not data:
        raise UserError(f"{run.folder} has no data set of its own: name one with --data")
    dataset = load_dataset(data, run.class_names(), options.on_bad_data, config.split_seed)
    split, records = choose_records(dataset.splits, options.split)
    output = make_output(Path(options.output or run.folder / "evaluation" / split))
    # Only now, so that a mistake in what was named is told before the network is loaded.
    from yolo4.inference.detector import Detector
    from yolo4.inference.records import detect_records

    detector = Detector.from_run(
        run.folder,
        options.postprocess(),
        batch_size=options.batch_size,
        backend=options.backend,
        throughput=True,
    )
    what = f"{run.folder} on {len(records)} images, split {split}"
    print(f"measuring {what}, with {detector.infer}")
    found = detect_records(
        detector.detect_batch, records, detector.batch_size, parallel=detector.parallel
    )
    metrics = evaluate(found, records, dataset.class_names, options.iou_thresholds, coco=True)
    source = {"run": str(run.folder), "data": ", ".join(data), "split": split}
    return metrics, source, output


def _of_text(options: EvaluateOptions) -> "tuple[Metrics, dict[str, str], Path]":
    """Measure two folders of text files; what they were, and the folder for the results."""
    from utils.metrics.summary import evaluate
    from utils.metrics.text_boxes import read_text_boxes

    read = read_text_boxes(options.detections, options.ground_truth)
    _report("images have no detection file: nothing was found there", read.without_detections)
    _report("objects without area are left out", read.without_area)
    output = make_output(Path(options.output or "evaluation"))
    metrics = evaluate(
        read.detections, read.records, read.class_names, options.iou_thresholds, coco=True
    )
    source = {"detections": str(options.detections), "ground_truth": str(options.ground_truth)}
    return metrics, source, output


def _report(what: str, places: Sequence[str]) -> None:
    if places:
        shown = ", ".join(places[:5]) + (", ..." if len(places) > 5 else "")
        print(f"{len(places)} {what}: {shown}")
