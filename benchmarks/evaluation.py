"""How long mAP takes: 5,000 simulated images with 100 detections each, 20 classes.

python -m benchmarks.evaluation prints seconds by VOC's rules at one IoU threshold and by COCO's at
its ten: the median of turns taken within one run, and the spread. Other libraries that compute
COCO's numbers follow, if they are installed (`pip install -r requirements-peers.txt`), with the
largest difference of any of their numbers from ours.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.machine import machine
from benchmarks.peers.evaluation import missing_peers, peer_scorers
from utils.metrics.coco_map import evaluate_coco
from utils.metrics.voc_map import evaluate_voc
from utils.records import Detections, Record
from yolo4.cli import clean_exit, parse
from yolo4.options import option

_SIZE = 640
_COCO = "COCO, ten IoU thresholds"


@dataclasses.dataclass(frozen=True)
class EvaluationOptions:
    """What is measured."""

    images: int = option(5000, "images", low=1)
    detections: int = option(100, "of each image", low=1)
    classes: int = option(20, "number of classes", low=1)
    repeats: int = option(5, "turns of each", low=1)


def simulate(
    images: int, detections: int = 100, classes: int = 20
) -> tuple[list[Detections], list[Record]]:
    """Make images of about 7 objects, a tenth of them difficult; the same ones at each call.

    Most objects are found, roughly and often twice; the other detections are false, and have
    mostly lower scores.
    """
    rng = np.random.default_rng(0)
    found, records = [], []
    for number in range(images):
        truth = _boxes(rng, count := int(rng.poisson(7)))
        labels = rng.integers(0, classes, count).astype(np.int32)
        size, path = (_SIZE, _SIZE), Path(f"{number}.jpg")
        records.append(Record(path, size, truth, labels, rng.random(count) < 0.1))
        about = rng.permutation(np.repeat(np.arange(count), 2))[: min(detections, 3 * count // 2)]
        noise = rng.normal(0, 0.08, (len(about), 4))
        near = truth[about] + noise * np.tile(truth[about, 2:] - truth[about, :2], 2)
        false = _boxes(rng, detections - len(about))
        scores = np.append(rng.beta(3, 2, len(about)), rng.beta(1, 6, len(false)))
        classes_found = np.append(labels[about], rng.integers(0, classes, len(false)))
        order = np.argsort(-scores)
        boxes = np.concatenate([near, false])[order].astype(np.float32)
        rows = (scores[order].astype(np.float32), classes_found[order].astype(np.int32))
        found.append(Detections(boxes, *rows))
    return found, records


def _boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    """Boxes of sides between 12 and 300 pixels, float32 `[count, 4]`, xyxy."""
    sides = np.exp(rng.uniform(np.log(12), np.log(300), (count, 2)))
    corners = rng.uniform(0, _SIZE - sides)
    return np.concatenate([corners, corners + sides], axis=1).astype(np.float32)


def measure(options: EvaluationOptions) -> None:
    """Print the table."""
    found, records = simulate(options.images, options.detections, options.classes)
    names = [str(label) for label in range(options.classes)]
    ways: dict[str, Callable[[], dict[str, float]]] = {
        "VOC, IoU 0.5": lambda: {"AP": evaluate_voc(found, records, names).map},
        _COCO: lambda: evaluate_coco(found, records, names),
        **peer_scorers(found, records, options.classes),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    scores = {}
    for _ in range(options.repeats):
        for name, way in ways.items():
            start = time.perf_counter()
            scores[name] = way()
            times[name].append(time.perf_counter() - start)
    print(machine())
    for name in missing_peers():
        print(f"{name} is not installed: what needs it is left out")
    print(f"{options.images} images, {options.detections} detections each, {len(names)} classes\n")
    print("| rules | seconds | spread | mAP | differs by |\n|---|---|---|---|---|")
    for name, values in times.items():
        spread = f"{min(values):.2f} to {max(values):.2f}"
        seconds = f"{statistics.median(values):.2f}"
        different = "" if len(scores[name]) == 1 or name == _COCO else _difference(scores, name)
        print(f"| {name} | {seconds} | {spread} | {scores[name]['AP']:.6f} | {different} |")


def _difference(scores: dict[str, dict[str, float]], name: str) -> str:
    """The largest difference of a library's numbers from ours."""
    differences = [abs(scores[name][metric] - ours) for metric, ours in scores[_COCO].items()]
    return f"{max(differences):.2g}"


if __name__ == "__main__":
    with clean_exit():
        measure(parse(EvaluationOptions(), __doc__))
