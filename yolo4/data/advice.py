"""What a training on a data set should change, each with its reason and its flag."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from utils.inspection.objects import Objects
from yolo4.config import Config

_Z = 1.96  # of a 95% interval
_WIDE = 0.1  # of the interval's half: 10 points of AP
_BETTER_FIT = 0.05  # of the mean IoU with the best anchor
_MANY_LOST = 0.05  # of the objects
_LARGEST_INPUT = 1024  # pixels
_LEAST_SAVED = 0.15  # of the input's area
_SAME_SHAPE = 1.05  # largest ratio of two aspect ratios
_NAMED = 6


@dataclasses.dataclass(frozen=True)
class Advice:
    """A sentence on what to do and why.

    Attributes:
        flag: the flag of `train.py` with its value; None if no flag helps.
        words: the reason.
    """

    flag: str | None
    words: str


def margin(count: int) -> float:
    """Half of the 95% interval of a class's AP, a fraction of 1, if all goes well.

    Without false alarms AP is the share of the objects that are found, here half of them. The
    interval of that share is Wilson's (1927). False alarms, and objects that share images, make
    the interval of a real AP wider.

    Args:
        count: objects of the class that are measured on.
    """
    return _Z / (2 * math.sqrt(count + _Z**2))


def advise(summary: dict[str, Any], objects: Objects, config: Config) -> list[Advice]:
    """Everything to advise, most effective first.

    Args:
        summary: from `yolo4.data.summary.summarize`.
        objects: all objects, in the input of `config`.
        config: the settings of a training.
    """
    found = (
        _leaks(summary),
        _input_size(objects, config) or _input_shape(objects, config),
        _anchors(summary),
        _few_objects(summary),
    )
    return [advice for advice in found if advice]


def _leaks(summary: dict[str, Any]) -> Advice | None:
    sentences = summary["leaks"]["sentences"]
    if not sentences:
        return None
    return Advice(
        None,
        f"{'; '.join(sentences)}. What is measured there is partly remembered: put each pair into "
        "one split",
    )


def _input_size(objects: Objects, config: Config) -> Advice | None:
    """A larger input if many objects are smaller than a cell."""
    cell, sides = config.network_spec.strides[0], objects.input_sides
    lost = float((sides < cell).mean()) if len(sides) else 0.0
    if lost < _MANY_LOST:
        return None
    height, width = config.input_shape
    now = f"{lost:.0%} of the objects are below {cell}x{cell} pixels in the input, {width}x{height}"
    multiple = config.network_spec.input_multiple
    for steps in range(1, _LARGEST_INPUT // multiple):
        larger = [side + steps * multiple for side in (height, width)]
        if max(larger) > _LARGEST_INPUT:
            break
        scale = min(larger[0] / height, larger[1] / width)
        left = float((sides * scale < cell).mean())
        if left < _MANY_LOST:
            cost = larger[0] * larger[1] / (height * width)
            return Advice(
                f"--input-size {_size(*larger)}",
                f"{now}, less than a cell of the finest grid; then {left:.0%} are, at "
                f"{cost:.1f} times the computation",
            )
    return Advice(
        None,
        f"{now}, less than a cell of the finest grid, and many still are at {_LARGEST_INPUT} "
        "pixels: cut the images into tiles",
    )


def _input_shape(objects: Objects, config: Config) -> Advice | None:
    """A rectangular input if all images have about the same aspect ratio."""
    ratios = np.array([record.size[0] / record.size[1] for record in objects.records])
    if config.resize != "letterbox" or ratios.max() > _SAME_SHAPE * ratios.min():
        return None
    height, width = config.input_shape
    multiple, ratio = config.network_spec.input_multiple, float(np.median(ratios))
    shown = (min(height, width / ratio), min(width, height * ratio))
    needed = [math.ceil(round(side) / multiple) * multiple for side in shown]
    saved = 1 - needed[0] * needed[1] / (height * width)
    if saved < _LEAST_SAVED:
        return None
    padded = 1 - shown[0] * shown[1] / (height * width)
    return Advice(
        f"--input-size {_size(*needed)}",
        f"all images have the same aspect ratio, and {padded:.0%} of {width}x{height} is padding; "
        f"height {needed[0]} and width {needed[1]} show them as large with {saved:.0%} less "
        "computation",
    )


def _anchors(summary: dict[str, Any]) -> Advice | None:
    own, auto = (summary["anchors"][name] for name in ("own", "auto"))
    if auto is None or auto["fit"] - own["fit"] < _BETTER_FIT:
        return None
    return Advice(
        "--anchors auto",
        f"the objects have a mean IoU of {auto['fit']:.2f} with their best anchor then, "
        f"and of {own['fit']:.2f} with {summary['network']}'s own",
    )


def _few_objects(summary: dict[str, Any]) -> Advice | None:
    split = summary["measured"]
    present = [entry for entry in summary["classes"] if split and entry["total"]]
    few = [entry for entry in present if entry["margin"] > _WIDE]
    if not few:
        return None
    few.sort(key=lambda entry: -entry["margin"])
    names = _list([f"{entry['name']} ({entry['objects'][split]})" for entry in few])
    intervals = dict.fromkeys(f"±{100 * few[i]['margin']:.0f}" for i in (-1, 0))
    return Advice(
        None,
        f"few objects in {split} to measure on: {names}. The 95% interval of such an AP is "
        f"{' to '.join(intervals)} points or wider: annotate more images, or do not rely on "
        "smaller differences",
    )


def _list(words: Sequence[str]) -> str:
    shown = ", ".join(words[:_NAMED])
    return f"{shown} and {len(words) - _NAMED} more" if len(words) > _NAMED else shown


def _size(height: int, width: int) -> str:
    return f"{height}" if height == width else f"{height} {width}"
