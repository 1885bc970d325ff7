"""What an export format states about itself and does."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras

    from nets.yolov4 import YOLOv4
    from yolo4.run import Run

Runtime = Callable[[np.ndarray], dict[str, np.ndarray]]
"""From images `[B, H, W, 3]` of the model's input type to its outputs by name."""

Quantize = Callable[["keras.Model", Path, Path, np.ndarray], None]
"""Writes a model in a lower precision, from the model, its float32 file, the file to write and the
images `[N, H, W, 3]` that int8 is calibrated on."""


@dataclass(frozen=True, kw_only=True)
class Format:
    """What every export format states.

    Attributes:
        name: the value of `--format`.
        files: names of the files, or of the one folder, that an export writes; the first is the one
            that other programs open.
        has_nms: whether the format has an operator for non-maximum suppression.
        folder_contents: a file that the format's folder contains; an export never replaces a
            folder without it. None: the format is no folder.
    """

    name: str
    files: tuple[str, ...]
    has_nms: bool = False
    folder_contents: str | None = None

    @property
    def file(self) -> str:
        """The file, or folder, that other programs open."""
        return self.files[0]

    @property
    def precisions(self) -> tuple[str, ...]:
        """The values of `--precision` that the format allows."""
        return ("float32",)


@dataclass(frozen=True, kw_only=True)
class ModelFormat(Format):
    """A format that stores a whole model: from raw pixels to named outputs.

    Attributes:
        write: writes a model, which maps `images` to a mapping of outputs, to a path that ends in
            `file`. It raises UserError if a library that it needs is not installed.
        open: opens a file with the format's own runtime, to compute in float32. The runtime may be
            called from several threads at once; no Keras model is built for it.
        quantize: how to write each lower precision.
        fast_precision: the precision in which this processor runs a float32 model fastest.
        open_fast: like `open`, in `fast_precision`; None: that is float32.
    """

    write: Callable[["keras.Model", Path], None]
    open: Callable[[Path], Runtime]
    quantize: Mapping[str, Quantize] = field(default_factory=dict)
    fast_precision: Callable[[], str] = lambda: "float32"
    open_fast: Callable[[Path], Runtime] | None = None

    @property
    def precisions(self) -> tuple[str, ...]:
        """The values of `--precision` that the format allows."""
        return ("float32", *self.quantize)

    def open_fastest(self, path: Path) -> Runtime:
        """Open a file to run as fast as this processor can."""
        return (self.open_fast or self.open)(path)


@dataclass(frozen=True, kw_only=True)
class NetworkFormat(Format):
    """A format that stores the network alone: its reader fits images and decodes logits itself.

    Attributes:
        export: writes a float32 network of a run to a folder, tries the files on an image (uint8
            `[H, W, 3]` RGB of the input size), and returns a line for the log. It raises UserError
            if the files differ from the network.
    """

    export: Callable[["YOLOv4", "Run", Path, np.ndarray], str]
