"""A long training does not take more and more memory."""

import os
import subprocess
import sys

import pytest

from tests.helpers import ROOT

TRAINING = """
import sys
import keras, psutil
from yolo4.config import Config
from yolo4.sample_data.make import make_sample_data
from yolo4.train.loop import train_model
from pathlib import Path

class PrintMemory(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        print("resident", psutil.Process().memory_info().rss)

folder = Path(sys.argv[1])
data = make_sample_data(folder / "data", train=24, val=8, test=2, size=96)
settings = {"width": 0.05, "depth": 0.1, "input_size": 64, "batch_size": 8, "eval_period": 1}
config = Config(data=(str(data),), epochs=20, run_dir=str(folder / "run"), **settings)
train_model(config, lambda setup: [PrintMemory()])
"""


@pytest.mark.slow
def test_the_resident_set_stays_flat(tmp_path):
    """After epoch 20 it is what it was after epoch 2, within 3%; each epoch is validated."""
    done = subprocess.run(
        [sys.executable, "-c", TRAINING, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    sizes = [int(line.split()[1]) for line in done.stdout.splitlines() if "resident" in line]
    assert len(sizes) == 20
    assert sizes[19] == pytest.approx(sizes[1], rel=0.03), [size // 2**20 for size in sizes]
