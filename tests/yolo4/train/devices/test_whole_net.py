"""Five steps of all of YOLOv4 on several devices are five steps on one, up to rounding."""

import numpy as np
import pytest

from tests.helpers.workers import run_workers
from tests.yolo4.train.devices.whole_net import ORDERS

pytestmark = pytest.mark.slow  # it traces the whole network in five processes


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    """Trains in a way, on devices or by several workers; returns the weights by name."""
    pytest.importorskip("tensorflow")
    folder = tmp_path_factory.mktemp("whole_net")

    def five_steps(way, setting, workers=1):
        module = ("-m", "tests.yolo4.train.devices.whole_net", way, setting)
        files = [folder / f"{way} {number}.npz" for number in range(workers)]
        run_workers([(*module, folder / "trained.weights.h5", file) for file in files])
        with np.load(files[0]) as arrays:
            return dict(arrays)

    return five_steps


@pytest.fixture(scope="module")
def alone(train):
    return train("orders", "1")


@pytest.fixture(scope="module")
def bound(alone):
    """How far rounding moves the weights of five steps, relative to the way that they go.

    The network makes much of a rounding error; how much is measured, on the same machine. On one
    device the same images in another order give the same step, but for the roundings of its sums.
    Several devices change those too, so their error is drawn like those of the orders. At worst one
    direction of the weights takes all of it; then an error is one normal number, and is 10 times
    the greatest of 4 others once in 8,000 draws.
    """
    of_orders = [distance(alone, alone[f"order {number + 1}"]) for number in range(ORDERS)]
    assert min(of_orders) > 0, of_orders
    return 10 * max(of_orders)


def distance(alone, found):
    """Length of the difference to one device, relative to the way that its weights went."""
    expected = alone["order 0"]
    return np.linalg.norm(found - expected) / np.linalg.norm(expected - alone["before"])


@pytest.mark.parametrize(("setting", "workers"), [("cpu:2", 1), ("auto", 2)])
def test_devices_move_the_weights_no_more_than_rounding(train, alone, bound, setting, workers):
    found = train("synchronized", setting, workers)
    np.testing.assert_array_equal(found["before"], alone["before"])
    assert distance(alone, found["order 0"]) < bound


def test_statistics_of_each_device_move_them_more(train, alone, bound):
    """So the bound can be missed."""
    assert distance(alone, train("separate", "cpu:2")["order 0"]) > bound
