"""A fixed batch size is in the file, as the format's own runtime reads it."""

import keras
import numpy as np
import pytest

from tests.helpers.exported_input import input_shape
from yolo4.formats import MODEL_FORMATS


def small_model(batch_size):
    images = keras.Input(batch_shape=(batch_size, 8, 12, 3), dtype="uint8", name="images")
    pixels = keras.layers.Rescaling(1 / 255)(images)
    return keras.Model(images, {"features": keras.layers.Conv2D(4, 3)(pixels)})


@pytest.mark.parametrize("batch_size", [1, 2, None])
@pytest.mark.parametrize("form", MODEL_FORMATS)
def test_a_format_writes_the_batch_size_of_the_model(tmp_path, form, batch_size):
    path = tmp_path / MODEL_FORMATS[form].file
    MODEL_FORMATS[form].write(small_model(batch_size), path)
    assert input_shape(form, path) == [batch_size, 8, 12, 3]
    images = np.zeros((batch_size or 3, 8, 12, 3), np.uint8)
    assert MODEL_FORMATS[form].open(path)(images)["features"].shape == (batch_size or 3, 6, 10, 4)


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_lower_precision_keeps_the_batch_size(tmp_path, precision):
    lower = MODEL_FORMATS["litert"].quantize[precision]
    images = np.zeros((2, 8, 12, 3), np.uint8)
    lower(small_model(2), tmp_path / "float32.tflite", tmp_path / "model.tflite", images)
    assert input_shape("litert", tmp_path / "model.tflite") == [2, 8, 12, 3]
