"""Keras's own file format, opened with the layers of `nets`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from yolo4.formats.format import ModelFormat, Runtime

if TYPE_CHECKING:
    import keras


def write_keras(model: "keras.Model", path: Path) -> None:
    """Write a model as a `.keras` file."""
    model.save(path)


def open_keras(path: Path) -> Runtime:
    """Open a `.keras` file."""
    import keras

    import nets.outputs
    import nets.yolov4  # noqa: F401  Keras finds the layers of these two in its registry

    model: Any = keras.models.load_model(path)
    return lambda images: {
        name: np.asarray(keras.ops.convert_to_numpy(value))
        for name, value in model.predict_on_batch(images).items()
    }


KERAS = ModelFormat(name="keras", files=("model.keras",), write=write_keras, open=open_keras)
