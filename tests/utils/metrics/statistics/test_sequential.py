"""Boundaries against published ones, and against simulated paths."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from utils.metrics.statistics.sequential import (
    adjusted_level,
    nominal_levels,
    obrien_fleming_like,
    pocock_like,
)

pytestmark = pytest.mark.quick

SPENDINGS = st.sampled_from([pocock_like, obrien_fleming_like])
SHARES = st.lists(st.floats(0.05, 0.95), max_size=4).map(lambda shares: [*sorted(shares), 1.0])


@pytest.mark.parametrize(
    ("spending", "looks", "published"),
    [
        (obrien_fleming_like, 4, [4.333, 2.963, 2.359, 2.014]),
        (obrien_fleming_like, 5, [4.877, 3.357, 2.680, 2.290, 2.031]),
        (pocock_like, 4, [2.368, 2.368, 2.358, 2.350]),
        (pocock_like, 5, [2.438, 2.427, 2.410, 2.397, 2.386]),
    ],
)
def test_published_boundaries_at_equal_steps(spending, looks, published):
    """Two-sided 5%, by Lan and DeMets' functions for each side."""
    levels = nominal_levels(np.arange(1, looks + 1) / looks, 0.025, spending)
    assert stats.norm.isf(levels) == pytest.approx(published, abs=0.0015)


@given(st.floats(1e-6, 0.4), SPENDINGS)
def test_one_look_has_the_whole_level(level, spending):
    assert nominal_levels([1.0], level, spending) == pytest.approx([level])


@settings(max_examples=15, deadline=None)
@given(SHARES, st.floats(0.02, 0.2), SPENDINGS, st.integers(0, 99))
def test_paths_without_drift_cross_with_the_probability_of_the_level(shares, level, spending, seed):
    """Paths are cumulated normal steps; looks that are too close to each other are stricter."""
    bounds = stats.norm.isf(nominal_levels(shares, level, spending))
    steps = np.diff(shares, prepend=0.0)
    paths, rng = 20_000, np.random.default_rng(seed)
    walks = rng.normal(0, np.sqrt(steps), (paths, len(shares))).cumsum(axis=1)
    crossed = (walks / np.sqrt(shares) > bounds).any(axis=1).mean()
    error = 4.5 * np.sqrt(level * (1 - level) / paths)
    assert crossed < level + error
    if steps[1:].min(initial=1.0) > 0.004:
        assert crossed > level - error


def test_looks_without_new_information_stay_below_the_level():
    levels = nominal_levels([1.0, 1.0, 1.0, 1.0], 0.025, pocock_like)
    assert 0.023 < levels[0] < 0.025
    assert (np.diff(levels) < 0).all()


def test_many_looks():
    levels = nominal_levels(np.arange(3, 41) / 40, 0.025, pocock_like)
    assert (levels > 0.025 / 38).all()
    assert (levels < 0.025).all()


@settings(max_examples=30, deadline=None)
@given(SHARES, st.floats(0.001, 0.3), SPENDINGS, st.data())
def test_the_adjusted_level_is_the_inverse(shares, level, spending, data):
    look = data.draw(st.integers(0, len(shares) - 1))
    p = nominal_levels(shares, level, spending)[look]
    if p > 1e-25:
        adjusted = adjusted_level(p, look, shares, spending)
        assert adjusted == pytest.approx(level, rel=1e-3)


def test_the_adjusted_level_at_its_ends():
    assert adjusted_level(0.0, 1, [0.5, 1.0], pocock_like) == 0
    assert adjusted_level(0.49, 0, [0.5, 1.0], pocock_like) == 1
    assert adjusted_level(0.9, 0, [1.0], obrien_fleming_like) == 1
    assert adjusted_level(0.03, 0, [1.0], obrien_fleming_like) == pytest.approx(0.03)
