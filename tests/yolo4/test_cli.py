"""The command line: a flag for every option, help by group, and exit statuses."""

import dataclasses
import io
import os
import signal
import subprocess
import sys
import types
from typing import Literal

import pytest

from tests.helpers import ROOT
from utils.errors import UserError
from utils.process.signals import Terminated
from yolo4.cli import parse, run_command
from yolo4.config import Config
from yolo4.options import check_ranges, flag, option, option_fields
from yolo4.train.options import TrainOptions

pytestmark = pytest.mark.quick


@dataclasses.dataclass(frozen=True)
class Options:
    sources: tuple[str, ...] = option((), "what to read", "input", positional=True)
    max_steps: int = option(3, "how many steps", "work", low=1)
    rate: float | None = option(0.5, "how fast", "work")
    kind: Literal["red", "green"] = option("red", "which one", "look")
    show: bool = option(False, "on the screen", "look")

    def __post_init__(self):
        check_ranges(self)


def test_without_arguments_the_default_comes_back():
    default = Options(sources=("a",), max_steps=7, rate=None, kind="green", show=True)
    assert parse(default, "about", []) == default


def test_flags_change_what_they_name_and_nothing_else():
    argv = ["b c", "d#", "--rate", "None", "--kind", "green", "--show"]
    found = parse(Options(max_steps=7), "about", argv)
    assert found == Options(("b c", "d#"), 7, None, "green", True)


def test_a_value_out_of_range_is_one_clear_line():
    with pytest.raises(UserError, match=r"^--max-steps is 0; it must be a number, at least 1$"):
        parse(Options(), "about", ["--max-steps", "0"])


@pytest.mark.parametrize(
    "argv", [["--max-steps", "few"], ["--max-step", "3"], ["--kind", "blue"], ["--rate"]]
)
def test_a_usage_error_says_which_flag_and_leaves_with_status_2(argv, capfd):
    with pytest.raises(SystemExit) as caught:
        parse(Options(), "about", argv)
    assert caught.value.code == 2
    out, err = capfd.readouterr()
    assert argv[0] in out + err


def test_help_has_a_heading_per_group_and_leaves_with_status_0(capfd):
    with pytest.raises(SystemExit) as caught:
        parse(Options(), "About this command.", ["--help"])
    assert caught.value.code == 0
    text = capfd.readouterr().out
    assert "About this command." in text
    places = [text.index(part) for part in ("work options", "--max-steps", "--rate")]
    places += [text.index(part) for part in ("look options", "--kind", "--show")]
    assert places == sorted(places)
    for field in dataclasses.fields(Options):
        assert field.metadata["help"] in text


def _words(name):
    """A value for a flag that differs from the default, as words of a command line."""
    choices = {"confidence_loss": "bce", "box_loss": "giou", "optimizer": "sgd"}
    choices |= {
        "lr_schedule": "step",
        "precision": "float32",
        "on_bad_data": "error",
        "preset": "sample",
        "resize": "stretch",
    }
    choices |= {
        "cache": "disk",
        "network": "yolov4-tiny",
        "data": "a b",
        "input_size": "64 96",
        "multi_scale": "0.5 1.5",
        "scale_x_y": "1.0 1.5 2.0",
        "epochs": "7",
        "positives_per_image": "2.5",
        "seed": "5",
    }
    default = getattr(TrainOptions(), name)
    if name in choices:
        return choices[name].split()
    if isinstance(default, int):
        return [str(default + 1)]
    if isinstance(default, float):
        return [str(default / 2 or 0.25)]
    return ["3"]  # what is None or a text by default


SETTINGS = option_fields(TrainOptions)
SWITCHES = [field.name for field in SETTINGS if isinstance(field.default, bool)]


@pytest.mark.parametrize("name", [f.name for f in SETTINGS if f.name not in SWITCHES])
def test_every_setting_of_a_training_has_its_flag(name):
    words = _words(name)
    found = parse(TrainOptions(epochs=50), "about", [flag(name), *words])
    value = getattr(found, name)
    assert value != getattr(TrainOptions(epochs=50), name)
    assert [str(part) for part in (value if isinstance(value, tuple) else (value,))] == words
    assert dataclasses.replace(found, **{name: getattr(TrainOptions(epochs=50), name)}) == (
        TrainOptions(epochs=50)
    )


@pytest.mark.parametrize("name", SWITCHES)
def test_every_switch_of_a_training_has_its_two_flags(name):
    default = TrainOptions(weights="logs/x")  # which some need
    on = parse(default, "about", [flag(name)])
    assert on == dataclasses.replace(default, **{name: True}) != default
    assert parse(on, "about", [f"--no-{flag(name)[2:]}"]) == default


def test_settings_without_a_value_can_be_switched_off():
    names = ["gradient_clip", "ema", "anchor_match_threshold"]
    assert None not in [getattr(Config(), name) for name in names]
    argv = [word for name in names for word in (flag(name), "None")]
    found = parse(TrainOptions(), "about", argv)
    assert [getattr(found, name) for name in names] == [None] * 3


@pytest.fixture
def target(monkeypatch):
    """Makes a function a command that `run_command` can import."""

    def make(function):
        monkeypatch.setitem(sys.modules, "made", types.SimpleNamespace(command=function))
        return "made:command"

    return make


def _raise(error):
    raise error


@pytest.mark.parametrize(
    ("command", "status", "stderr"),
    [
        (lambda: None, None, ""),
        (lambda: 1, 1, ""),
        (lambda: _raise(UserError("there: found this")), 2, "error: there: found this\n"),
        (lambda: _raise(KeyboardInterrupt), 130, "interrupted\n"),
        (lambda: _raise(KeyboardInterrupt("resume with x")), 130, "resume with x\n"),
        (lambda: _raise(Terminated("resume with x")), 143, "resume with x\n"),
        (lambda: _raise(SystemExit(2)), 2, ""),
    ],
)
def test_a_command_ends_with_its_status_and_at_most_one_line(
    target, command, status, stderr, capsys
):
    with pytest.raises(SystemExit) as caught:
        run_command(target(lambda _: command()), Options, "", [])
    assert caught.value.code == status
    assert capsys.readouterr() == ("", stderr)


def test_an_error_of_the_program_itself_is_not_hidden(target):
    with pytest.raises(ZeroDivisionError):
        run_command(target(lambda _: 1 // 0), Options, "", [])


def test_a_command_receives_the_parsed_options(target):
    received = []
    for default in (Options(rate=2.0), lambda: Options(rate=2.0)):
        with pytest.raises(SystemExit):
            run_command(target(received.append), default, "", ["--max-steps", "9"])
    assert received == [Options(max_steps=9, rate=2.0)] * 2


def test_a_mistake_in_the_defaults_is_one_line_too(capsys):
    with pytest.raises(SystemExit) as caught:
        run_command("no.such:command", lambda: Options(max_steps=0), "", [])
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("error: --max-steps is 0;")


def test_a_command_is_not_imported_before_its_command_line_is_right():
    for argv, status in ((["--help"], 0), (["--no-such-flag"], 2)):
        with pytest.raises(SystemExit) as caught:
            run_command("no.such:command", Options, "", argv)
        assert caught.value.code == status
    with pytest.raises(ModuleNotFoundError):
        run_command("no.such:command", Options, "", [])


def test_a_replaced_output_is_no_error(target, monkeypatch):
    output = io.StringIO()  # like a notebook's, which cannot be reconfigured
    monkeypatch.setattr(sys, "stdout", output)
    with pytest.raises(SystemExit) as caught:
        run_command(target(lambda _: print("done")), Options, "", [])
    assert (caught.value.code, output.getvalue()) == (None, "done\n")


@dataclasses.dataclass(frozen=True)
class Traced(Options):
    nms_threshold: float = option(0.45, "overlap", "work")
    given: frozenset[str] = dataclasses.field(default=frozenset(), compare=False)


@pytest.mark.parametrize(
    ("argv", "given"),
    [
        ([], set()),
        (["--max-steps", "3"], {"max_steps"}),  # as by default, but given
        (["--max_steps=4", "--no-show"], {"max_steps", "show"}),
        (["max_steps", "--rate", "1"], {"rate"}),
    ],
)
def test_options_know_which_flags_were_given(argv, given):
    assert parse(Traced(), "", argv).given == given


@pytest.mark.parametrize("argv", [["--iou-threshold", "0.5"], ["--iou_threshold=0.5"]])
def test_a_renamed_flag_is_refused_with_its_new_name(argv):
    with pytest.raises(UserError, match=r"^--iou-threshold has been renamed: use --nms-threshold$"):
        parse(Traced(), "", argv)


def test_a_renamed_flag_of_other_commands_is_an_unknown_one(capfd):
    with pytest.raises(SystemExit) as caught:
        parse(Options(), "", ["--iou-threshold", "0.5"])
    assert caught.value.code == 2
    assert "nms" not in "".join(capfd.readouterr())


@pytest.mark.parametrize("script", ["train.py", "predict.py", "get_map.py", "compare.py"])
def test_help_of_the_scripts_needs_no_keras(script):
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['{script}', '--help']\n"
        f"try: runpy.run_path('{script}', run_name='__main__')\n"
        "except SystemExit as left: assert left.code == 0\n"
        "slow = {'keras', 'tensorflow', 'matplotlib'} & set(sys.modules)\n"
        "assert not slow, slow\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "--help" in done.stdout


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--kind", "red", "--rate", "1", "--kind", "red"], "--kind is given 2 times"),
        (["--rate=1", "--rate", "2", "--rate", "3"], "--rate is given 3 times"),
        (["--max-steps", "1", "--max_steps", "2"], "--max-steps is given 2 times"),
        (["--show", "--no-show"], "--show is given 2 times"),
    ],
)
def test_a_flag_that_is_given_twice_is_refused(argv, message):
    with pytest.raises(UserError, match=f"^{message}; expected it once, with all its values after"):
        parse(Options(), "", argv)


@pytest.mark.parametrize(
    ("options", "argv", "message"),
    [
        # What `--data $UNSET`, `--data "$UNSET"` and `predict.py "$UNSET"` leave.
        (TrainOptions, ["--data"], "--data has no value; "),
        (TrainOptions, ["--data", "--epochs", "3"], "--data has no value; "),
        (TrainOptions, ["--data", "a", ""], "--data is ''; "),
        (TrainOptions, ["--run-dir", " "], "--run-dir is ' '; "),
        (Options, [""], "one of the sources is ''; "),
    ],
)
def test_a_value_that_an_unset_variable_leaves_is_refused(options, argv, message):
    with pytest.raises(UserError, match=f"^{message}is a variable of the shell"):
        parse(options(), "", argv)


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_any_command_with_its_status(number):
    code = (
        "import dataclasses, sys, time, types\n"
        "from yolo4.cli import run_command\n"
        "def command(options):\n"
        "    print('begun', flush=True)\n"
        "    time.sleep(600)\n"
        "sys.modules['made'] = types.SimpleNamespace(command=command)\n"
        "run_command('made:command', dataclasses.make_dataclass('Options', [])(), '', [])\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"begun\n"
        process.send_signal(number)
        assert process.communicate(timeout=60) == (b"", b"interrupted\n")
    assert process.returncode == 128 + number
