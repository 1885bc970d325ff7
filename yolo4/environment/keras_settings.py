"""Settings that Keras and TensorFlow read from the environment when they are imported."""

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

from utils.errors import UserError
from utils.files.folders import home_folder

BACKENDS = ("tensorflow", "jax", "torch")
# The values that Keras takes from its file; with any other its import ends in a traceback.
_ALLOWED = {
    "floatx": ("float16", "float32", "float64"),
    "image_data_format": ("channels_last", "channels_first"),
}


def check_keras_settings() -> None:
    """Check what Keras is going to read when it is imported, and set TensorFlow to Keras 3.

    Raises:
        UserError: the backend is not a known one or is not installed, or Keras's file is damaged.
    """
    # With 1, `tf.keras` is Keras 2, which OpenVINO's converter then looks for.
    os.environ["TF_USE_LEGACY_KERAS"] = "0"
    file = _keras_file()
    settings = _read(file)
    for name, allowed in _ALLOWED.items():
        if settings.get(name, allowed[0]) not in allowed:
            raise UserError(
                f"{file}: {name} is {settings[name]!r}; expected {' or '.join(allowed)}"
            )
    if not isinstance(settings.get("epsilon", 1e-7), float):
        raise UserError(f"{file}: epsilon is {settings['epsilon']!r}; expected a number like 1e-07")
    _check_backend(settings, file)


def _check_backend(settings: dict[str, Any], file: Path) -> None:
    of_environment = os.environ.get("KERAS_BACKEND")
    name = of_environment or settings.get("backend", BACKENDS[0])
    where = f"KERAS_BACKEND is {name!r}" if of_environment else f"{file}: the backend is {name!r}"
    if name not in BACKENDS:
        raise UserError(f"{where}; it must be one of {', '.join(BACKENDS)}")
    installed = [backend for backend in BACKENDS if importlib.util.find_spec(backend)]
    if name not in installed:
        advice = f"set KERAS_BACKEND={installed[0]}" if installed else "install it"
        raise UserError(f"{where}, which is not installed; {advice}")


def _keras_file() -> Path:
    """The file of settings, where Keras looks for it."""
    if folder := os.environ.get("KERAS_HOME"):
        return Path(folder, "keras.json")
    home = home_folder()
    base = home if home and os.access(home, os.W_OK) else Path("/tmp")
    return base / ".keras" / "keras.json"


def _read(file: Path) -> dict[str, Any]:
    """The settings in the file; none if it is missing or is not JSON, which Keras passes over."""
    try:
        settings = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    if not isinstance(settings, dict):
        raise UserError(f"{file}: found a {type(settings).__name__}, expected a JSON object")
    return settings
