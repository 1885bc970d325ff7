"""Fits images to the network's input, and boxes with them."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from utils.resize import Resize, fit_scale

# The color of the padding around an image in the network's input.
GRAY = 128


@dataclass(frozen=True)
class Letterbox:
    """Where a source image is in the network's input: resized, centered, with gray padding.

    Attributes:
        source_size: width and height of the source in pixels.
        input_size: height and width of the network's input in pixels.
        resized: width and height of the resized source, whole pixels.
        pad_x: columns of padding on the left.
        pad_y: rows of padding at the top.
    """

    source_size: tuple[int, int]
    input_size: tuple[int, int]
    resized: tuple[int, int]
    pad_x: int
    pad_y: int

    @classmethod
    def fit(
        cls, source_size: tuple[int, int], input_size: tuple[int, int], resize: Resize = "letterbox"
    ) -> "Letterbox":
        """Compute the largest fit.

        Args:
            source_size: width and height of the source.
            input_size: height and width of the network's input.
            resize: "letterbox" keeps the aspect ratio, to within a pixel; "stretch" fills the
                input, so that there is no padding.
        """
        (width, height), (input_height, input_width) = source_size, input_size
        scale_x, scale_y = fit_scale(source_size, input_size, resize)
        resized = (max(1, round(width * scale_x)), max(1, round(height * scale_y)))
        pad_x, pad_y = (input_width - resized[0]) // 2, (input_height - resized[1]) // 2
        return cls((width, height), (input_height, input_width), resized, pad_x, pad_y)

    def trimmed(self, multiple: int) -> "Letterbox":
        """The image, of the same size, in the smallest input whose sides are multiples of a number.

        Args:
            multiple: pixels; height and width of this input are multiples of it too.
        """
        width, height = (math.ceil(side / multiple) * multiple for side in self.resized)
        pad_x, pad_y = (width - self.resized[0]) // 2, (height - self.resized[1]) // 2
        return Letterbox(self.source_size, (height, width), self.resized, pad_x, pad_y)

    def draw(self, image: np.ndarray) -> np.ndarray:
        """Draw the source, uint8 `[H, W, 3]`, in the network's input, uint8 `[H, W, 3]`."""
        canvas = np.full((*self.input_size, 3), GRAY, np.uint8)
        left, top, (width, height) = self.pad_x, self.pad_y, self.resized
        canvas[top : top + height, left : left + width] = _resized(image, self.resized)
        return canvas

    def apply(self, boxes: np.ndarray) -> np.ndarray:
        """Transform boxes `[N, 4]` (xyxy) from source pixels to input pixels, float32."""
        return (np.asarray(boxes).reshape(-1, 4) * self._factors + self._offsets).astype(np.float32)

    def invert(self, boxes: np.ndarray) -> np.ndarray:
        """Transform boxes `[N, 4]` (xyxy) back to source pixels, clipped to the source, float32."""
        source = (np.asarray(boxes).reshape(-1, 4) - self._offsets) / self._factors
        return np.clip(source, 0, np.tile(self.source_size, 2)).astype(np.float32)

    @property
    def _factors(self) -> np.ndarray:
        return np.tile(np.divide(self.resized, self.source_size), 2)

    @property
    def _offsets(self) -> np.ndarray:
        return np.tile((self.pad_x, self.pad_y), 2)


def _resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize an image to a width and height.

    Pixels are averaged along an axis that shrinks, and interpolated along one that grows.
    """
    height, width = image.shape[:2]
    shrunk = (min(width, size[0]), min(height, size[1]))
    if shrunk != (width, height):
        image = cv2.resize(image, shrunk, interpolation=cv2.INTER_AREA)
    if shrunk != size:
        image = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    return image


def fit_image(
    image: np.ndarray, input_size: tuple[int, int], resize: Resize = "letterbox"
) -> tuple[np.ndarray, Letterbox]:
    """Fit an image to the network's input.

    Args:
        image: uint8 `[H, W, 3]`.
        input_size: height and width of the result.
        resize: as in `Letterbox.fit`.

    Returns:
        uint8 `[height, width, 3]`, and the Letterbox that transforms boxes.
    """
    fit = Letterbox.fit((image.shape[1], image.shape[0]), input_size, resize)
    return fit.draw(image), fit
