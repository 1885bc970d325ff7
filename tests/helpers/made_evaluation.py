"""An evaluation for a report: what detectors do wrong, on small made images."""

import numpy as np

from utils.annotations import load_dataset
from utils.metrics.calibration import ScoreChoice
from utils.metrics.summary import evaluate
from utils.records import Detections
from yolo4.evaluate.report.evaluation import Evaluation
from yolo4.sample_data.make import make_sample_data


def made_evaluation(folder, images=6, choice=0.4375, **changes):
    """Sample images with detections of which some are wrong in each way."""
    data = make_sample_data(folder / "data", 2, 2, images, size=128)
    data_set = load_dataset(data, progress=False)
    records, names = data_set.splits["test"], data_set.class_names
    rng = np.random.default_rng(0)
    found = [_detections(record, len(names), rng) for record in records]
    chosen = None if choice is None else ScoreChoice(choice, 1.0)
    values = {
        "name": "logs/made",
        "where": "split test of data",
        "caveat": "these images chose nothing",
        "records": records,
        "detections": found,
        "class_names": names,
        "metrics": evaluate(found, records, names, coco=True, choice=chosen),
        "has_images": True,
    }
    return Evaluation(**{**values, **changes})


def _detections(record, class_count, rng):
    """Each object found, some with another label or a poor box, and as many false alarms."""
    count = len(record.labels)
    change = rng.integers(0, 5, count)
    labels = np.where(change == 1, (record.labels + 1) % class_count, record.labels)
    boxes = record.boxes.copy()
    boxes[change == 2, 2] -= 0.6 * (boxes[change == 2, 2] - boxes[change == 2, 0])
    corners = rng.uniform(0, 80, (count, 2))
    everywhere = np.concatenate([corners, corners + rng.uniform(8, 40, (count, 2))], axis=1)
    kept = change != 3
    boxes = np.concatenate([boxes[kept], everywhere]).astype(np.float32)
    labels = np.concatenate([labels[kept], rng.integers(0, class_count, count)]).astype(np.int32)
    scores = rng.random(len(labels)).astype(np.float32)
    order = np.argsort(-scores)
    return Detections(boxes[order], scores[order], labels[order])
