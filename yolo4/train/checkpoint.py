"""The saved state of a training: everything that resuming and comparing need."""

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np

from nets.yolov4 import YOLOv4
from utils.errors import UserError
from utils.files.intact import append_checksum, keep_previous, require_intact
from utils.files.reading import open_npz
from utils.files.writing import atomic_path
from utils.printable import printable
from utils.training_data.dataset import TrainingSet
from yolo4.environment.onednn import onednn_setting
from yolo4.run import Run

_EXPECTED = "the state of a training"
_FINGERPRINT_BATCHES = 3


@dataclasses.dataclass
class Progress:
    """How far a training has come.

    Attributes:
        epoch: number of finished epochs.
        training_images: images in the training split, to detect changed data when resuming.
        best_map: highest validation mAP, -1 before the first measurement.
        best_loss: validation loss measured with it.
        best_epoch: the epoch after which it was measured.
        top: mAP, loss and number of the epochs whose weights are kept, the best first.
        stopped_early: whether early stopping has ended the training.
        history: one row per epoch, by column name.
        step: number of finished steps of the epoch after the finished ones.
        seconds: how long they took.
        waited: how many of these seconds they waited for data.
    """

    epoch: int = 0
    training_images: int = 0
    best_map: float = -1.0
    best_loss: float = 0.0
    best_epoch: int = 0
    top: list[tuple[float, float, int]] = dataclasses.field(default_factory=list)
    stopped_early: bool = False
    history: list[dict[str, float]] = dataclasses.field(default_factory=list)
    step: int = 0
    seconds: float = 0.0
    waited: float = 0.0

    @property
    def has_begun(self) -> bool:
        """Whether a step is finished."""
        return (self.epoch, self.step) > (0, 0)

    @property
    def position(self) -> str:
        """Where the training is, for messages."""
        if self.step:
            return f"step {self.step} of epoch {self.epoch + 1}"
        return f"the end of epoch {self.epoch}" if self.epoch else "the start"

    def end_epoch(self) -> None:
        """Count the current epoch as finished."""
        self.epoch, self.step, self.seconds, self.waited = self.epoch + 1, 0, 0.0, 0.0


def save_state(path: Path, model: keras.Model, progress: Progress) -> None:
    """Write weights, optimizer variables and progress to one file, atomically.

    It ends with a checksum. The file that it replaces is kept beside it.
    """
    variables = _variables(model, "weight", "optimizer", "metric")
    arrays = {name: keras.ops.convert_to_numpy(value) for name, value in variables.items()}
    with atomic_path(path) as temporary:
        with temporary.open("wb") as file:
            np.savez(file, progress=json.dumps(dataclasses.asdict(progress)), **arrays)
        append_checksum(temporary)
        if path.exists():
            keep_previous(path)


def recover_progress(run: Run) -> Progress:
    """Read how far a run has come. If its state is damaged, the one before takes its place.

    A line is printed then, which says where the run continues.

    Raises:
        UserError: the state, and the one before if there is one, is missing or damaged.
    """
    try:
        return _intact_progress(run.state_file)
    except UserError as error:
        previous = run.previous_state_file
        if not previous.exists():
            raise
        progress = _intact_progress(previous)
        previous.replace(run.state_file)
        found = printable(str(error))
        print(f"{found}. Continuing with the state before it, from {progress.position}")
        return progress


def _intact_progress(path: Path) -> Progress:
    require_intact(path)
    return load_progress(path)


def load_progress(path: Path) -> Progress:
    """Read how far a training has come, without looking at the rest of its state.

    Raises:
        UserError: the file is missing or does not hold the state of a training.
    """
    with open_npz(path, _EXPECTED) as arrays:
        return Progress(**json.loads(str(arrays["progress"])))


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
    """The variables of a model by their names in a state."""
    of_kinds = {
        "weight": model.weights,
        "optimizer": model.optimizer.variables,
        "metric": model.metrics_variables,
    }
    return {f"{kind}_{i}": v for kind in kinds for i, v in enumerate(of_kinds[kind])}


def _restore(path: Path, model: keras.Model, *kinds: str) -> None:
    variables = _variables(model, *kinds)
    with open_npz(path, _EXPECTED) as stored:
        names = [name for name in stored.files if name.rpartition("_")[0] in kinds]
        arrays = {name: stored[name] for name in names}
    shapes = {name: array.shape for name, array in arrays.items()}
    if shapes != {name: tuple(variable.shape) for name, variable in variables.items()}:
        raise UserError(
            f"{path}: the state of another network or optimizer than config.json describes"
        )
    for name, array in arrays.items():
        variables[name].assign(array)


def fingerprint(model: YOLOv4, dataset: TrainingSet, batch_size: int) -> dict[str, str]:
    """What two trainings must share to be compared pair by pair.

    Args:
        model: before its first step.
        dataset: the training images.
        batch_size: of the first phase.

    Returns:
        SHA-256 of `initial_weights` and of `first_batches`, pixel for pixel, in hexadecimal, and
        the setting of `onednn`, whose sums differ from TensorFlow's own in the last digits.
    """
    weights, batches = hashlib.sha256(), hashlib.sha256()
    for array in model.get_weights():
        weights.update(array.tobytes())
    for step in range(min(_FINGERPRINT_BATCHES, dataset.steps(batch_size))):
        images, targets = dataset.batch(step, 0, batch_size)
        for array in (images, *(targets[name] for name in sorted(targets))):
            batches.update(array.tobytes())
    return {
        "initial_weights": weights.hexdigest(),
        "first_batches": batches.hexdigest(),
        "onednn": onednn_setting(),
    }


@contextlib.contextmanager
def averaged_weights(model: keras.Model) -> Iterator[None]:
    """Within the block, the trainable variables hold their average, if the optimizer keeps one.

    Batch normalization's moving means and variances stay as they are: the statistics of the
    activations that the raw weights gave in training.
    """
    # In float16 the optimizer is wrapped in one that scales the loss.
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    optimizer.swap_average()
    try:
        yield
    finally:
        optimizer.swap_average()
