"""The options of `get_map.py`."""

from dataclasses import dataclass
from typing import Literal

from utils.errors import UserError
from utils.postprocess import EVALUATION, PostprocessSettings
from utils.resize import Resize
from yolo4.inference import (
    BACKEND_HELP,
    PRECISION_HELP,
    RECT_HELP,
    RESIZE_HELP,
    Backend,
    Precision,
)
from yolo4.options import check_ranges, flag, option

# What acts on a network only, and not on the text files of a detector.
_OF_THE_NETWORK = ("score_threshold", "nms_threshold", "nms", "max_detections")
_OF_THE_NETWORK += ("resize", "rect", "batch_size", "backend", "precision", "on_bad_data")


@dataclass(frozen=True)
class EvaluateOptions:
    """All options of `get_map.py`; each field is a flag."""

    run: str | None = option(None, "run to measure, logs/<run>; None: the latest", "what")
    data: tuple[str, ...] = option((), "data set; none: the one the run was trained on", "what")
    split: str | None = option(None, "train, val, test or all; None: test, else val", "what")
    detections: str | None = option(
        None, "instead of a run: folder of text files, 'class score x1 y1 x2 y2'", "what"
    )
    ground_truth: str | None = option(
        None, "its ground truth: text files, 'class x1 y1 x2 y2 [difficult]'", "what"
    )
    against: str | None = option(
        None, "second run, or folder of text files: what one finds and the other does not", "what"
    )
    output: str | None = option(
        None,
        "folder for report.html, metrics.json and plots; None: in the run, or ./evaluation",
        "what",
    )
    on_bad_data: Literal["skip", "error"] = option(
        "skip", "skip bad records and report them, or stop", "what"
    )
    iou_thresholds: tuple[float, ...] = option(
        (0.5, 0.75), "smallest IoU of a true positive; 0.5 is always measured", "how", 0.01, 1
    )
    score_threshold: float = option(
        EVALUATION.score_threshold,
        "lowest score of a detection; keep it low, or recall is lost",
        "how",
        0,
        1,
    )
    nms_threshold: float = option(
        EVALUATION.nms_threshold,
        "overlap above which the lower-scoring of two boxes is suppressed",
        "how",
        0,
        1,
    )
    nms: Literal["iou", "diou"] = option(EVALUATION.nms, "how the overlap is measured", "how")
    max_detections: int = option(
        EVALUATION.max_detections, "most detections per image", "how", low=1
    )
    resize: Resize | None = option(None, RESIZE_HELP, "how")
    rect: bool = option(False, RECT_HELP, "how")
    batch_size: int = option(8, "images per call of the network", "how", low=1)
    backend: Backend = option("auto", BACKEND_HELP, "how")
    precision: Precision = option("auto", PRECISION_HELP, "how")

    def __post_init__(self) -> None:
        check_ranges(self)
        if (self.detections is None) != (self.ground_truth is None):
            raise UserError("--detections and --ground-truth go together: name both folders")
        if self.detections is not None and (self.run or self.data or self.split):
            raise UserError("--detections replaces --run, --data and --split: remove these")
        for name in _OF_THE_NETWORK if self.detections is not None else ():
            if getattr(self, name) != getattr(type(self), name):
                raise UserError(
                    f"{flag(name)} changes nothing about the text files of --detections: remove it"
                )

    def postprocess(self) -> PostprocessSettings:
        """How detections are selected."""
        return PostprocessSettings(
            self.score_threshold, self.nms_threshold, self.nms, self.max_detections
        )
