import dataclasses

import pytest

from yolo4.compare.loss.matching import gradient_norm, matched_gain
from yolo4.config import Config
from yolo4.sample_data.make import make_sample_data
from yolo4.train.setup import prepare


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("matching")
    data = make_sample_data(folder / "data", train=4, val=2, test=1, size=96)
    return Config(
        data=(str(data),),
        run_dir=str(folder / "run"),
        width=0.0625,
        depth=0.1,
        input_size=64,
        batch_size=2,
        confidence_loss="focal",
        confidence_gain=2.0,
    )


@pytest.mark.slow
def test_the_gradient_of_a_matched_arm_is_as_large_as_bces(config):
    gain = matched_gain(prepare(config))
    assert gain > 2.0, "focal values are smaller"
    # The other terms play no part, whatever they are.
    matched = dataclasses.replace(config, confidence_gain=gain, box_gain=50.0, class_gain=50.0)
    bce = dataclasses.replace(config, confidence_loss="bce", box_loss="giou")
    norms = [gradient_norm(prepare(arm)) for arm in (matched, bce)]
    assert norms[0] == pytest.approx(norms[1], rel=1e-3)


def test_bce_is_matched_to_itself(config):
    bce = dataclasses.replace(config, confidence_loss="bce")
    assert matched_gain(prepare(bce)) == bce.confidence_gain
