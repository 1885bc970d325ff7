"""A run that is resumed on other devices, again and again, ends as on one device."""

import json
import shutil

import numpy as np
import pytest

from tests.helpers.workers import run_workers
from tests.yolo4.train.devices.interrupted import BATCH, EPOCHS, IMAGES
from yolo4.run import Run
from yolo4.sample_data.make import make_sample_data
from yolo4.train.state.progress import load_progress

pytestmark = pytest.mark.slow  # parts of trainings in six processes, one after the other

# Rounding errors of the steps add up; those of five steps are less than 1e-5 (test_replicas.py).
_BOUND = 1e-5 * (EPOCHS * IMAGES // BATCH) / 5


def weights(run):
    with np.load(run.state_file) as state:
        return [state[name] for name in state.files if name.startswith("weight_")]


def distance(found, expected):
    """Length of the greatest difference of two arrays, relative to the expected one's."""
    pairs = zip(found, expected, strict=True)
    return max(np.linalg.norm(a - b) / np.linalg.norm(b) for a, b in pairs)


def test_one_device_then_two_then_one(tmp_path):
    """With a frozen backbone, which two devices thaw, several sizes, and states within epochs."""
    pytest.importorskip("tensorflow")
    data = make_sample_data(tmp_path / "data", IMAGES, 6, 2, size=96)
    whole, devices, workers = (tmp_path / name for name in ("whole", "devices", "workers"))

    def train(setting, steps, *runs, processes=1):
        module = ("-m", "tests.yolo4.train.devices.interrupted", data, setting, steps)
        run_workers([(*module, *runs)] * processes)

    train("1", 0, whole)
    train("1", 3, devices)
    shutil.copytree(devices, workers)
    train("cpu:2", 5, devices)
    train("auto", 5, workers, processes=2)
    # Four steps are left, so the bound can be missed.
    assert distance(weights(Run(devices)), weights(Run(whole))) > 1000 * _BOUND
    train("1", 0, devices, workers)
    expected = load_progress(Run(whole).state_file)
    for folder, there in ((devices, "2"), (workers, "2 on 2 workers")):
        run = Run(folder)
        found = load_progress(run.state_file)
        assert found.resumed == ["step 3 of epoch 1", "step 2 of epoch 2"]
        named = json.loads(run.fingerprint_file.read_text())["devices"]
        assert named == f"1, then {there}, then 1"
        assert distance(weights(run), weights(Run(whole))) < _BOUND
        assert len(found.history) == EPOCHS
        for row, other in zip(found.history, expected.history, strict=True):
            assert row.keys() == other.keys()
            for name in row.keys() & {"lr", "loss", "box", "confidence", "class", "val_loss"}:
                assert row[name] == pytest.approx(other[name], rel=_BOUND), name
