"""Stands for a training in tests of what happens around it: an epoch takes as long as it sleeps."""

import json
import os
import signal
import time
from pathlib import Path

import numpy as np

from utils.errors import UserError
from utils.files.writing import atomic_path
from yolo4.compare.running.jobs import Job
from yolo4.train.state.progress import Progress, load_progress


def job(name: str, ending: str = "", epochs: int = 3, seconds: float = 0.0) -> Job:
    """A run of a study whose images are in `images.json`; see `train` for its ending."""
    folder = f"runs/{name}"
    arguments = (folder, epochs, seconds, ending)
    return Job(name, train, arguments, epochs, folder, folder, reads=("images.json",))


def train(study: Path, folder: str, epochs: int, seconds: float, ending: str) -> None:
    """Train, from the last epoch that was saved; every start and end is noted.

    Args:
        study: the study's folder.
        folder: the run's, below it.
        epochs: of the training.
        seconds: of an epoch.
        ending: "killed" and "refused" end the training before its first epoch.
    """
    run = study / folder
    run.mkdir(parents=True, exist_ok=True)
    state = run / "state.npz"
    progress = load_progress(state) if state.exists() else Progress()
    notes = json.loads((run / "notes.json").read_text()) if state.exists() else {"begun": []}
    notes["begun"].append([progress.epoch, time.time()])
    notes |= {"study": str(study), "images": (study / "images.json").read_text()}
    (run / "notes.json").write_text(json.dumps(notes))
    print("begun at epoch", progress.epoch)
    if ending == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if ending == "refused":
        raise UserError("data: no such folder")
    while progress.epoch < epochs:
        time.sleep(seconds)
        progress.end_epoch()
        with atomic_path(state) as temporary, temporary.open("wb") as file:
            np.savez(file, progress=json.dumps(vars(progress)))
    (run / "notes.json").write_text(json.dumps(notes | {"ended": time.time()}))
