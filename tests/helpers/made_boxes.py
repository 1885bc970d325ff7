"""Records and detections written as tuples."""

from pathlib import Path

import numpy as np

from utils.records import Detections, Record


def record(*objects):
    """A record of (label, x1, y1, x2, y2, difficult) tuples."""
    rows = np.array(objects, np.float32).reshape(-1, 6)
    return Record(
        Path("a.jpg"), (200, 200), rows[:, 1:5], rows[:, 0].astype(np.int32), rows[:, 5] > 0
    )


def detections(*rows):
    """Detections of (label, score, x1, y1, x2, y2) tuples."""
    rows = np.array(rows, np.float32).reshape(-1, 6)
    return Detections(rows[:, 2:], rows[:, 1], rows[:, 0].astype(np.int32))
