"""COCO's numbers from other libraries, of the same detections."""

import contextlib
import importlib
import io
from collections.abc import Callable, Sequence
from typing import Any

from utils.errors import is_installed
from utils.metrics.coco_map import COCO_METRICS
from utils.records import Detections, Record

Scorer = Callable[[], dict[str, float]]

_EVALUATORS = {
    "pycocotools": ("pycocotools.coco:COCO", "pycocotools.cocoeval:COCOeval"),
    "faster_coco_eval": ("faster_coco_eval:COCO", "faster_coco_eval:COCOeval_faster"),
}
# torchmetrics computes with the first, and finds boxes' areas with the second.
_OF_TORCHMETRICS = ("torchmetrics", "pycocotools", "torchvision")
_TORCHMETRICS_NAMES = ("map", "map_50", "map_75", "map_small", "map_medium", "map_large")


def peer_scorers(
    found: Sequence[Detections], records: Sequence[Record], class_count: int
) -> dict[str, Scorer]:
    """What computes `COCO_METRICS` in each library that is installed.

    A library reads its own form of the data: lists of dictionaries, or tensors. Making that is not
    a part of what is measured.
    """
    scorers: dict[str, Scorer] = {}
    for name, classes in _EVALUATORS.items():
        if is_installed(name):
            scorers[name] = _evaluator(classes, found, records, class_count)
    if all(map(is_installed, _OF_TORCHMETRICS)):
        scorers["torchmetrics"] = _torchmetrics(found, records)
    return scorers


def missing_peers() -> list[str]:
    """The modules that are not installed, without which libraries are left out."""
    modules = dict.fromkeys((*_EVALUATORS, *_OF_TORCHMETRICS))
    return [name for name in modules if not is_installed(name)]


def _evaluator(
    classes: tuple[str, str],
    found: Sequence[Detections],
    records: Sequence[Record],
    class_count: int,
) -> Scorer:
    """Of pycocotools, and of a library with the same interface."""
    coco, evaluation = (_resolve(name) for name in classes)
    truth, results = _as_dictionaries(found, records, class_count)

    def score() -> dict[str, float]:
        with contextlib.redirect_stdout(io.StringIO()):
            data = coco()
            data.dataset = truth
            data.createIndex()
            evaluator = evaluation(data, data.loadRes(results), "bbox")
            evaluator.evaluate()
            evaluator.accumulate()
            evaluator.summarize()
        return dict(zip(COCO_METRICS, map(float, evaluator.stats), strict=False))

    return score


def _resolve(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _as_dictionaries(
    found: Sequence[Detections], records: Sequence[Record], class_count: int
) -> tuple[dict[str, list], list[dict[str, Any]]]:
    """The objects and the detections as in COCO's files."""
    objects, results = [], []
    for number, (record, detections) in enumerate(zip(records, found, strict=True)):
        rows = zip(record.boxes.tolist(), record.labels, record.difficult, strict=True)
        for (x1, y1, x2, y2), label, difficult in rows:
            entry = {"image_id": number, "category_id": int(label), "iscrowd": int(difficult)}
            box = [x1, y1, x2 - x1, y2 - y1]
            objects.append({**entry, "id": len(objects) + 1, "bbox": box, "area": box[2] * box[3]})
        rows = zip(detections.boxes.tolist(), detections.labels, detections.scores, strict=True)
        for (x1, y1, x2, y2), label, score in rows:
            entry = {"image_id": number, "category_id": int(label), "score": float(score)}
            results.append({**entry, "bbox": [x1, y1, x2 - x1, y2 - y1]})
    truth = {
        "images": [
            {"id": number, "width": record.size[0], "height": record.size[1]}
            for number, record in enumerate(records)
        ],
        "categories": [{"id": label, "name": str(label)} for label in range(class_count)],
        "annotations": objects,
    }
    return truth, results


def _torchmetrics(found: Sequence[Detections], records: Sequence[Record]) -> Scorer:
    import torch
    from torchmetrics.detection import MeanAveragePrecision

    predictions = [
        {
            "boxes": torch.from_numpy(detections.boxes),
            "scores": torch.from_numpy(detections.scores),
            "labels": torch.from_numpy(detections.labels).long(),
        }
        for detections in found
    ]
    targets = [
        {
            "boxes": torch.from_numpy(record.boxes),
            "labels": torch.from_numpy(record.labels).long(),
            "iscrowd": torch.from_numpy(record.difficult).long(),
        }
        for record in records
    ]

    def score() -> dict[str, float]:
        # As many detections of a class in an image as the other libraries use.
        metric = MeanAveragePrecision(backend="pycocotools")
        metric.update(predictions, targets)
        with contextlib.redirect_stdout(io.StringIO()):
            results = metric.compute()
        names = zip(COCO_METRICS, _TORCHMETRICS_NAMES, strict=True)
        return {ours: float(results[theirs]) for ours, theirs in names}

    return score
