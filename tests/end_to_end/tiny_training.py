"""A training that is killed, and the arrays of its state."""

import numpy as np
import pytest

from yolo4.config import Config
from yolo4.train import loop as training
from yolo4.train.callbacks.progress_bar import ProgressBar
from yolo4.train.state.progress import load_progress

EPOCHS = 3
KINDS = ("weight", "optimizer", "metric")  # of the arrays of a state


class Killed(Exception):  # noqa: N818 - it is an event, not an error
    """Stands for a kill: nothing of the program runs afterwards."""


def train_until(settings, run_dir, epoch, monkeypatch, error=Killed):
    """Train, and stop without warning in the middle of an epoch counted from 0."""

    def stop(self, batch, logs=None):
        if load_progress(run.state_file).epoch == epoch:
            raise error

    run = training.Run(run_dir)
    with monkeypatch.context() as patch:
        patch.setattr(ProgressBar, "on_train_batch_end", stop)
        with pytest.raises(error) as caught:
            training.train_model(Config(**settings, run_dir=str(run_dir)))
    return run, caught.value


def arrays(run):
    with np.load(run.state_file) as state:
        return {name: state[name] for name in state.files if name.split("_")[0] in KINDS}
