"""Weights bring the settings that they were trained with."""

import dataclasses

import pytest

from tests.helpers.keras2_file import write_keras2
from utils.anchors import COCO_ANCHORS, format_anchors
from yolo4.build import build_model, save_weights
from yolo4.config import Config
from yolo4.sample_data.make import make_sample_data
from yolo4.train.setup import prepare
from yolo4.weights.darknet.files import write_weights
from yolo4.weights.settings import settings_of

CONFIG = Config(width=0.05, depth=0.1, input_size=64)
KERAS2 = {"scale_x_y": (1.0, 1.0, 1.0), "batch_norm_epsilon": 1e-3}


@pytest.fixture(scope="module")
def network():
    return build_model(CONFIG, 4)


def test_keras_2_files_have_its_usual_ones(network, tmp_path):
    assert settings_of(str(write_keras2(network, tmp_path / "old.h5"))) == KERAS2


def test_a_run_has_its_own_whether_it_or_its_weights_are_named(network, tmp_path):
    own = {"scale_x_y": (1.1, 1.2, 1.3), "batch_norm_epsilon": 2e-3}
    save_weights(network, tmp_path / "run" / "best.weights.h5")
    config = dataclasses.replace(CONFIG, **own)
    (tmp_path / "run" / "config.json").write_text(config.to_json())
    assert settings_of(str(tmp_path / "run")) == own
    assert settings_of(str(tmp_path / "run" / "best.weights.h5")) == own


def test_others_have_none(network, tmp_path):
    save_weights(network, tmp_path / "alone.weights.h5")
    assert settings_of(str(tmp_path / "alone.weights.h5")) == {}
    (tmp_path / "config.json").write_text(CONFIG.to_json())
    write_weights(tmp_path / "some.weights", [])
    assert settings_of(str(tmp_path / "some.weights")) == {}, "whatever lies beside it"


def test_other_anchors_than_those_of_the_heads_are_told(network, tmp_path, capsys):
    run = tmp_path / "run"
    save_weights(network, run / "best.weights.h5")
    (run / "config.json").write_text(CONFIG.to_json())
    (run / "anchors.txt").write_text(format_anchors(COCO_ANCHORS + 1))
    data = make_sample_data(tmp_path / "data", 2, 1, 0, size=96)
    config = dataclasses.replace(CONFIG, data=(str(data),), run_dir=str(tmp_path / "new"))
    names = prepare(config).class_names
    for classes, anchors, is_told in [
        (names, "coco", True),
        (names, str(run / "anchors.txt"), False),
        ([*names, "one more"], "coco", False),
    ]:
        (run / "classes.txt").write_text("\n".join(classes))
        prepare(dataclasses.replace(config, weights=str(run), anchors=anchors))
        told = f"its heads are loaded: --anchors {run / 'anchors.txt'} goes on with them"
        assert (told in capsys.readouterr().out) == is_told


def test_a_training_takes_them_over_and_says_so(network, tmp_path, capsys):
    path = write_keras2(network, tmp_path / "old.h5")
    data = make_sample_data(tmp_path / "data", 2, 1, 0, size=96)
    config = dataclasses.replace(
        CONFIG, data=(str(data),), weights=str(path), run_dir=str(tmp_path / "run")
    )
    found = prepare(config).config
    assert {name: getattr(found, name) for name in KERAS2} == KERAS2
    assert (
        f"--scale-x-y (1.0, 1.0, 1.0), --batch-norm-epsilon 0.001: what {path} was trained with"
    ) in capsys.readouterr().out.splitlines()
    same = dataclasses.replace(config, **KERAS2)
    assert prepare(same).config == found
    assert "was trained with" not in capsys.readouterr().out
