"""Rotates the drawing of a sprite, to the same pixels with every version of OpenCV."""

import cv2
import numpy as np

_SHRINK = 0.96  # so that no corner of a drawing is cut off
# Bits of the fraction of a coordinate, as `cv2.remap` takes them, and more of its terms.
_BITS, _MORE_BITS = 5, 5


def rotate(color: np.ndarray, alpha: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Rotate a square drawing about its center.

    OpenCV 5 rounds coordinates otherwise than OpenCV 4 in `cv2.warpAffine`, but not here, where
    they are whole numbers.

    Args:
        color: uint8 `[S, S, 3]`; it continues beyond its border as at the border.
        alpha: uint8 `[S, S]`; it is 0 beyond its border.
        angle: degrees, counterclockwise.

    Returns:
        Both, rotated.
    """
    sources = _sources(len(alpha), angle)
    whole = (sources >> _BITS).astype(np.int16)
    columns, rows = np.moveaxis(sources & ((1 << _BITS) - 1), 2, 0)
    fraction = ((rows << _BITS) + columns).astype(np.uint16)
    return (
        cv2.remap(color, whole, fraction, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
        cv2.remap(alpha, whole, fraction, cv2.INTER_LINEAR),
    )


def _sources(side: int, angle: float) -> np.ndarray:
    """Column and row in the drawing of each pixel of the result, int32 `[S, S, 2]`, in 32nds."""
    forward = cv2.getRotationMatrix2D((side / 2, side / 2), angle, _SHRINK)
    back = cv2.invertAffineTransform(forward) * (1 << (_BITS + _MORE_BITS))
    numbers, half = np.arange(side)[:, None], 1 << (_MORE_BITS - 1)
    along = np.rint(numbers * back[:, 0]).astype(np.int32)
    across = np.rint(numbers * back[:, 1] + back[:, 2]).astype(np.int32) + half
    return (across[:, None] + along) >> _MORE_BITS
