"""TensorFlow's SavedModel."""

from pathlib import Path
from typing import TYPE_CHECKING

from yolo4.formats.format import ModelFormat, Runtime
from yolo4.formats.keras_export import export_with_keras
from yolo4.formats.libraries import library

if TYPE_CHECKING:
    import keras


def write_saved_model(model: "keras.Model", path: Path) -> None:
    """Write a model as a folder that TensorFlow loads."""
    export_with_keras(model, path, "tf_saved_model")


def open_saved_model(path: Path) -> Runtime:
    """Open a SavedModel with TensorFlow."""
    tensorflow = library("tensorflow")
    serve = tensorflow.saved_model.load(str(path)).signatures["serving_default"]
    return lambda images: {
        name: value.numpy() for name, value in serve(images=tensorflow.constant(images)).items()
    }


SAVED_MODEL = ModelFormat(
    name="saved_model",
    files=("saved_model",),
    has_nms=True,
    folder_contents="saved_model.pb",
    write=write_saved_model,
    open=open_saved_model,
)
