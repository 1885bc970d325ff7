"""Boxes around shapes, against points on their outlines."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.annotations.exports.shapes import (
    around_ellipse,
    around_points,
    around_rotated,
    read_size,
)

pytestmark = pytest.mark.quick

COORDINATE = st.floats(-1000, 1000)
LENGTH = st.floats(0, 1000)
ANGLE = st.floats(-10, 10)
# Rounding of sums and products of numbers up to 2000 in float64.
CLOSE = {"rtol": 0, "atol": 1e-9}


def turned(points, center, angle):
    """Points `[N, 2]` turned about a center."""
    cosine, sine = math.cos(angle), math.sin(angle)
    return (points - center) @ np.array([[cosine, sine], [-sine, cosine]]) + center


@given(COORDINATE, COORDINATE, LENGTH, LENGTH, ANGLE)
def test_a_turned_box_is_enclosed_by_its_corners(x, y, width, height, angle):
    corners = np.array([(x, y), (x + width, y), (x, y + height), (x + width, y + height)])
    points = turned(corners, np.array([x + width / 2, y + height / 2]), angle)
    expected = [*points.min(axis=0), *points.max(axis=0)]
    box = around_rotated((x, y, x + width, y + height), angle)
    np.testing.assert_allclose(box, expected, **CLOSE)


@given(COORDINATE, COORDINATE, LENGTH, LENGTH, ANGLE)
def test_a_turned_ellipse_touches_its_box(x, y, x_radius, y_radius, angle):
    turn = np.linspace(0, 2 * np.pi, 1000)
    outline = np.stack([x + x_radius * np.cos(turn), y + y_radius * np.sin(turn)], axis=1)
    points = turned(outline, np.array([x, y]), angle)
    expected = np.array([*points.min(axis=0), *points.max(axis=0)])
    box = np.array(around_ellipse(x, y, x_radius, y_radius, angle))
    # The outline's points are at most half a step from the extreme one: cos(step / 2) of it.
    slack = max(x_radius, y_radius) * (1 - math.cos(math.pi / 999)) + 1e-9
    assert np.all(np.abs(box - expected) <= slack)


@given(st.lists(st.tuples(COORDINATE, COORDINATE), min_size=2))
def test_the_box_around_points(points):
    xs, ys = zip(*points, strict=True)
    assert around_points(xs, ys) == (min(xs), min(ys), max(xs), max(ys))
    assert around_points([*map(str, xs)], ys) == around_points(xs, ys)
    assert all(map(math.isnan, around_points([*xs, math.nan], [*ys, 0])))


def test_an_angle_that_is_not_finite_is_refused():
    for angle in (math.inf, math.nan):
        with pytest.raises(ValueError, match="expected a finite number"):
            around_rotated((1, 2, 3, 4), angle)


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (60, 40, (60, 40)),
        ("60", "40.0", (60, 40)),
        (0, 40, None),
        (-60, 40, None),
        (None, 40, None),
        ("wide", 40, None),
        (math.inf, 40, None),
        (math.nan, 40, None),
        (10**400, 40, None),
    ],
)
def test_a_stated_size(width, height, expected):
    assert read_size({"w": width, "h": height}, "w", "h") == expected
