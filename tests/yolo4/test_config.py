"""The settings: what they refuse, and that they are restored from their file."""

import dataclasses
import json
import math

import pytest

from utils.errors import UserError
from yolo4.config import Config
from yolo4.options import flag
from yolo4.train.options import TrainOptions

pytestmark = pytest.mark.quick

FIELDS = dataclasses.fields(Config)
RANGED = [f for f in FIELDS if {f.metadata["low"], f.metadata["high"]} != {None}]


def test_every_setting_says_what_it_means_and_where_it_stands():
    for field in dataclasses.fields(TrainOptions):
        if field.name == "given":
            continue
        assert field.metadata["help"].strip(), field.name
        assert field.metadata["group"] != "options", field.name


@pytest.mark.parametrize("field", RANGED, ids=lambda field: field.name)
def test_bounds_are_allowed_and_beyond_or_nan_is_refused(field):
    low, high = field.metadata["low"], field.metadata["high"]
    step = 1 if "int" in str(field.type) else 1e-9
    outside = [math.nan]
    outside += [] if low is None else [low - step]
    outside += [] if high is None else [high + max(step, high * 1e-9)]
    for value in outside:
        with pytest.raises(UserError, match=f"^{flag(field.name)} is "):
            Config(**{field.name: like(field, value)})
    for value in {low, high} - {None}:
        value = like(field, value)
        assert getattr(Config(**{field.name: value}), field.name) == value


def like(field, value):
    """The value, or for a tuple of numbers, it as the last of as many."""
    return (1.0, 1.0, value) if "tuple[float, ...]" in str(field.type) else value


@pytest.mark.parametrize(
    "name", ["network", "confidence_loss", "box_loss", "optimizer", "precision"]
)
def test_a_choice_that_is_not_listed_is_refused_with_those_that_are(name):
    with pytest.raises(UserError, match=rf"^{flag(name)} is 'dice'; it takes '.*' \| '"):
        Config(**{name: "dice"})


def test_an_input_size_is_a_side_or_height_and_width():
    assert Config(input_size=320).input_shape == (320, 320)
    assert Config(input_size=(256, 416)).input_shape == (256, 416)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (400, "--input-size is 400; it must be a multiple of 32"),
        ((416, 300), "--input-size is 300; it must be a multiple of 32"),
        (0, "at least 32"),
        ((416,), "it takes a whole number or"),
        (416.0, "it takes a whole number or"),
    ],
)
def test_other_input_sizes_are_refused(size, message):
    with pytest.raises(UserError) as caught:
        Config(input_size=size)
    assert message in str(caught.value)


def test_sizes_of_a_multi_scale_training_are_around_the_input_size():
    assert Config(input_size=(64, 96)).training_sizes == ((64, 96),)
    config = Config(input_size=(64, 96), multi_scale=(0.5, 1.5))
    assert config.training_sizes == ((32, 64), (64, 96), (96, 160))
    assert config.input_shape == (64, 96)


@pytest.mark.parametrize(
    ("scales", "message"),
    [
        ((1.5, 0.5), "it must be two numbers, from 0.25 to 1 and from 1 to 4"),
        ((0.1, 1.5), "it must be two numbers"),
        ((0.5, 5.0), "it must be two numbers"),
        ((0.5, math.nan), "--multi-scale is"),
        ((0.5,), "it takes"),
        ((0.99, 1.01), "--multi-scale 0.99 1.01 holds one size alone: sides are multiples of 32"),
    ],
)
def test_other_scales_are_refused(scales, message):
    with pytest.raises(UserError) as caught:
        Config(multi_scale=scales)
    assert message in str(caught.value)


@pytest.mark.parametrize("sensitivity", [(1.1,), (1.2, 1.1, 1.05, 1.0), ()])
def test_a_grid_sensitivity_that_is_not_one_number_for_each_level_is_refused(sensitivity):
    with pytest.raises(UserError) as caught:
        Config(scale_x_y=sensitivity)
    message = f"--scale-x-y is {sensitivity}; it must be 3 numbers, one for each level"
    assert str(caught.value) == message


def test_more_frozen_epochs_than_epochs_are_refused():
    assert Config(epochs=3, freeze_epochs=3).freeze_epochs == 3
    with pytest.raises(UserError, match="--freeze-epochs is 4, more than --epochs 3"):
        Config(epochs=3, freeze_epochs=4)


def test_statistics_are_kept_only_if_there_are_some():
    assert Config(freeze_bn=True, weights="logs/x").freeze_bn
    with pytest.raises(UserError, match=r"^--freeze-bn needs --weights: an untrained network "):
        Config(freeze_bn=True)


def test_a_data_set_that_is_no_tuple_is_refused_rather_than_read_letter_by_letter():
    with pytest.raises(UserError, match="--data is 'folder'"):
        Config(data="folder")


def test_settings_are_restored_from_their_file(tmp_path):
    path = tmp_path / "config.json"
    config = Config(
        data=("a b", "é#"), input_size=(64, 96), ema=None, early_stopping=4, confidence_loss="bce"
    )
    path.write_text(config.to_json(), encoding="utf-8")
    assert Config.load(path) == config
    assert set(json.loads(path.read_text(encoding="utf-8"))) == {field.name for field in FIELDS}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"focal_gama": 2}', "unknown setting 'focal_gama'; did you mean 'focal_gamma'?"),
        ('{"epochs": 0}', "--epochs is 0"),
        ('{"data": "folder"}', "--data is 'folder'"),
        ('{"hue": NaN}', "--hue is nan"),
        ("[1, 2]", "found a list, expected a JSON object"),
        ('{"epochs": 3', "bad JSON"),
        ("", "bad JSON"),
        (b"\xff\xfe\x00", "not UTF-8, from byte 0 on"),
        ("[" * 100_000, "nested too deeply"),
        ('{"box_gain": 1' + "0" * 400 + "}", "--box-gain is 1000"),
        ('{"seed": 1' + "0" * 400 + "}", "--seed is 1000"),
        ('{"epochs": ' + "1" * 5000 + "}", "5000 digits"),
        ('{"data": ' + "[" * 500 + "]" * 500 + "}", "--data is "),
    ],
)
def test_a_bad_file_is_reported_by_name_in_one_line(tmp_path, text, message):
    path = tmp_path / "config.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError) as caught:
        Config.load(path)
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(UserError, match=r"config\.json: no such file; is .* a run folder\?"):
        Config.load(tmp_path / "config.json")


def test_a_file_without_a_setting_has_its_default(tmp_path):
    path = tmp_path / "config.json"
    settings = json.loads(Config(epochs=3).to_json())
    del settings["scale_x_y"], settings["batch_norm_epsilon"]
    path.write_text(json.dumps(settings))
    assert Config.load(path) == Config(epochs=3)


def test_the_settings_of_a_training_leave_out_resume_and_preset():
    options = TrainOptions(epochs=7, data=("d",), resume="logs/x", preset="sample")
    assert options.settings() == Config(epochs=7, data=("d",))
    assert type(options.settings()) is Config
