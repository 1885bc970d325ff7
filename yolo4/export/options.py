"""The settings of `python -m yolo4 export`."""

import dataclasses
from typing import TYPE_CHECKING, Literal

from utils.errors import UserError
from utils.postprocess import PREDICTION
from yolo4.formats import FORMATS
from yolo4.formats.format import NetworkFormat
from yolo4.options import check_ranges, flag, option

if TYPE_CHECKING:
    FormatName = str
    Precision = str
else:  # the registry is the only list of formats
    FormatName = Literal[tuple(FORMATS)]
    Precision = Literal[
        tuple(dict.fromkeys(name for entry in FORMATS.values() for name in entry.precisions))
    ]


@dataclasses.dataclass(frozen=True)
class ExportOptions:
    """All settings of an export; each is a flag."""

    run: str | None = option(None, "folder of the training run; None: the latest", "what")
    format: FormatName = option("onnx", "format of the model", "what")
    output: str | None = option(None, "folder; None: export/<format> in the run", "what")
    outputs: Literal["detections", "logits"] = option(
        "detections", "boxes, scores and labels, or the raw logits of each level", "what"
    )
    with_nms: bool = option(False, "let the model suppress overlapping boxes", "what")
    input_type: Literal["uint8", "float32"] = option("uint8", "type of the pixels 0..255", "what")
    batch_size: int | None = option(None, "images per call; None: any number", "what", low=1)
    precision: Precision = option(
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
        None, "image that the model is tried on; None: one of the run's data set", "check"
    )
    data: tuple[str, ...] = option(
        (),
        "data set that float16 and int8 are measured and calibrated on, and that the image comes "
        "from; none: the one the run was trained on",
        "check",
    )
    calibration_images: int = option(100, "images that calibrate OpenVINO's int8", "check", low=1)

    def __post_init__(self) -> None:
        check_ranges(self)
        chosen = FORMATS[self.format]
        if self.precision not in chosen.precisions:
            allowed = " or ".join(chosen.precisions)
            raise UserError(
                f"--precision is {self.precision!r}; --format {self.format} takes {allowed}"
            )
        if isinstance(chosen, NetworkFormat):
            for name in ("outputs", "input_type", "batch_size"):
                if getattr(self, name) != getattr(type(self), name):
                    raise UserError(
                        f"{flag(name)}: --format {self.format} has no such setting; remove it"
                    )
        if not self.with_nms:
            self._refuse("score_threshold", "nms_threshold", "max_detections", unless="--with-nms")
        if self.precision == "float32":
            self._refuse("calibration_images", unless="--precision int8")
        if self.with_nms and not chosen.has_nms:
            formats = ", ".join(entry.name for entry in FORMATS.values() if entry.has_nms)
            raise UserError(
                f"--with-nms: --format {self.format} has no operator for it; {formats} have one"
            )
        if self.with_nms and self.outputs == "logits":
            raise UserError("--with-nms suppresses boxes; remove it or --outputs logits")

    def _refuse(self, *names: str, unless: str) -> None:
        """Refuse settings that would change nothing."""
        for name in names:
            if getattr(self, name) != getattr(type(self), name):
                raise UserError(f"{flag(name)} changes nothing without {unless}: remove it")
