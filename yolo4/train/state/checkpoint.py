"""Saves and restores the state of a training: weights, optimizer variables and progress."""

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np

from utils.errors import UserError
from utils.files.intact import append_checksum, keep_previous
from utils.files.reading import open_npz
from utils.files.writing import atomic_path
from yolo4.train.state.progress import EXPECTED, Progress

_NAMES = "names"


def save_state(path: Path, model: keras.Model, progress: Progress) -> None:
    """Write weights, optimizer variables and progress to one file, atomically.

    It ends with a checksum. The file that it replaces is kept beside it.
    """
    variables = _variables(model, "weight", "optimizer", "metric")
    arrays = {key: keras.ops.convert_to_numpy(value) for key, value in variables.items()}
    texts = {"progress": json.dumps(dataclasses.asdict(progress))}
    texts[_NAMES] = json.dumps({key: _name(key, value) for key, value in variables.items()})
    with atomic_path(path) as temporary:
        with temporary.open("wb") as file:
            np.savez(file, **texts, **arrays)
        append_checksum(temporary)
        if path.exists():
            keep_previous(path)


def load_state(path: Path, model: keras.Model, optimizer: bool) -> None:
    """Restore the saved weights, and with `optimizer` the optimizer's variables.

    Raises:
        UserError: the state is damaged or belongs to another network or optimizer; nothing was
            restored.
    """
    _restore(path, model, *(("weight", "optimizer") if optimizer else ("weight",)))


def load_running_means(path: Path, model: keras.Model) -> None:
    """Restore the means of the losses so far, of a state that was saved within an epoch.

    Raises:
        UserError: as `load_state`.
    """
    _restore(path, model, "metric")


def _variables(model: keras.Model, *kinds: str) -> dict[str, keras.Variable]:
    """The variables of a model by their keys in a state: their kind and their number."""
    of_kinds = {
        "weight": model.weights,
        "optimizer": model.optimizer.variables,
        "metric": model.metrics_variables,
    }
    return {f"{kind}_{i}": v for kind in kinds for i, v in enumerate(of_kinds[kind])}


def _kind(key: str) -> str:
    return key.rpartition("_")[0]


def _name(key: str, variable: keras.Variable) -> str:
    """The name of a variable, the same in every process that builds the same network.

    Of the optimizer's path it is the last part: Keras numbers the optimizers that were made before.
    """
    return variable.name if _kind(key) == "optimizer" else variable.path


def _restore(path: Path, model: keras.Model, *kinds: str) -> None:
    variables = _variables(model, *kinds)
    with open_npz(path, EXPECTED) as stored:
        arrays = {key: stored[key] for key in stored.files if _kind(key) in kinds}
        # Older versions stored no names.
        names = json.loads(str(stored[_NAMES])) if _NAMES in stored.files else {}
        differing = [
            f"its {key} is {names[key]}, here it is {_name(key, variable)}"
            for key, variable in variables.items()
            if names.get(key, _name(key, variable)) != _name(key, variable)
        ]
    shapes = {key: array.shape for key, array in arrays.items()}
    if shapes != {key: tuple(variable.shape) for key, variable in variables.items()}:
        differing = ["other shapes or another number of variables"]
    if differing:
        raise UserError(
            f"{path}: the state of another network or optimizer than config.json describes: "
            f"{differing[0]}"
        )
    for key, array in arrays.items():
        variables[key].assign(array)
