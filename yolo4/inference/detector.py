"""Finds objects in images with a trained network."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from utils.errors import UserError
from utils.image import Letterbox, letterbox, read_image
from utils.nms import nms as suppress
from utils.records import Detections
from yolo4.inference.engine import Backend, Infer, open_engine
from yolo4.inference.heatmap import HeatMap, confidence_grid

# Suppression looks at pairs of boxes: more candidates than this cost time and never find an object.
_MOST_CANDIDATES = 4096


class Detector:
    """A network with what turns its output into detections.

    Args:
        infer: from images, uint8 `[B, H, W, 3]` RGB, to boxes `[B, N, 4]` (xyxy in input pixels),
            confidence `[B, N]` and class scores `[B, N, C]`, as `nets.decode.decode` gives them.
            None will do where only `choose` is called.
        class_names: names of the C classes.
        input_size: height and width of the network's input in pixels.
        score_threshold: a box is a candidate for each class whose score, confidence times class
            score, is at least this.
        iou_threshold: of two boxes of a class that overlap more than this, the better one stays.
        nms: how the overlap is measured, `"iou"` or `"diou"`.
        max_detections: at most so many per image.
        batch_size: images per call of `infer`. It sees batches of this size and of one only,
            because a network is compiled anew for each size.
        parallel: so many threads that call the detector at once are faster than one.

    Raises:
        UserError: a threshold outside 0..1, or a count below 1.
    """

    def __init__(
        self,
        infer: Infer | None,
        class_names: Sequence[str],
        input_size: tuple[int, int],
        score_threshold: float = 0.3,
        iou_threshold: float = 0.45,
        nms: Literal["iou", "diou"] = "iou",
        max_detections: int = 300,
        batch_size: int = 8,
        parallel: int = 1,
    ) -> None:
        for name, value in (("score", score_threshold), ("IoU", iou_threshold)):
            if not 0 <= value <= 1:
                raise UserError(f"the {name} threshold is {value}; it must be 0 to 1")
        if min(max_detections, batch_size) < 1:
            raise UserError(
                f"max_detections is {max_detections}, batch_size {batch_size}; at least 1 each"
            )
        self.infer = infer
        self.class_names = tuple(class_names)
        self.input_size = input_size
        self.score_threshold = score_threshold
        self.iou_threshold = iou_threshold
        self.nms: Literal["iou", "diou"] = nms
        self.max_detections = max_detections
        self.batch_size = batch_size
        self.parallel = parallel
        self._batches = {False: 0, True: 0}  # so far: of one image, and of more

    @classmethod
    def from_run(
        cls,
        run: str | Path | None = None,
        score_threshold: float = 0.3,
        iou_threshold: float = 0.45,
        nms: Literal["iou", "diou"] = "iou",
        max_detections: int = 300,
        batch_size: int = 8,
        backend: Backend = "auto",
        throughput: bool = False,
    ) -> "Detector":
        """A detector with the best weights of a training run; all else as `Detector` takes it.

        Args:
            run: the run's folder; the latest one when None.
            score_threshold: lowest score of a candidate.
            iou_threshold: overlap above which the worse of two boxes goes.
            nms: how the overlap is measured.
            max_detections: at most so many per image.
            batch_size: images per call of the network, where the backend can profit from more.
            backend: what computes; "auto" is the fastest that is installed.
            throughput: many images in little time, rather than each one as soon as can be: call
                the detector from `parallel` threads.

        Raises:
            UserError: no such run, its files do not fit together, or the backend is not installed.
        """
        from yolo4.run import open_run

        opened = open_run(run)
        class_names, input_size = opened.class_names(), opened.config().input_shape
        engine = open_engine(opened, backend, throughput)
        return cls(
            engine.infer,
            class_names,
            input_size,
            score_threshold,
            iou_threshold,
            nms,
            max_detections,
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
                detections = self.choose(boxes, confidence, scores, fit)
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

    def choose(
        self, boxes: np.ndarray, confidence: np.ndarray, class_scores: np.ndarray, fit: Letterbox
    ) -> Detections:
        """Choose the detections of one image from what the network says of it.

        Args:
            boxes: `[N, 4]`, xyxy in input pixels.
            confidence: `[N]`.
            class_scores: `[N, C]`.
            fit: how the source lies in the input.

        Returns:
            Boxes in pixels of the source, best score first.
        """
        # A class score is at most 1, so what falls here could not reach the threshold below.
        likely = np.flatnonzero(confidence >= self.score_threshold)
        scores = confidence[likely, None] * class_scores[likely]
        row, label = np.nonzero(scores >= self.score_threshold)
        best = np.argsort(-scores[row, label], kind="stable")[:_MOST_CANDIDATES]
        row, label = row[best], label[best]
        candidates = fit.invert(boxes[likely[row]])
        # What lies in the padding alone is nothing once clipped to the source; NaN goes as well.
        solid = (candidates[:, 2:] > candidates[:, :2]).all(axis=1)
        row, label, candidates = row[solid], label[solid], candidates[solid]
        score = scores[row, label]
        keep = suppress(candidates, score, label, self.iou_threshold, self.max_detections, self.nms)
        return Detections(
            candidates[keep], score[keep].astype(np.float32), label[keep].astype(np.int32)
        )
