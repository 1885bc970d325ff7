"""Finds objects in images with a trained network."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from nets.networks import YOLOV4, NetworkSpec
from utils.errors import UserError
from utils.image import read_image
from utils.letterbox import Letterbox
from utils.postprocess import PREDICTION, PostprocessSettings, Prediction
from utils.records import Detections
from utils.resize import Resize
from yolo4.inference import Backend, Precision
from yolo4.inference.engine import Infer, open_engine
from yolo4.inference.heatmap import HeatMap, confidence_grid
from yolo4.inference.pipeline import in_batches
from yolo4.run import Run, open_run
from yolo4.weights.own import require_network


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
        rect: whether each image is fitted to the smallest input that holds it, whose sides are
            multiples of the network's largest stride, rather than padded to `input_size`.

    Raises:
        UserError: `batch_size` is below 1, or `rect` is set and images are stretched.
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
        rect: bool = False,
    ) -> None:
        _check_rect(rect, resize)
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
        self.rect = rect
        self._calls_with_one = self._calls_with_more = 0

    @classmethod
    def from_run(
        cls,
        run: str | Path | Run | None = None,
        settings: PostprocessSettings = PREDICTION,
        batch_size: int = 8,
        backend: Backend = "auto",
        throughput: bool = False,
        resize: Resize | None = None,
        rect: bool = False,
        precision: Precision = "auto",
    ) -> "Detector":
        """A detector with the best weights of a training run.

        Args:
            run: the run or its folder; None: the latest one.
            settings: how detections are selected.
            batch_size: images per call of the network, unless the backend is fastest with one.
            backend: runs the network; "auto" is the fastest that is installed.
            throughput: optimize for many images in little time rather than for the latency of
                each; call the detector from `parallel` threads then.
            resize: how images are fitted to the input; None: as in the run's training.
            rect: as for `Detector`.
            precision: of the arithmetic; "int8" needs OpenVINO and the run's data set, and is used
                if it keeps the mAP on the validation images.

        Raises:
            UserError: there is no such run, its files do not fit together, the backend is not
                installed, or `rect` is set and images are stretched or the backend cannot do it.
        """
        opened = run if isinstance(run, Run) else open_run(run)
        config = opened.config()
        _check_rect(rect, resize or config.resize)  # before the network starts
        require_network(opened)
        engine = open_engine(opened, backend, throughput, rect, precision)
        return cls(
            engine.infer,
            opened.class_names(),
            config.input_shape,
            settings,
            engine.batch_size or batch_size,
            engine.parallel,
            config.network_spec,
            resize or config.resize,
            rect,
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
        results = {
            number: (prediction.select(self.settings), self._heat_map(prediction) if heat else None)
            for number, prediction in self._predictions(images)
        }
        return [results[number] for number in range(len(images))]

    def predict(self, image: np.ndarray) -> Prediction:
        """What the network outputs for one image, to select detections from more than once.

        Args:
            image: uint8 `[H, W, 3]` RGB.
        """
        ((_, prediction),) = self._predictions([image])
        return prediction

    def _predictions(self, images: Sequence[np.ndarray]) -> Iterator[tuple[int, Prediction]]:
        """The number of each image and its prediction, those of one shape after another."""
        fits = [self._fit(image) for image in images]
        for numbers in self._calls(fits):
            outputs = self.infer(self._stack([fits[n].draw(images[n]) for n in numbers]))
            self._check_class_count(outputs[2].shape[-1])
            for number, boxes, confidence, scores in zip(numbers, *outputs, strict=False):
                yield number, Prediction(boxes, confidence, scores, fits[number])

    def fit(self, source_size: tuple[int, int]) -> Letterbox:
        """Where an image of this width and height is in the network's input."""
        fit = Letterbox.fit(source_size, self.input_size, self.resize)
        return fit.trimmed(self.network.input_multiple) if self.rect else fit

    def _fit(self, image: np.ndarray) -> Letterbox:
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ValueError(
                f"image is {image.dtype} of shape {image.shape}; it must be uint8 [H, W, 3] RGB"
            )
        return self.fit((image.shape[1], image.shape[0]))

    def _calls(self, fits: Sequence[Letterbox]) -> Iterator[list[int]]:
        """Numbers of the images of each call of the network, in which all have the same shape."""
        by_shape: dict[tuple[int, int], list[int]] = {}
        for number, fit in enumerate(fits):
            by_shape.setdefault(fit.input_size, []).append(number)
        for numbers in by_shape.values():
            yield from in_batches(numbers, self.batch_size)

    def _heat_map(self, prediction: Prediction) -> HeatMap:
        grids = self.network.grids(prediction.letterbox.input_size)
        return HeatMap(confidence_grid(prediction.confidence, grids), prediction.letterbox)

    def _stack(self, pixels: list[np.ndarray]) -> np.ndarray:
        """The batch, padded with black images to one of the two sizes that are compiled."""
        is_single = len(pixels) == 1
        self._calls_with_one += is_single
        self._calls_with_more += not is_single
        # Compiling the network for one image does not pay off for the remainder of full batches; it
        # does when a second single image comes.
        is_remainder = self._calls_with_more > 0 and self._calls_with_one == 1
        size = 1 if is_single and not is_remainder else self.batch_size
        batch = np.zeros((size, *pixels[0].shape), np.uint8)
        batch[: len(pixels)] = pixels
        return batch

    def _check_class_count(self, count: int) -> None:
        if count != len(self.class_names):
            raise UserError(
                f"the network has {count} classes, but there are {len(self.class_names)} class "
                f"names: {', '.join(self.class_names[:5])}"
            )


def _check_rect(rect: bool, resize: Resize) -> None:
    if rect and resize == "stretch":
        raise UserError(
            "--rect leaves out padding, but stretched images have none; it needs --resize letterbox"
        )
