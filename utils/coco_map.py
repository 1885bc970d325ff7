"""Average precision by the rules of COCO, worked out by faster-coco-eval."""

from collections.abc import Iterable, Iterator, Sequence

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
    truth = _dataset(_objects(records), records, class_names)
    found = _dataset(_found(detections), records, class_names)
    evaluation = COCOeval_faster(truth, found, "bbox")
    evaluation.run()
    values = (float(value) for value in evaluation.stats[: len(COCO_METRICS)])
    # COCO's mark for "nothing to measure" is -1.
    return {
        name: value if value >= 0 else float("nan")
        for name, value in zip(COCO_METRICS, values, strict=True)
    }


def _objects(records: Sequence[Record]) -> Iterator[dict]:
    for image, record in enumerate(records):
        for row, difficult in zip(_rows(image, record), record.difficult.tolist(), strict=True):
            yield row | {"iscrowd": int(difficult)}


def _found(detections: Sequence[Detections]) -> Iterator[dict]:
    for image, found in enumerate(detections):
        for row, score in zip(_rows(image, found), found.scores.tolist(), strict=True):
            yield row | {"iscrowd": 0, "score": score}


def _rows(image: int, boxed: Record | Detections) -> Iterator[dict]:
    corners, ends = np.split(np.asarray(boxed.boxes, np.float64).reshape(-1, 4), 2, axis=1)
    boxes_xywh = np.concatenate([corners, ends - corners], axis=1).tolist()
    for box, label in zip(boxes_xywh, boxed.labels.tolist(), strict=True):
        yield {"image_id": image, "category_id": label, "bbox": box, "area": box[2] * box[3]}


def _dataset(rows: Iterable[dict], records: Sequence[Record], class_names: Sequence[str]) -> COCO:
    # COCO takes an id of 0 for none.
    numbered = [row | {"id": number} for number, row in enumerate(rows, start=1)]
    images = [{"id": i, "width": r.size[0], "height": r.size[1]} for i, r in enumerate(records)]
    categories = [{"id": i, "name": name} for i, name in enumerate(class_names)]
    return COCO({"images": images, "categories": categories, "annotations": numbered})
