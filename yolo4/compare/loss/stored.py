"""Reads the stored diagnosis of a run, of which the report draws every number."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from utils.files.reading import reading
from utils.printable import brief
from yolo4.compare.study_files import read_json

_SIDES = ("positive", "negative")
_GROUPS = dict.fromkeys(("positive", "easy_negative", "hard_negative"), float)
_LEVEL = {
    "stride": float,
    "loss": _GROUPS,
    "gradient": _GROUPS,
    "predictors": {**_GROUPS, "ignored": float},
}
_SHARES = {"share_of_predictors": [float], "share_of_loss": [float]}
_CURVE = {"loss": [float], "gradient": [float]}
_NEGATIVE = {
    **{"image": str, "object": str | None, "box": [float]},
    **dict.fromkeys(("confidence", "loss", "iou", "stride"), float),
}
# An object has at least these members, and a list any number of such entries.
_FORM = {
    "epochs": [{"epoch": float, "levels": [_LEVEL]}],
    "cumulative": dict.fromkeys(_SIDES, _SHARES),
    "histogram": {name: [float] for name in ("edges", *_SIDES)},
    "curves": {"x": [float], **dict.fromkeys(_SIDES, _CURVE)},
    "worst_negatives": [_NEGATIVE],
}


def read_diagnosis(path: Path) -> dict[str, Any]:
    """Read what `yolo4.compare.loss.diagnosis.diagnose` returned, from any version.

    Raises:
        UserError: the file is missing, is not JSON, or lacks something that the report draws.
    """
    diagnosis = read_json(path)
    with reading(path, "the diagnosis of a run"):
        for side in _SIDES:
            curve = diagnosis["curves"][side]
            if "slope" in curve:  # its name before "gradient"
                curve["gradient"] = curve.pop("slope")
        found = _picked(diagnosis, _FORM, "it")
        _check_lengths(found)
        return found | {"worst_negatives": diagnosis["worst_negatives"]}


def _picked(value: Any, form: Any, where: str) -> Any:
    """The part of parsed JSON that has a form; `where` is for the error."""
    if isinstance(form, dict) and isinstance(value, dict):
        return {name: _picked(value[name], part, f"{where}.{name}") for name, part in form.items()}
    if isinstance(form, list) and isinstance(value, list):
        return [_picked(entry, form[0], where) for entry in value]
    if form is float and _is_number(value):
        return value
    if not isinstance(form, dict | list) and form is not float and isinstance(value, form):
        return value
    raise ValueError(f"{where} is {brief(value)}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check_lengths(found: dict[str, Any]) -> None:
    """Compare the lengths of lists that are drawn against each other."""
    curves, histogram = found["curves"], found["histogram"]
    edges = histogram["edges"]
    groups: list[Sequence[Any]] = [
        *([curves["x"], *curves[side].values()] for side in _SIDES),
        *(list(found["cumulative"][side].values()) for side in _SIDES),
        *((edges, [*histogram[side], None]) for side in _SIDES),
        [entry["levels"] for entry in found["epochs"]],
        *([negative["box"], range(4)] for negative in found["worst_negatives"]),
    ]
    for lists in groups:
        lengths = [len(each) for each in lists]
        if len({*lengths}) > 1:
            raise ValueError(f"a list of {min(lengths)} entries goes with one of {max(lengths)}")
