"""Shared by the tests of training."""

import pytest

from yolo4.config import Config
from yolo4.sample_data.make import make_sample_data
from yolo4.train import data as training_data


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_sample_data(tmp_path_factory.mktemp("data") / "set", 3, 2, 2, size=96)


@pytest.fixture
def config(data, tmp_path, monkeypatch):
    monkeypatch.setattr(training_data, "CACHE", tmp_path / "cache")
    return lambda **more: Config(data=(str(data),), run_dir=str(tmp_path / "run"), **more)
