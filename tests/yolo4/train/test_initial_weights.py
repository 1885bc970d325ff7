"""Initial weights: the heads of a file are loaded if they fit, or start fresh."""

import numpy as np
import pytest

from tests.helpers.made_run import write_run
from yolo4.train.phases import heads_of, load_initial_weights, seeded_model
from yolo4.train.setup import prepare

SLIM = {"network": "yolov4-tiny", "width": 0.125, "input_size": 64}


@pytest.mark.parametrize("fresh", [True, False])
def test_heads_that_fit_are_loaded_or_start_fresh(config, tmp_path, fresh):
    names = prepare(config(**SLIM)).class_names
    trained = write_run(tmp_path / "trained", names, seed=5, depth=1.0, **SLIM)
    setup = prepare(config(**SLIM, seed=1, fresh_heads=fresh, weights=str(trained.folder)))
    model, other = seeded_model(setup), seeded_model(setup)
    lines = load_initial_weights(setup, model)
    assert ("the heads start fresh" in lines) == fresh
    file = seeded_model(setup)
    setup.weights.load_into(file, whole=True)
    expected = other if fresh else file
    assert len(heads_of(model)) == 2
    for mine, random, theirs, head in zip(
        model.layers, other.layers, file.layers, expected.layers, strict=True
    ):
        source = head if mine in heads_of(model) else theirs
        for a, b in zip(mine.get_weights(), source.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
        if mine in heads_of(model):
            assert any(
                (a != b).any()
                for a, b in zip(random.get_weights(), theirs.get_weights(), strict=True)
            )


def test_without_initial_weights_nothing_is_loaded(config):
    setup = prepare(config(**SLIM))
    assert load_initial_weights(setup, None) == ""
