"""The options of `python -m yolo4 data`."""

import dataclasses

from utils.errors import UserError
from utils.resize import Resize
from yolo4.config import Config, NetworkName
from yolo4.options import check_ranges, option

_DEFAULTS = Config()


@dataclasses.dataclass(frozen=True)
class DataOptions:
    """What data is looked at, and for what network."""

    data: tuple[str, ...] = option(
        (), "data set: folders or files; none: the sample data set", "what"
    )
    classes: str | None = option(
        None, "file of class names, one per line; None: as found in the data", "what"
    )
    split_seed: int = option(0, "seed of the splits, if the data has none", "what", low=0)
    output: str = option("data.html", "the page to write", "what")
    network: NetworkName = option(
        _DEFAULTS.network, "the network whose strides and anchors the objects meet", "training"
    )
    input_size: int | tuple[int, int] = option(
        _DEFAULTS.input_size,
        "pixels, multiples of 32: a side, or height and width",
        "training",
        low=32,
    )
    resize: Resize = option(_DEFAULTS.resize, "how an image is fitted to the input", "training")

    def __post_init__(self) -> None:
        check_ranges(self)
        self.settings()  # refuses a size that the network cannot have
        if not self.output.endswith(".html"):
            raise UserError(f"--output is {self.output!r}; expected the name of a page, *.html")

    def settings(self) -> Config:
        """The settings of a training on the data."""
        return Config(
            data=self.data, network=self.network, input_size=self.input_size, resize=self.resize
        )
