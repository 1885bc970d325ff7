"""The options of `predict.py`."""

import dataclasses
from typing import Literal

from utils.postprocess import PREDICTION, PostprocessSettings
from utils.resize import Resize
from yolo4.inference import (
    BACKEND_HELP,
    PRECISION_HELP,
    RECT_HELP,
    RESIZE_HELP,
    Backend,
    Precision,
)
from yolo4.options import check_ranges, option


@dataclasses.dataclass(frozen=True)
class PredictOptions:
    """All options of `predict.py`; each field is a flag."""

    sources: tuple[str, ...] = option(
        (),
        "image files, folders, 'glob patterns', videos, webcam numbers, stream URLs; "
        "none: the test images of the run's data set",
        "input",
        positional=True,
    )
    run: str | None = option(None, "folder of the training run; None: the latest", "input")
    output: str = option("output", "folder for the results", "output")
    crop: bool = option(False, "also write the pixels of each box", "output")
    count: bool = option(False, "also print the number of objects of each class", "output")
    heatmap: bool = option(False, "also write the confidence as colors over the image", "output")
    show: bool = option(
        False, "also show results in a window; any key: next image, q: stop", "output"
    )
    score_threshold: float = option(
        PREDICTION.score_threshold, "lowest score of a detection", "detection", 0, 1
    )
    nms_threshold: float = option(
        PREDICTION.nms_threshold,
        "overlap above which the lower-scoring of two boxes is suppressed",
        "detection",
        0,
        1,
    )
    nms: Literal["iou", "diou"] = option(PREDICTION.nms, "how the overlap is measured", "detection")
    max_detections: int = option(
        PREDICTION.max_detections, "most detections per image", "detection", low=1
    )
    resize: Resize | None = option(None, RESIZE_HELP, "detection")
    rect: bool = option(False, RECT_HELP, "detection")
    batch_size: int = option(8, "images per call of the network", "detection", low=1, high=1024)
    backend: Backend = option("auto", BACKEND_HELP, "detection")
    precision: Precision = option("auto", PRECISION_HELP, "detection")

    def __post_init__(self) -> None:
        check_ranges(self)

    def postprocess(self) -> PostprocessSettings:
        """How detections are selected."""
        return PostprocessSettings(
            self.score_threshold, self.nms_threshold, self.nms, self.max_detections
        )
