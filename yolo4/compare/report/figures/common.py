"""What the figures of the report have in common: the arms, their legend, and gaps in numbers."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from utils.page.plot import Key, series_legend

Report = dict[str, Any]


def arm_legend(report: Report) -> Callable[[str], tuple[Key, ...]]:
    """The legend of all arms."""
    return series_legend([arm["name"] for arm in report["arms"]])


def arms_with(report: Report, key: str) -> list[tuple[int, dict[str, Any]]]:
    """Index and entry of the arms that have something under `key`."""
    return [(i, arm) for i, arm in enumerate(report["arms"]) if arm[key]]


def diagnosed(report: Report, key: str) -> list[tuple[int, dict, Any]]:
    """Index and entry of the arms whose diagnosis has something under `key`, with that."""
    parts = [(i, arm, (arm["diagnosis"] or {}).get(key)) for i, arm in enumerate(report["arms"])]
    return [entry for entry in parts if entry[2]]


def with_gaps(values: Sequence[float | None]) -> np.ndarray:
    """The values as float64, NaN for None, so that Matplotlib leaves a gap."""
    return np.array([np.nan if value is None else value for value in values], float)


def positive_only(values: Any) -> np.ndarray:
    """NaN instead of values that a logarithmic scale cannot show."""
    values = np.asarray(values, float)
    return np.where(values > 0, values, np.nan)
