"""Compares the data of a run that is resumed with that when it began."""

from utils.anchors import format_anchors
from utils.annotations.digest import DataDigest
from utils.errors import UserError
from yolo4.train.setup import TrainingSetup


def data_digest(setup: TrainingSetup) -> DataDigest:
    """The digest of what a run is trained and validated on, with its classes and anchors."""
    splits = {"train": setup.train, "val": setup.val}
    return DataDigest.of(setup.class_names, format_anchors(setup.anchors), splits)


def require_same_data(setup: TrainingSetup, training_images: int) -> None:
    """Compare data, classes and anchors with those when the run began.

    Args:
        setup: of the run that is to be resumed.
        training_images: images in the training split when it began. Older versions kept no more.

    Raises:
        UserError: something has changed; names what.
    """
    run = setup.run
    if run.data_file.exists():
        changes = DataDigest.load(run.data_file).differences(data_digest(setup))
    else:
        print(
            f"no {run.data_file}, as in runs of older versions: only the number of training images "
            "is compared with that when the run began"
        )
        count = len(setup.train)
        same = count == training_images
        changes = [] if same else [f"train: {count} images, but {training_images} when it began"]
    if changes:
        raise UserError(
            f"{run.folder}: resuming needs what the run began with, but this has changed: "
            f"{'; '.join(changes)}"
        )
