"""Finds objects in images with a trained network."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from utils.errors import UserError
from utils.image import Letterbox, letterbox, read_image
from utils.postprocess import PREDICTION, PostprocessSettings, select_detections
from utils.records import Detections
from yolo4.inference.engine import Backend, Infer, open_engine
from yolo4.inference.heatmap import HeatMap, confidence_grid
from yolo4.run import open_run


class Detector:
    """Finds objects in images: a network, and the selection of detections from its output.

    Args:
        infer: from images, uint8 `[B, H, W, 3]` RGB, to boxes `[B, N, 4]` (xyxy in input pixels),
            confidence `[B, N]` and class scores `[B, N, C]`, as `nets.decode.decode` gives them.
        class_names: names of the C classes.
        input_size: height and width of the network's input in pixels.
        settings: how detections are selected.
        batch_size: images per call of `infer`. It sees batches of this size and of one only,
            because a network is compiled for each size.
        parallel: number of threads that should call the detector at once.

    Raises:
        UserError: `batch_size` is below 1.
    """

    def __init__(
        self,
        infer: Infer,
        class_names: Sequence[str],
        input_size: tuple[int, int],
        settings: PostprocessSettings = PREDICTION,
        batch_size: int = 8,
        parallel: int = 1,
    ) -> None:
        if batch_size < 1:
            raise UserError(f"batch_size is {batch_size}; it must be at least 1")
        self.infer = infer
        self.class_names = tuple(class_names)
        self.input_size = input_size
        self.settings = settings
        self.batch_size = batch_size
        self.parallel = parallel
        self._batches = {False: 0, True: 0}  # so far: of one image, and of more

    @classmethod
    def from_run(
        cls,
        run: str | Path | None = None,
        settings: PostprocessSettings = PREDICTION,
        batch_size: int = 8,
        backend: Backend = "auto",
        throughput: bool = False,
    ) -> "Detector":
        """A detector with the best weights of a training run.

        Args:
            run: the run's folder; the latest one if None.
            settings: how detections are selected.
            batch_size: images per call of the network, if the backend gains from more than one.
            backend: what runs the network; "auto" is the fastest that is installed.
            throughput: optimize for many images in little time rather than for the latency of
                each; call the detector from `parallel` threads.

        Raises:
            UserError: no such run, its files do not fit together, or the backend is not installed.
        """
        opened = open_run(run)
        engine = open_engine(opened, backend, throughput)
        return cls(
            engine.infer,
            opened.class_names(),
            opened.config().input_shape,
            settings,
            engine.batch_size or batch_size,
            engine.parallel,
        )

    def detect(self, image: str | Path | np.ndarray) -> Detections:
        """Find the objects in one image.

        Args:
            image: a file, or uint8 `[H, W, 3]` RGB.

        Returns:
            Boxes in pixels of the image, best score first.

        Raises:
            ImageError: the file cannot be read.
            ValueError: the array is not an RGB image.
        """
        return self.detect_batch([image if isinstance(image, np.ndarray) else read_image(image)])[0]

    def detect_batch(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """Find the objects in images of any number and sizes.

        Args:
            images: each uint8 `[H, W, 3]` RGB.

        Returns:
            For each image its detections, as `detect`.
        """
        return [detections for detections, _ in self.detect_with_heat(images, heat=False)]

    def detect_with_heat(
        self, images: Sequence[np.ndarray], heat: bool = True
    ) -> list[tuple[Detections, HeatMap | None]]:
        """As `detect_batch`, and where in each image the network is confident of an object.

        Args:
            images: each uint8 `[H, W, 3]` RGB.
            heat: None stands in the place of each map otherwise.
        """
        found = []
        for start in range(0, len(images), self.batch_size):
            fitted = [self._fit(image) for image in images[start : start + self.batch_size]]
            outputs = self.infer(self._stack([pixels for pixels, _ in fitted]))
            self._check(outputs[2].shape[-1])
            for (_, fit), boxes, confidence, scores in zip(fitted, *outputs, strict=False):
                grid = confidence_grid(confidence, self.input_size) if heat else None
                detections = select_detections(boxes, confidence, scores, fit, self.settings)
                found.append((detections, HeatMap(grid, fit) if heat else None))
        return found

    def _fit(self, image: np.ndarray) -> tuple[np.ndarray, Letterbox]:
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ValueError(
                f"image is {image.dtype} of shape {image.shape}; it must be uint8 [H, W, 3] RGB"
            )
        return letterbox(image, self.input_size)

    def _stack(self, pixels: list[np.ndarray]) -> np.ndarray:
        """The batch, filled up with black images to one of the two sizes that are compiled."""
        batches = self._batches
        batches[len(pixels) > 1] += 1
        # One image behind full batches is not worth compiling the network again; a second one is.
        is_straggler = batches[True] > 0 and batches[False] == 1
        size = 1 if len(pixels) == 1 and not is_straggler else self.batch_size
        batch = np.zeros((size, *self.input_size, 3), np.uint8)
        batch[: len(pixels)] = pixels
        return batch

    def _check(self, count: int) -> None:
        if count != len(self.class_names):
            raise UserError(
                f"the network knows {count} classes, but {len(self.class_names)} are named: "
                + ", ".join(self.class_names[:5])
            )
