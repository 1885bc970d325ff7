"""Splits the numbers of a Darknet file into layers, although no number tells its class count."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np

from yolo4.weights.darknet.layers import DarknetLayer

CLASS_COUNTS = range(1, 1001)  # those to try


@dataclass(frozen=True)
class Reading:
    """The numbers of a file, read as those of a network with some class count.

    Attributes:
        class_count: the number of classes.
        parts: the numbers of each layer, up to the last complete and plausible one.
        rest: how many numbers follow.
        shows_count: whether all variances of a layer after a head were read, and are plausible.
        misfit: the first implausible layer, counted from 0; None if there is none.
    """

    class_count: int
    parts: list[np.ndarray]
    rest: int
    shows_count: bool
    misfit: int | None


def likeliest_reading(
    layers: Sequence[DarknetLayer],
    numbers: np.ndarray,
    likely: Iterable[int],
    others: Iterable[int],
) -> Reading:
    """The most plausible reading of a file, whose length need not determine the class count.

    Args:
        layers: layers of the network.
        numbers: numbers of the file.
        likely: class counts that are accepted if there is no evidence against them.
        others: class counts that are accepted only if there is evidence for them.

    Returns:
        The reading with the first accepted count. If there is none: the layers before the first
        head if the file ends in it or shortly after it, else the reading that goes furthest.
    """
    first_head = next(place for place, layer in enumerate(layers) if layer.norm is None)
    hidden: Reading | None = None
    implausible: list[tuple[int, Reading]] = []
    for count in dict.fromkeys((*likely, *others)):
        reading = _read_as(layers, numbers, count)
        if reading.misfit is None:
            if count in likely or reading.shows_count:
                return reading
            hidden = reading
        elif reading.misfit < first_head:
            return reading  # no head comes before it, so other counts would give the same
        else:
            implausible.append((reading.misfit, reading))
    if hidden is None:
        return max(implausible, key=itemgetter(0))[1]
    parts = hidden.parts[:first_head]
    rest = numbers.size - sum(part.size for part in parts)
    return Reading(hidden.class_count, parts, rest, False, None)


def _read_as(layers: Sequence[DarknetLayer], numbers: np.ndarray, class_count: int) -> Reading:
    parts, first, shows_count, has_head = [], 0, False, False
    for place, layer in enumerate(layers):
        is_head, filters = layer.norm is None, layer.filters_for(class_count)
        size = filters * layer.size_of_filter
        part = numbers[first : first + size]
        # The layer in which the file ends is checked as far as its variances are there.
        misfit = None if layer.could_be(part) else place
        shows_count |= has_head and not is_head and part.size >= 4 * filters
        if misfit is not None or part.size < size:
            return Reading(class_count, parts, numbers.size - first, shows_count, misfit)
        has_head |= is_head
        parts.append(part)
        first += size
    rest = numbers.size - first
    return Reading(class_count, parts, rest, shows_count, len(layers) if rest else None)
