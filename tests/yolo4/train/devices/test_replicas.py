"""Five steps on several devices are five steps on one, in processes of their own."""

import numpy as np
import pytest

from tests.helpers.workers import run_workers
from tests.yolo4.train.devices.five_steps import CASES

BACKENDS = ["tensorflow", "jax"]


@pytest.fixture(scope="module")
def steps(tmp_path_factory):
    """Runs the steps on devices, or on two workers; returns the arrays by name."""
    folder = tmp_path_factory.mktemp("steps")

    def run(backend, setting, workers=1):
        pytest.importorskip(backend)
        file = folder / f"{backend} {setting} {workers}.npz".replace(":", " ")
        if not file.exists():
            files = [file, *(folder / f"{n}.npz" for n in range(1, workers))]
            module = ("-m", "tests.yolo4.train.devices.five_steps", setting)
            run_workers([(*module, own) for own in files], KERAS_BACKEND=backend)
        with np.load(file) as arrays:
            return dict(arrays)

    return run


def distances(found, expected, case):
    """Length of the difference of each array of a case, relative to the array's own."""
    assert found.keys() == expected.keys()
    return {
        name: np.linalg.norm(found[name] - array) / np.linalg.norm(array)
        for name, array in expected.items()
        if name.startswith(f"{case}: ")
    }


@pytest.mark.parametrize(
    ("backend", "setting", "workers"),
    [
        ("tensorflow", "cpu:2", 1),
        pytest.param("tensorflow", "auto", 2, marks=pytest.mark.slow),
        pytest.param("jax", "cpu:2", 1, marks=pytest.mark.slow),
    ],
)
def test_weights_and_logged_losses_are_those_of_one_device(steps, backend, setting, workers):
    expected, found = steps(backend, "1"), steps(backend, setting, workers)
    for case, options in CASES.items():
        distance = distances(found, expected, case)
        assert len(distance) == 18, distance
        if options["sync_batch_norm"] or backend == "jax":
            assert max(distance.values()) < 1e-5, distance
        else:  # so the bound above can be missed
            assert max(distance.values()) > 1e-3, distance
