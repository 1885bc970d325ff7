"""Finds the width and depth of a network that a Darknet `.cfg` describes."""

import bisect
import functools
from collections.abc import Callable, Sequence

from nets.networks import NetworkSpec
from yolo4.weights.darknet.files import CfgSection
from yolo4.weights.darknet.graph import bare_sections

_PARTS = 10_000  # width and depth are multiples of 1 / _PARTS
_ALLOWED = range(_PARTS // 20, 4 * _PARTS + 1)  # widths and depths of 0.05 to 4, in such parts


def depth_of(graph: Sequence[CfgSection], network: NetworkSpec) -> float:
    """The depth that gives the number of residual blocks."""

    def blocks(depth: float) -> list[int]:
        return [sum(name == "shortcut" for name, _ in bare_sections(network, 1, 1, depth))]

    return _shortest_decimal(blocks, [sum(section.name == "shortcut" for section in graph)])


def width_of(graph: Sequence[CfgSection], network: NetworkSpec, depth: float) -> float:
    """The width that gives the channels of as many convolutions as possible."""

    def filters(width: float) -> list[int]:
        return [
            options["filters"]
            for _, options in bare_sections(network, 1, width, depth)
            if "batch_normalize" in options
        ]

    normalized = [section for section in graph if section.whole("batch_normalize", 0)]
    return _shortest_decimal(filters, [section.whole("filters", 1) for section in normalized])


def _shortest_decimal(numbers_of: Callable[[float], list[int]], wanted: Sequence[int]) -> float:
    """The shortest allowed decimal whose numbers agree with the wanted ones as far as possible.

    Args:
        numbers_of: gives numbers of which none decreases as the decimal increases.
        wanted: the numbers to agree with, the first ones before the later ones.

    Returns:
        1 if not even the first number agrees, as for any network that has nothing to scale.
    """
    cached = functools.cache(lambda part: numbers_of(part / _PARTS))
    candidates = _ALLOWED
    for place, number in enumerate(wanted[: len(cached(_PARTS))]):
        key = functools.partial(lambda at, part: cached(part)[at], place)
        first = bisect.bisect_left(candidates, number, key=key)
        last = bisect.bisect_right(candidates, number, key=key)
        if first == last:
            break
        candidates = candidates[first:last]
    steps = (_PARTS // 10**digits for digits in range(5))
    rounded = (-(-candidates.start // step) * step for step in steps)
    return next(part for part in rounded if part in candidates) / _PARTS
