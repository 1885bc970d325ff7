"""What `python -m yolo4.export` writes, and how."""

import dataclasses
from typing import Literal

from utils.errors import UserError
from utils.postprocess import PREDICTION
from yolo4.options import check_ranges, flag, option

# Which formats have an operator for non-maximum suppression, and which other precisions.
WITH_NMS = ("onnx", "openvino", "saved_model")
PRECISIONS = {"openvino": ("float32", "float16", "int8"), "litert": ("float32", "float16", "int8")}


@dataclasses.dataclass(frozen=True)
class ExportOptions:
    """All settings of an export, which makes a flag of each field."""

    run: str | None = option(None, "folder of the training run; None: the latest", "what")
    format: Literal["onnx", "openvino", "litert", "saved_model", "keras", "darknet"] = option(
        "onnx", "what other programs read", "what"
    )
    output: str | None = option(None, "folder; None: export/<format> in the run", "what")
    outputs: Literal["detections", "logits"] = option(
        "detections", "boxes, scores and labels, or the raw logits p3, p4, p5", "what"
    )
    with_nms: bool = option(False, "let the model suppress overlapping boxes", "what")
    input_type: Literal["uint8", "float32"] = option("uint8", "type of the pixels 0..255", "what")
    batch_size: int | None = option(None, "images per call; None: any number", "what", low=1)
    precision: Literal["float32", "float16", "int8"] = option(
        "float32", "of the weights; int8: of the convolutions' arithmetic too", "what"
    )
    score_threshold: float = option(
        PREDICTION.score_threshold, "lowest score of a detection", "nms", 0, 1
    )
    nms_threshold: float = option(
        PREDICTION.nms_threshold,
        "overlap above which the worse of two boxes is suppressed",
        "nms",
        0,
        1,
    )
    max_detections: int = option(
        PREDICTION.max_detections, "most detections per image", "nms", low=1
    )
    image: str | None = option(
        None, "the model is tried on it; None: one of the run's data set", "check"
    )
    data: tuple[str, ...] = option(
        (),
        "data set that float16 and int8 are measured and calibrated on, and that gives the picture "
        "to try the model on; none: the one the run trained on",
        "check",
    )
    calibration_images: int = option(100, "images that OpenVINO's int8 looks at", "check", low=1)

    def __post_init__(self) -> None:
        check_ranges(self)
        allowed = PRECISIONS.get(self.format, ("float32",))
        if self.precision not in allowed:
            raise UserError(
                f"--precision {self.precision}: {self.format} is written in {' or '.join(allowed)}"
            )
        if self.format == "darknet":
            for name in ("outputs", "input_type", "batch_size"):
                if getattr(self, name) != getattr(type(self), name):
                    raise UserError(f"{flag(name)}: Darknet's format has no such thing; drop it")
        if self.with_nms and self.format not in WITH_NMS:
            raise UserError(
                f"--with-nms: {self.format} has no operator for it; {', '.join(WITH_NMS)} have"
            )
        if self.with_nms and self.outputs == "logits":
            raise UserError("--with-nms suppresses boxes; drop it, or --outputs logits")
