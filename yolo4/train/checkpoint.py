"""The state of a training at the end of an epoch: everything that resuming needs."""

import contextlib
import dataclasses
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np

from utils.errors import UserError
from utils.files import atomic_path


@dataclasses.dataclass
class Progress:
    """How far a training has come.

    Attributes:
        epoch: epochs done.
        training_images: images in the training split, to notice other data on resuming.
        best_map: highest validation mAP, -1 before the first.
        best_loss: validation loss that was measured with it.
        best_epoch: the epoch it was measured after.
        stopped_early: whether early stopping has ended the training.
        history: one row per epoch, by column name.
    """

    epoch: int = 0
    training_images: int = 0
    best_map: float = -1.0
    best_loss: float = 0.0
    best_epoch: int = 0
    stopped_early: bool = False
    history: list[dict[str, float]] = dataclasses.field(default_factory=list)


def save_state(path: Path, model: keras.Model, progress: Progress) -> None:
    """Write weights, optimizer and progress in one file, whole or not at all."""
    arrays = {f"weight_{i}": value for i, value in enumerate(model.get_weights())}
    for i, variable in enumerate(model.optimizer.variables):
        arrays[f"optimizer_{i}"] = keras.ops.convert_to_numpy(variable)
    with atomic_path(path) as passing:
        np.savez(passing, progress=json.dumps(dataclasses.asdict(progress)), **arrays)


def load_progress(path: Path) -> Progress:
    """Read how far a training has come.

    Raises:
        UserError: the file is missing or is not such a state.
    """
    try:
        with np.load(path) as arrays:
            return Progress(**json.loads(str(arrays["progress"])))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; this run cannot be resumed") from None
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        raise UserError(f"{path}: not the state of a training") from None


def load_state(path: Path, model: keras.Model, optimizer: bool) -> None:
    """Set the weights, and with `optimizer` the optimizer's variables, as they were saved.

    Raises:
        UserError: the file is the state of another network or optimizer.
    """
    try:
        with np.load(path) as arrays:
            model.set_weights([arrays[f"weight_{i}"] for i in range(len(model.weights))])
            if optimizer:
                for i, variable in enumerate(model.optimizer.variables):
                    variable.assign(arrays[f"optimizer_{i}"])
    except (ValueError, KeyError):
        raise UserError(
            f"{path}: the state of another network or optimizer than config.json describes"
        ) from None


@contextlib.contextmanager
def averaged_weights(model: keras.Model) -> Iterator[None]:
    """Within the block, the model has the average of its weights that the optimizer keeps."""
    raw = [keras.ops.convert_to_numpy(variable) for variable in model.trainable_variables]
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    optimizer.finalize_variable_values(model.trainable_variables)
    try:
        yield
    finally:
        for variable, value in zip(model.trainable_variables, raw, strict=True):
            variable.assign(value)
