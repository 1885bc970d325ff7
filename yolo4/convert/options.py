"""The options of `python -m yolo4 convert`."""

import dataclasses

from yolo4.config import Config
from yolo4.options import check_ranges, option


@dataclasses.dataclass(frozen=True)
class ConvertOptions:
    """What is converted, and what the weights themselves do not say."""

    weights: str = option(
        "yolov4",
        "a .weights file of Darknet, a Keras file of another program, or the name of a released "
        "file to download: yolov4 or yolov4-tiny",
        "input",
        positional=True,
    )
    cfg: str | None = option(
        None, "Darknet's .cfg of the weights; None: that of the released ones", "input"
    )
    classes: str | None = option(
        None, "file of class names, one per line; None: COCO's, if there are 80 classes", "input"
    )
    anchors: str | None = option(
        None, "file of anchors 'w,h', level by level; None: those of the .cfg, else COCO's", "input"
    )
    input_size: int | tuple[int, int] | None = option(
        None,
        "pixels, multiples of 32: a side, or height and width; None: that of the .cfg, else 416",
        "input",
        low=32,
    )
    output: str | None = option(
        None, "the run folder to make; None: logs/<name of the weights>", "output"
    )

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.input_size is not None:
            Config(input_size=self.input_size)  # refuses a size that the network cannot have
