"""Finds objects in images with a trained network."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nets.networks import YOLOV4, NetworkSpec
from utils.errors import UserError
from utils.image import read_image
from utils.letterbox import Letterbox, fit_image
from utils.postprocess import PREDICTION, PostprocessSettings, select_detections
from utils.records import Detections
from utils.resize import Resize
from yolo4.inference import Backend
from yolo4.inference.engine import Infer, open_engine
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
        batch_size: images per call of `infer`. Its batches have this size or one image, because a
            network is compiled for each size.
        parallel: number of threads from which the detector is fastest to call.
        network: the network that `infer` runs.
        resize: how images are fitted to the input.

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
        network: NetworkSpec = YOLOV4,
        resize: Resize = "letterbox",
    ) -> None:
        if batch_size < 1:
            raise UserError(f"batch_size is {batch_size}; it must be at least 1")
        self.infer = infer
        self.class_names = tuple(class_names)
        self.input_size = input_size
        self.settings = settings
        self.batch_size = batch_size
        self.parallel = parallel
        self.network = network
        self.resize: Resize = resize
        self._calls_with_one = self._calls_with_more = 0

    @classmethod
    def from_run(
        cls,
        run: str | Path | None = None,
        settings: PostprocessSettings = PREDICTION,
        batch_size: int = 8,
        backend: Backend = "auto",
        throughput: bool = False,
        resize: Resize | None = None,
    ) -> "Detector":
        """A detector with the best weights of a training run.

        Args:
            run: the run's folder; None: the latest one.
            settings: how detections are selected.
            batch_size: images per call of the network, unless the backend is fastest with one.
            backend: runs the network; "auto" is the fastest that is installed.
            throughput: optimize for many images in little time rather than for the latency of
                each; call the detector from `parallel` threads then.
            resize: how images are fitted to the input; None: as in the run's training.

        Raises:
            UserError: there is no such run, its files do not fit together, or the backend is not
                installed.
        """
        opened = open_run(run)
        config = opened.config()
        engine = open_engine(opened, backend, throughput)
        return cls(
            engine.infer,
            opened.class_names(),
            config.input_shape,
            settings,
            engine.batch_size or batch_size,
            engine.parallel,
            config.network_spec,
            resize or config.resize,
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
        """Find the objects in any number of images, of any sizes.

        Args:
            images: each uint8 `[H, W, 3]` RGB.

        Returns:
            The detections of each image, as `detect` returns them.
        """
        return [detections for detections, _ in self.detect_with_heat(images, heat=False)]

    def detect_with_heat(
        self, images: Sequence[np.ndarray], heat: bool = True
    ) -> list[tuple[Detections, HeatMap | None]]:
        """As `detect_batch`, with a map of the confidence in each image.

        Args:
            images: each uint8 `[H, W, 3]` RGB.
            heat: whether to compute the maps; they are None otherwise.
        """
        results = []
        grids = self.network.grids(self.input_size)
        for start in range(0, len(images), self.batch_size):
            fitted = [self._fit(image) for image in images[start : start + self.batch_size]]
            outputs = self.infer(self._stack([pixels for pixels, _ in fitted]))
            self._check_class_count(outputs[2].shape[-1])
            for (_, fit), boxes, confidence, scores in zip(fitted, *outputs, strict=False):
                detections = select_detections(boxes, confidence, scores, fit, self.settings)
                grid = confidence_grid(confidence, grids) if heat else None
                results.append((detections, None if grid is None else HeatMap(grid, fit)))
        return results

    def _fit(self, image: np.ndarray) -> tuple[np.ndarray, Letterbox]:
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ValueError(
                f"image is {image.dtype} of shape {image.shape}; it must be uint8 [H, W, 3] RGB"
            )
        return fit_image(image, self.input_size, self.resize)

    def _stack(self, pixels: list[np.ndarray]) -> np.ndarray:
        """The batch, padded with black images to one of the two sizes that are compiled."""
        is_single = len(pixels) == 1
        self._calls_with_one += is_single
        self._calls_with_more += not is_single
        # Compiling the network for one image does not pay off for the remainder of full batches; it
        # does when a second single image comes.
        is_remainder = self._calls_with_more > 0 and self._calls_with_one == 1
        size = 1 if is_single and not is_remainder else self.batch_size
        batch = np.zeros((size, *self.input_size, 3), np.uint8)
        batch[: len(pixels)] = pixels
        return batch

    def _check_class_count(self, count: int) -> None:
        if count != len(self.class_names):
            raise UserError(
                f"the network has {count} classes, but there are {len(self.class_names)} class "
                f"names: {', '.join(self.class_names[:5])}"
            )
