"""What Keras reads from the environment: checked before it is imported."""

import json
import os

import pytest

from utils.errors import UserError
from yolo4.environment import keras_settings
from yolo4.environment.keras_settings import check_keras_settings

pytestmark = pytest.mark.quick


@pytest.fixture
def keras_json(tmp_path, monkeypatch):
    """Keras's file in a separate home; without a backend in the environment."""
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "1")
    (tmp_path / ".keras").mkdir()
    return tmp_path / ".keras" / "keras.json"


def test_tensorflow_uses_keras_3(keras_json):
    check_keras_settings()
    assert os.environ["TF_USE_LEGACY_KERAS"] == "0"


@pytest.mark.parametrize("content", [None, "", "{", "{}", '{"backend": "tensorflow"}'])
def test_settings_that_keras_takes_are_no_error(keras_json, content):
    if content is not None:
        keras_json.write_text(content)
    check_keras_settings()


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("tensorflou", "; it must be one of tensorflow, jax, torch"),
        ("numpy", "; it must be one of tensorflow, jax, torch"),
        ("torch", ", which is not installed; set KERAS_BACKEND=jax$"),
        ("tensorflow", ", which is not installed; set KERAS_BACKEND=jax$"),
    ],
)
def test_a_backend_that_cannot_be_used_is_refused(keras_json, monkeypatch, name, found):
    only_jax = {"jax": "found"}
    monkeypatch.setattr(keras_settings.importlib.util, "find_spec", only_jax.get)
    keras_json.write_text(json.dumps({"backend": name}))
    with pytest.raises(UserError, match=f"^{keras_json}: the backend is '{name}'{found}"):
        check_keras_settings()
    keras_json.unlink()
    monkeypatch.setenv("KERAS_BACKEND", name)
    with pytest.raises(UserError, match=f"^KERAS_BACKEND is '{name}'{found}"):
        check_keras_settings()


def test_the_environment_is_stronger_than_the_file(keras_json, monkeypatch):
    keras_json.write_text('{"backend": "tensorflou"}')
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    check_keras_settings()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"floatx": "float8"}, "floatx is 'float8'; expected float16 or float32 or float64"),
        ({"image_data_format": "x"}, "image_data_format is 'x'; expected channels_last or "),
        ({"epsilon": "1"}, "epsilon is '1'; expected a number"),
        ([1], "found a list, expected a JSON object"),
    ],
)
def test_a_value_that_keras_would_refuse_is_one_line(keras_json, content, found):
    keras_json.write_text(json.dumps(content))
    with pytest.raises(UserError, match=f"^{keras_json}: {found}"):
        check_keras_settings()
