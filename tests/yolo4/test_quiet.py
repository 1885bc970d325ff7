"""A quiet start: TensorFlow's log lines are hidden unless an import fails."""

import os
import subprocess
import sys

import pytest

from tests.helpers import ROOT
from yolo4 import quiet


@pytest.fixture
def _before_keras(monkeypatch):
    """As if Keras were not loaded yet, and had no devices to initialize."""
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.setattr(quiet, "_initialize_devices", lambda: None)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")


def write(text):
    os.write(2, text.encode())


@pytest.mark.usefixtures("_before_keras")
def test_text_within_the_block_is_hidden_and_later_text_is_shown(capfd):
    write("before ")
    with quiet.quiet_start():
        write("within ")
    write("after")
    assert capfd.readouterr().err == "before after"


@pytest.mark.usefixtures("_before_keras")
@pytest.mark.parametrize("error", [ImportError, KeyboardInterrupt])
def test_hidden_text_is_shown_if_the_block_fails(capfd, error):
    def start():
        write("the reason\n")
        raise error

    with pytest.raises(error), quiet.quiet_start():
        start()
    write("after")
    assert capfd.readouterr().err == "the reason\nafter"


def test_nothing_is_hidden_if_keras_is_loaded_already(capfd, monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", object())
    with quiet.quiet_start():
        write("shown")
    assert capfd.readouterr().err == "shown"


def run_python(code):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TF_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout, done.stderr


def test_a_real_start_of_keras_is_silent():
    code = (
        "from yolo4.quiet import quiet_start\n"
        "with quiet_start():\n    import keras\n"
        "keras.ops.matmul(keras.ops.ones((2, 2)), keras.ops.ones((2, 2)))"
    )
    assert run_python(code) == ("", "")


def test_a_block_without_keras_does_not_load_it():
    code = (
        "import sys\nfrom yolo4.quiet import quiet_start\n"
        "with quiet_start():\n    import wave\n"
        "print({'keras', 'tensorflow'} & set(sys.modules))"
    )
    assert run_python(code) == ("set()\n", "")
