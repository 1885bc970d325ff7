"""Shared by the tests of training data."""

import numpy as np
import pytest

from tests.utils.training_data.painted import SIZES, write
from utils.records import Record


@pytest.fixture(scope="module")
def painted(tmp_path_factory) -> list[Record]:
    """Images of many shapes, each with one rectangle in its own color and labeled by its number."""
    folder = tmp_path_factory.mktemp("painted")
    rng = np.random.default_rng(0)
    records = []
    for number, size in enumerate(SIZES):
        sides = (np.array(size) * rng.uniform(0.3, 0.6, 2)).astype(int)
        corner = (rng.random(2) * (size - sides)).astype(int)
        records.append(write(folder, number, size, [[*corner, *(corner + sides)]]))
    return records
