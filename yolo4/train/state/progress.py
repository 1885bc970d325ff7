"""How far a training has come, as its state says. It is read without Keras."""

import dataclasses
import json
from pathlib import Path

from utils.errors import UserError
from utils.files.intact import require_intact
from utils.files.reading import open_npz
from utils.printable import printable
from yolo4.run import Run

EXPECTED = "the state of a training"


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
        class_ap: one row per validation: the epoch, then the AP of each class on the validation
            images, None without objects.
        resumed: the positions from which the training was resumed.
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
    class_ap: list[list[float | None]] = dataclasses.field(default_factory=list)
    resumed: list[str] = dataclasses.field(default_factory=list)
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


def load_progress(path: Path) -> Progress:
    """Read how far a training has come, without looking at the rest of its state.

    Raises:
        UserError: the file is missing or does not hold the state of a training.
    """
    with open_npz(path, EXPECTED) as arrays:
        return Progress(**json.loads(str(arrays["progress"])))


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
