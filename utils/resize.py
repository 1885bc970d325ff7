"""How an image is fitted to the network's input. Light, since the options import it."""

from typing import Literal

Resize = Literal["letterbox", "stretch"]
"""letterbox keeps the shape of the image and pads it to the input; stretch does neither."""


def fit_scale(
    source_size: tuple[int, int], input_size: tuple[int, int], resize: Resize
) -> tuple[float, float]:
    """Compute how much an image is enlarged to just fit into the network's input.

    Args:
        source_size: width and height of the image in pixels.
        input_size: height and width of the input in pixels.
        resize: how the image is fitted.

    Returns:
        Input pixels per source pixel, along x and y.
    """
    x, y = input_size[1] / source_size[0], input_size[0] / source_size[1]
    return (x, y) if resize == "stretch" else (min(x, y), min(x, y))
