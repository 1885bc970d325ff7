"""Trainings of a tiny network on a tiny data set."""

import pytest

from tests.end_to_end.tiny_training import EPOCHS
from yolo4.config import Config
from yolo4.sample_data.make import make_sample_data
from yolo4.train import loop as training


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("training")


@pytest.fixture(scope="module")
def settings(folder):
    data = make_sample_data(folder / "data", train=6, val=2, test=2, size=96)
    return {
        "data": (str(data),),
        "network": "yolov4-tiny-3l",  # YOLOv4 takes half a minute to trace and compile
        "width": 0.05,
        "depth": 0.1,
        "input_size": 64,
        "epochs": EPOCHS,
        "batch_size": 4,
        "eval_period": 2,
        "optimizer": "sgd",
        "learning_rate": 0.01,
        "ema": 0.9,
    }


@pytest.fixture(scope="module")
def finished(folder, settings):
    return training.train_model(Config(**settings, run_dir=str(folder / "finished")))
