"""Presets: which setting wins, and that CONFIG in `train.py` shows the values of its preset."""

import ast
import dataclasses
import json
import re
import subprocess
import sys

import pytest

import compare
import train
from tests.helpers import ROOT
from utils.errors import UserError
from yolo4.cli import parse
from yolo4.compare.options import compare_defaults
from yolo4.config import Config
from yolo4.presets import PRESETS
from yolo4.train.options import train_defaults

pytestmark = pytest.mark.quick

SAMPLE = PRESETS["sample"]


def settings(config, *argv):
    return parse(train_defaults(config, argv), "", argv).settings()


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_holds_settings_that_are_allowed(name):
    assert Config(**PRESETS[name])


def test_full_is_what_config_defaults_to():
    assert settings({"preset": "full"}) == settings({}) == Config()
    assert settings({"preset": "sample"}) == Config(**SAMPLE) != Config()


def test_a_flag_wins_over_config_and_config_over_the_preset():
    config = {"preset": "sample", "width": 0.5, "epochs": 20}
    assert settings(config, "--width", "0.75") == Config(**{**SAMPLE, "width": 0.75, "epochs": 20})


@pytest.mark.parametrize("preset", PRESETS)
def test_compare_differs_from_train_in_the_confidence_gain_and_fresh_heads(preset):
    argv = ["--preset", preset]
    compared = compare_defaults(train.CONFIG | compare.CONFIG, argv)
    assert (compared.confidence_gain, compared.fresh_heads) == (1.0, True)
    gain = PRESETS[preset].get("confidence_gain", 1.0)
    same = dataclasses.replace(compared.settings(), confidence_gain=gain, fresh_heads=False)
    assert same == settings(train.CONFIG, *argv)


@pytest.mark.parametrize("argv", [["--preset", "full"], ["--epochs=9", "--preset=full"]])
def test_the_preset_of_the_command_line_wins_over_that_of_config(argv):
    found = settings({"preset": "sample", "width": 0.5}, *argv)
    epochs = 9 if "--epochs=9" in argv else Config().epochs
    assert found == Config(width=0.5, epochs=epochs)


@pytest.mark.parametrize("defaults", [train_defaults, compare_defaults])
def test_an_unknown_preset_is_refused_with_those_that_exist(defaults, capsys):
    with pytest.raises(
        UserError, match=r"^CONFIG: --preset is 'slim'; it takes 'sample' \| 'full' \| 'tiny'"
    ):
        defaults({"preset": "slim"}, [])
    for argv, message in ((["--preset", "slim"], "'sample'"), (["--preset"], "Missing value")):
        with pytest.raises(SystemExit) as caught:
            parse(defaults({"preset": "sample"}, argv), "", argv)
        assert caught.value.code == 2
        assert message in capsys.readouterr().err


def test_compare_starts_from_the_preset_too():
    config = {"preset": "sample", "max_seeds": 5}
    options = compare_defaults(config, ["--preset", "full"])
    assert (options.max_seeds, options.settings()) == (5, Config(fresh_heads=True))
    assert compare_defaults(config, []).settings() == Config(**SAMPLE, fresh_heads=True)


def test_a_run_stores_no_preset():
    stored = json.loads(settings({"preset": "sample"}).to_json())
    assert set(stored) == {field.name for field in dataclasses.fields(Config)}
    assert stored["width"] == SAMPLE["width"]


def test_the_comments_of_train_py_are_the_values_of_its_preset():
    text = (ROOT / "train.py").read_text(encoding="utf-8")
    shown = re.findall(r"^    # (\w+)=(.+),$", text, re.MULTILINE)
    assert {name: ast.literal_eval(value) for name, value in shown} == SAMPLE
    assert train.CONFIG["preset"] == "sample"


def test_config_of_train_py_leaves_room_for_every_preset():
    assert next(iter(train.CONFIG)) == "preset"
    for values in PRESETS.values():
        assert not set(values) & set(train.CONFIG)
    assert train_defaults(train.CONFIG, ["--preset", "full"]).settings() == Config()


def test_help_shows_the_defaults_of_the_preset_that_is_named():
    for flags, epochs in (([], SAMPLE["epochs"]), (["--preset", "full"], Config().epochs)):
        command = [sys.executable, "train.py", *flags, "--help"]
        text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        assert re.search(rf"--epochs INT\b[^(]*\(default: {epochs}\)", re.sub(r"[\s│]+", " ", text))


def test_a_preset_that_is_no_name_is_refused():
    with pytest.raises(UserError, match="preset"):
        settings({"preset": ["full"]})
