"""Writes a model by Keras's own export."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.errors import UserError

if TYPE_CHECKING:
    import keras


def export_with_keras(model: "keras.Model", path: Path, format_name: str, **settings: Any) -> None:
    """Write a model, with its batch size if that is fixed.

    Args:
        model: a model of one input.
        path: the file or folder.
        format_name: Keras's name of the format.
        settings: further arguments of `keras.Model.export`.

    Raises:
        UserError: Keras runs on another backend than TensorFlow.
    """
    import keras

    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise UserError(
            f"Keras runs on {backend}, but exports to {format_name} on TensorFlow only: install it "
            "and set KERAS_BACKEND=tensorflow"
        )
    (images,) = model.inputs
    # Without a signature Keras leaves the batch size free, even if the input has a fixed one.
    signature = [keras.InputSpec(dtype=images.dtype, shape=images.shape, name=images.name)]
    arguments: dict[str, Any] = {"input_signature": signature, "verbose": False, **settings}
    model.export(str(path), format=format_name, **arguments)
