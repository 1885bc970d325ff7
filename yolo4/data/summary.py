"""From the records of a data set to all numbers of its page."""

import dataclasses
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from utils.anchors import kmeans_anchors, mean_best_iou
from utils.annotations import DataSet
from utils.boxes import shape_iou
from utils.errors import UserError
from utils.inspection.leaks import Leak, describe_leaks, list_leaks
from utils.inspection.objects import Objects, count_by
from utils.metrics.coco_map import SIZES
from yolo4.config import Config
from yolo4.data.advice import advise, margin

Summary = dict[str, Any]

_MOST_SIZES = 12
_MOST_EXAMPLES = 5


def summarize(dataset: DataSet, objects: Objects, config: Config, leaks: Sequence[Leak]) -> Summary:
    """All numbers of the page; pictures are added later.

    Args:
        dataset: the data.
        objects: all of its objects, in the input of `config`.
        config: the settings of a training on it.
        leaks: from `utils.inspection.leaks.find_leaks`.
    """
    counts = {split: len(records) for split, records in dataset.splits.items()}
    measured = next((split for split in ("test", "val") if split in counts), None)
    summary = {
        "made": time.strftime("%Y-%m-%d %H:%M"),
        "paths": list(config.data),
        "names": [Path(path).absolute().name for path in config.data],
        "format": dataset.format,
        "network": config.network,
        "input": "{1}x{0}".format(*config.input_shape),
        "cell": config.network_spec.strides[0],
        "difficult": objects.difficult,
        "measured": measured,
        "splits": _splits(dataset, objects, config),
        "classes": _classes(dataset, objects, config, measured),
        "anchors": _anchors(objects, config),
        "image_sizes": _image_sizes(objects),
        "leaks": {
            "sentences": describe_leaks(leaks, counts),
            "lines": list_leaks(leaks, counts),
            "pairs": [dataclasses.asdict(leak) for leak in leaks],
        },
        "report": _report(dataset),
    }
    advice = advise(summary, objects, config)
    return summary | {"advice": [dataclasses.asdict(each) for each in advice]}


def _sizes(objects: Objects, config: Config, rows: np.ndarray) -> dict[str, int]:
    """How many of some objects are small, medium, large, and lost in the network's input."""
    by_size = np.bincount(objects.coco_sizes[rows], minlength=len(SIZES)).tolist()
    lost = objects.input_sides[rows] < config.network_spec.strides[0]
    return {**dict(zip(SIZES, by_size, strict=True)), "lost": int(lost.sum())}


def _splits(dataset: DataSet, objects: Objects, config: Config) -> list[dict[str, Any]]:
    rows = []
    for number, (name, records) in enumerate(dataset.splits.items()):
        chosen = objects.split == number
        rows.append(
            {
                "name": name,
                "images": len(records),
                "empty": sum(bool(record.difficult.all()) for record in records),
                "objects": int(chosen.sum()),
                **_sizes(objects, config, chosen),
            }
        )
    return rows


def _classes(
    dataset: DataSet, objects: Objects, config: Config, measured: str | None
) -> list[dict[str, Any]]:
    """One entry a class, that with the fewest objects first."""
    names = dataset.class_names
    counts = count_by(objects.label, objects.split, (len(names), len(dataset.splits)))
    order = np.argsort(objects.label, kind="stable")
    ends = np.searchsorted(objects.label[order], np.arange(1, len(names)))
    rows_of = np.split(order, ends)
    entries = []
    for label in np.argsort(counts.sum(axis=1), kind="stable"):
        by_split = dict(zip(dataset.splits, counts[label].tolist(), strict=True))
        entries.append(
            {
                "name": names[label],
                "label": int(label),
                "total": int(counts[label].sum()),
                "objects": by_split,
                "images": len(np.unique(objects.image[rows_of[label]])),
                **_sizes(objects, config, rows_of[label]),
                "margin": margin(by_split[measured]) if measured else None,
            }
        )
    return entries


def _anchors(objects: Objects, config: Config) -> dict[str, Any]:
    """The network's own anchors and those of `--anchors auto`, and the objects that fit each."""
    spec = config.network_spec
    train = objects.input_sizes[objects.split == 0]
    found = {"own": _fit(np.array(spec.anchors, np.float32), train, config)}
    try:
        auto = kmeans_anchors(train, len(spec.anchors), config.seed)
    except UserError as error:
        return found | {"auto": None, "why_not": str(error)}
    return found | {"auto": _fit(auto, train, config)}


def _fit(anchors: np.ndarray, sizes: np.ndarray, config: Config) -> dict[str, Any]:
    spec = config.network_spec
    best = shape_iou(sizes, anchors).argmax(axis=1)
    strides = np.repeat(spec.strides, spec.anchors_per_level).tolist()
    counts = np.bincount(best, minlength=len(anchors)).tolist()
    rows = zip(anchors.tolist(), strides, counts, strict=True)
    return {
        "fit": mean_best_iou(sizes, anchors) if len(sizes) else None,
        "anchors": [
            {"width": width, "height": height, "stride": stride, "objects": count}
            for (width, height), stride, count in rows
        ],
    }


def _image_sizes(objects: Objects) -> dict[str, Any]:
    sizes = Counter(record.size for record in objects.records)
    most = [
        {"width": width, "height": height, "images": count}
        for (width, height), count in sizes.most_common(_MOST_SIZES)
    ]
    return {"distinct": len(sizes), "most": most}


def _report(dataset: DataSet) -> dict[str, Any]:
    """What was skipped or changed in the data, with the first examples of each kind."""
    report = dataset.report
    problems: Mapping[Any, int] = report.problem_counts
    return {
        "problems": [
            {
                "what": problem.value[0],
                "done": problem.value[1],
                "count": count,
                "examples": [str(f) for f in report.findings if f.problem is problem][
                    :_MOST_EXAMPLES
                ],
            }
            for problem, count in sorted(problems.items(), key=lambda item: -item[1])
        ],
        "warnings": list(report.warnings),
        "notes": list(report.notes),
        "unused": len(report.unused),
    }
