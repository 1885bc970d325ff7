"""The moment of a validation in a made training."""

from datetime import datetime

import numpy as np

from tests.helpers.made_boxes import detections, record
from utils.metrics.voc_map import evaluate_voc
from yolo4.config import Config
from yolo4.run import Run
from yolo4.train.page.moment import Moment
from yolo4.train.setup import TrainingSetup
from yolo4.train.state.progress import Progress

NOW = datetime(2026, 5, 4, 21, 30).astimezone()
NAMES = ("cat", "dog", "owl")
CAT, DOG = (0, 0, 0, 10, 10, False), (1, 20, 20, 30, 30, False)
HARD = (1, 70, 70, 80, 80, True)
RIGHT_CAT, FALSE_CAT = (0, 0.75, 0, 0, 10, 10), (0, 0.875, 50, 50, 60, 60)
RIGHT_DOG, LATE_DOG = (1, 0.5, 20, 20, 30, 30), (1, 0.25, 20, 20, 30, 30)


def made_history(epochs, period=1):
    """Losses that fall by half in each epoch; one of so many epochs is measured."""
    history = []
    for epoch in range(1, epochs + 1):
        terms = {"box": 2.0, "confidence": 5.0, "class": 1.0}
        row = {"epoch": epoch, "lr": 1e-3 / epoch, "images_per_second": 12.5}
        row |= {"waited_for_data": 0.034} | {k: v / 2**epoch for k, v in terms.items()}
        row["loss"] = sum(row[name] for name in terms)
        if epoch % period == 0 or epoch == epochs:
            row |= {f"val_{name}": row[name] / 3 for name in ("loss", *terms)}
            row["map50"] = epoch / 16
        history.append(row)
    return history


def made_moment(folder, images, names=NAMES, threshold=0.5, period=1, config=None, **changes):
    """A training of 8 epochs after its third, with these detections and objects in val.

    Args:
        images: for each validation image its detections and its objects, as tuples or as they are.
    """
    pairs = [
        (detections(*found), record(*objects)) if isinstance(objects, list) else (found, objects)
        for found, objects in images
    ]
    found, records = map(list, zip(*pairs, strict=True))
    voc = evaluate_voc(found, records, names)
    epochs = changes.get("epoch", 3)
    history = made_history(epochs, period)
    ap = [None if np.isnan(value) else value for value in voc.main.ap.tolist()]
    measured = [int(row["epoch"]) for row in history if "map50" in row]
    before = [[epoch, *(value and value / 2 for value in ap)] for epoch in measured[:-1]]
    values = {
        "epoch": epochs,
        "history": history,
        "class_ap": [*before, [epochs, *ap]],
        "best_map": voc.map,
        "best_epoch": epochs,
    }
    settings = {"data": ("x/bccd",), "epochs": 8, "network": "yolov4-tiny", "input_size": 288}
    setup = TrainingSetup(
        run=Run(folder / "<b>run"),
        config=Config(**{**settings, **(config or {})}),
        class_names=tuple(names),
        anchors=np.ones((6, 2), np.float32),
        train=records * 2,
        val=records,
        data_report=None,
        weights=None,
    )
    progress = Progress(**{**values, **changes})
    return Moment(setup, progress, voc, found, threshold, 3725.0, NOW)
