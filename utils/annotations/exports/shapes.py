"""Classes of objects, and boxes around the shapes that annotation tools draw.

The values come from files and may be anything: what is wrong with one is a ValueError.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from utils.printable import brief
from utils.text import class_name

Corners = tuple[float, float, float, float]


def read_class(source: Mapping[str, object], name: str) -> str:
    """The class that is stored under a name.

    Raises:
        ValueError: it is missing, empty, or not text or a number.
    """
    value = source.get(name)
    text = class_name(value) if isinstance(value, str | int | float) else ""
    if not text:
        raise ValueError(f"{name} is {brief(value)}; expected the name of a class")
    return text


@contextmanager
def in_object(category: str) -> Iterator[None]:
    """Within the block, the message of a ValueError starts with the class of the object."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{category}: {error}") from None


def numbers(source: Mapping[str, object], *names: str) -> list[float]:
    """The numbers that are stored under these names, as numbers or as text.

    Raises:
        ValueError: one is missing or not a number; the message names it.
    """
    return [number(source.get(name), name) for name in names]


def read_size(source: Mapping[str, object], width: str, height: str) -> tuple[int, int] | None:
    """Width and height that are stored under these names; None unless both are positive."""
    try:
        size = [int(value) for value in numbers(source, width, height)]
    except (ValueError, OverflowError):  # NaN and infinity have no whole number
        return None
    return (size[0], size[1]) if min(size) > 0 else None


def number(value: object, name: str) -> float:
    """A number that a file states as a number or as text; `name` is for the message.

    Raises:
        ValueError: it is something else.
    """
    try:
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            return float(value)
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"{name} is {brief(value)}; expected a number")


def around_points(xs: Sequence[object], ys: Sequence[object]) -> Corners:
    """The box around the points of a rectangle, polygon or line.

    Raises:
        ValueError: there are not as many x as y, fewer than two points, or no numbers.
    """
    if len(xs) != len(ys):
        raise ValueError(f"{len(xs)} x and {len(ys)} y; expected as many of both")
    if len(xs) < 2:
        raise ValueError(f"number of points {len(xs)}; expected at least 2")
    x = [number(value, "x") for value in xs]
    y = [number(value, "y") for value in ys]
    if not all(map(math.isfinite, [*x, *y])):  # min and max can lose a NaN
        return (math.nan, math.nan, math.nan, math.nan)
    return (min(x), min(y), max(x), max(y))


def read_pairs(points: object) -> tuple[list[object], list[object]]:
    """The x and the y of points that are written as pairs.

    Raises:
        ValueError: it is not a list of pairs.
    """
    if not isinstance(points, list):
        raise ValueError(f"points are {brief(points)}; expected a list")
    for point in points:
        if not isinstance(point, list) or len(point) < 2:
            raise ValueError(f"point {brief(point)}; expected x and y")
    return [point[0] for point in points], [point[1] for point in points]


def around_ellipse(x: float, y: float, x_radius: float, y_radius: float, angle: float) -> Corners:
    """The box around an ellipse that is turned about its center, the angle in radians.

    The half width of the ellipse is `sqrt((x_radius cos)^2 + (y_radius sin)^2)`.

    Raises:
        ValueError: the angle is not finite.
    """
    cosine, sine = _cosine_and_sine(angle)
    half_width = math.hypot(x_radius * cosine, y_radius * sine)
    half_height = math.hypot(x_radius * sine, y_radius * cosine)
    return (x - half_width, y - half_height, x + half_width, y + half_height)


def around_rotated(corners: Corners, angle: float) -> Corners:
    """The box around a box that is turned about its center, the angle in radians.

    Raises:
        ValueError: the angle is not finite.
    """
    cosine, sine = map(abs, _cosine_and_sine(angle))
    if not sine:
        return corners
    x1, y1, x2, y2 = corners
    width, height = abs(x2 - x1), abs(y2 - y1)
    half_width = (width * cosine + height * sine) / 2
    half_height = (width * sine + height * cosine) / 2
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    return (x - half_width, y - half_height, x + half_width, y + half_height)


def _cosine_and_sine(angle: float) -> tuple[float, float]:
    if not math.isfinite(angle):
        raise ValueError(f"the rotation is {angle}; expected a finite number")
    return math.cos(angle), math.sin(angle)
