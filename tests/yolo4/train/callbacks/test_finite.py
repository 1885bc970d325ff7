"""A training stops as soon as its loss or its weights are not finite."""

import keras
import numpy as np
import pytest

from tests.yolo4.train.callbacks.toy_training import network
from utils.errors import UserError
from yolo4.train.callbacks.finite import NonFiniteLossError, StopOnNonFinite


@pytest.mark.parametrize(("term", "value"), [("box", float("nan")), ("class", float("inf"))])
def test_a_non_finite_loss_stops_with_epoch_step_term_and_advice(run, term, value):
    model = network(bad_step=7, bad_term=term, bad_value=value)  # of 4 steps an epoch
    with pytest.raises(NonFiniteLossError) as caught:
        model.fit(
            np.ones((8, 1)), epochs=3, batch_size=2, callbacks=[StopOnNonFinite(run)], verbose=0
        )
    text = str(caught.value)
    assert text.startswith(f"the {term} loss is {value} at epoch 2, step 4; ")
    assert "the weights of the last good epoch are kept" in text
    for advice in ("--learning-rate", "--gradient-clip", "--warmup-epochs", "--precision"):
        assert advice in text
    assert "\n" not in text
    assert isinstance(caught.value, UserError)
    assert model.steps == 7
    assert run.failure == text


def test_a_last_step_that_spoils_the_weights_is_reported_before_they_are_saved(run):
    model = network()
    spoil = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: pytest.fail("this would save the weights")
    )
    rate = model.optimizer.learning_rate
    rate.assign(float("inf"))
    with pytest.raises(NonFiniteLossError, match=r"last step of epoch 1 .*--learning-rate"):
        model.fit(np.ones((2, 1)), batch_size=2, callbacks=[StopOnNonFinite(run), spoil], verbose=0)
    assert "last step of epoch 1" in run.failure


def test_finite_losses_do_not_stop(run):
    model = network()
    model.fit(np.ones((8, 1)), epochs=2, batch_size=2, callbacks=[StopOnNonFinite(run)], verbose=0)
    assert run.failure is None
    assert model.steps == 7
