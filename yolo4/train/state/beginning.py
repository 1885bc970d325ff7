"""Writes the first files of a run."""

import json
from pathlib import Path

from nets.yolov4 import YOLOv4
from utils.anchors import format_anchors
from utils.errors import UserError
from utils.files.reading import read_json
from utils.files.writing import write_atomically
from utils.training_data.dataset import TrainingSet
from yolo4.train.previews import save_batch
from yolo4.train.setup import TrainingSetup
from yolo4.train.state.checkpoint import save_state
from yolo4.train.state.fingerprint import fingerprint
from yolo4.train.state.progress import Progress
from yolo4.train.state.same_data import data_digest


def save_beginning(
    setup: TrainingSetup,
    model: YOLOv4,
    progress: Progress,
    dataset: TrainingSet,
    batch_size: int,
    devices: str,
) -> None:
    """Write what is known before the first step: a run that has a config can be resumed.

    So the config is the last file. A folder without it is an unfinished beginning, which the next
    training overwrites.

    Raises:
        UserError: the run folder cannot be written.
    """
    run = setup.run
    try:
        for state in (run.state_file, run.previous_state_file):
            state.unlink(missing_ok=True)  # of another beginning, which had other settings
        write_atomically(run.classes_file, "".join(f"{name}\n" for name in setup.class_names))
        write_atomically(run.anchors_file, format_anchors(setup.anchors) + "\n")
        data_digest(setup).save(run.data_file)
        write_atomically(run.data_report_file, setup.data_report.to_csv())
        save_first_batches(setup, model, dataset, batch_size, devices)
        save_state(run.state_file, model, progress)
        write_atomically(run.config_file, setup.config.to_json())
    except OSError as error:
        raise UserError(f"{run.folder}: cannot be written: {error}") from error


def save_first_batches(
    setup: TrainingSetup, model: YOLOv4, dataset: TrainingSet, batch_size: int, devices: str
) -> None:
    """Write the fingerprint of an untrained network and its first batches, and their picture."""
    run, hashes = setup.run, fingerprint(model, dataset, batch_size, devices)
    write_atomically(run.fingerprint_file, json.dumps(hashes) + "\n")
    save_batch(run.batch_picture, *dataset.batch(0, 0, batch_size), setup.class_names)


def note_devices(file: Path, devices: str) -> None:
    """Add the devices that a run is resumed on to its fingerprint, if they are others than before.

    Args:
        file: the fingerprint. Older versions wrote none, and trained on one device.
        devices: how many there are now.
    """
    if not file.exists():
        return
    hashes = read_json(file)
    before = hashes.get("devices", "1")
    if before.split(", then ")[-1] != devices:
        hashes["devices"] = f"{before}, then {devices}"
        write_atomically(file, json.dumps(hashes) + "\n")
