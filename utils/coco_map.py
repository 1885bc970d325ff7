"""Average precision by the rules of COCO, worked out by faster-coco-eval."""

from collections.abc import Sequence

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster

from utils.records import Detections, Record

COCO_METRICS = ("AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large")


def evaluate_coco(
    detections: Sequence[Detections], records: Sequence[Record], class_names: Sequence[str]
) -> dict[str, float]:
    """Score detections against annotated images.

    `difficult` objects go in as COCO's crowds: they need not be found, and detections on them are
    not counted. The size of an object is the area of its box: small below 32x32 pixels, large from
    96x96 on. COCO looks at the 100 best detections of each class in each image.

    Args:
        detections: what was found in each record's image, boxes in pixels of that image.
        records: the annotated images, in the same order.
        class_names: names of the classes that the labels index.

    Returns:
        `COCO_METRICS`, fractions of 1: AP is the mean over IoU 0.5, 0.55, ... 0.95. nan where there
        is no object of that kind to find.

    Raises:
        ValueError: when the two sequences differ in length.
    """
    if len(detections) != len(records):
        raise ValueError(f"{len(detections)} detections for {len(records)} records")
    truth = COCO(
        {
            "images": [
                {"id": i, "width": record.size[0], "height": record.size[1]}
                for i, record in enumerate(records)
            ],
            "categories": [{"id": i, "name": name} for i, name in enumerate(class_names)],
            "annotations": _annotations(records),
        }
    )
    evaluation = COCOeval_faster(truth, truth.loadRes(_results(detections)), "bbox")
    evaluation.run()
    values = (float(value) for value in evaluation.stats[: len(COCO_METRICS)])
    # COCO's mark for "nothing to measure" is -1.
    return {
        name: value if value >= 0 else float("nan")
        for name, value in zip(COCO_METRICS, values, strict=True)
    }


def _annotations(records: Sequence[Record]) -> list[dict]:
    rows = []
    for image, record in enumerate(records):
        columns = (_xywh(record.boxes), record.labels.tolist(), record.difficult.tolist())
        for box, label, difficult in zip(*columns, strict=True):
            rows.append(
                {
                    "id": len(rows) + 1,
                    "image_id": image,
                    "category_id": label,
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": int(difficult),
                }
            )
    return rows


def _results(detections: Sequence[Detections]) -> list[dict]:
    rows = []
    for image, found in enumerate(detections):
        columns = (_xywh(found.boxes), found.labels.tolist(), found.scores.tolist())
        for box, label, score in zip(*columns, strict=True):
            rows.append({"image_id": image, "category_id": label, "bbox": box, "score": score})
    return rows


def _xywh(boxes: np.ndarray) -> list[list[float]]:
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).tolist()
