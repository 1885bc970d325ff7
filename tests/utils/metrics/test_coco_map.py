"""COCO's numbers against pycocotools, by hand, and without objects."""

from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from benchmarks.evaluation import simulate
from tests.helpers.cost import assert_evaluates_all_images_at_once
from utils.metrics.coco_map import COCO_METRICS, evaluate_coco
from utils.records import Detections, Record

pytestmark = pytest.mark.quick


def random_images(count, seed=0):
    """Records and detections that find most objects roughly, with some false ones."""
    rng = np.random.default_rng(seed)
    records, detections = [], []
    for i in range(count):
        n = int(rng.integers(0, 8))
        corners, sides = rng.uniform(0, 300, (n, 2)), rng.uniform(8, 160, (n, 2))
        boxes = np.concatenate([corners, corners + sides], axis=1)
        labels = rng.integers(0, 3, n).astype(np.int32)
        records.append(
            Record(Path(f"{i}.jpg"), (500, 500), boxes.astype("f4"), labels, rng.random(n) < 0.15)
        )
        near = boxes + rng.normal(0, 0.06, (n, 4)) * np.tile(sides, 2)
        chosen = rng.permutation(n)[: max(0, n - 1)]
        corners = rng.uniform(0, 300, (3, 2))
        false = np.concatenate([corners, corners + 40], axis=1)
        found = np.concatenate([near[chosen], false]).astype("f4")
        labels = np.concatenate([labels[chosen], rng.integers(0, 3, 3)]).astype(np.int32)
        detections.append(Detections(found, rng.random(len(found)).astype("f4"), labels))
    return records, detections


def reference(detections, records, class_count):
    """The same through pycocotools, with the dictionaries made here."""
    annotations, results = [], []
    for i, r in enumerate(records):
        for (x1, y1, x2, y2), label, hard in zip(r.boxes, r.labels, r.difficult, strict=True):
            w, h = float(x2 - x1), float(y2 - y1)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": i,
                    "category_id": int(label),
                    "area": w * h,
                    "bbox": [float(x1), float(y1), w, h],
                    "iscrowd": int(hard),
                }
            )
        d = detections[i]
        for (x1, y1, x2, y2), label, score in zip(d.boxes, d.labels, d.scores, strict=True):
            results.append(
                {
                    "image_id": i,
                    "category_id": int(label),
                    "score": float(score),
                    "bbox": [float(x1), float(y1), float(x2 - x1), float(y2 - y1)],
                }
            )
    truth = COCO()
    truth.dataset = {
        "images": [{"id": i, "width": 500, "height": 500} for i in range(len(records))],
        "categories": [{"id": i, "name": str(i)} for i in range(class_count)],
        "annotations": annotations,
    }
    truth.createIndex()
    evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation.stats[:6]


def test_equals_pycocotools():
    records, detections = random_images(60)
    found = evaluate_coco(detections, records, ["a", "b", "c"])
    assert tuple(found) == COCO_METRICS
    expected = reference(detections, records, 3)
    assert expected.min() > 0.05, "the example must measure something of every size"
    np.testing.assert_allclose(list(found.values()), expected, rtol=1e-12)


# Corners on a coarse grid and sides around COCO's limits, so that areas, IoU and scores tie.
corner, side = st.integers(0, 6).map(lambda n: 8 * n), st.sampled_from([16, 24, 32, 40, 96, 104])
box, label = st.tuples(corner, corner, side, side), st.integers(0, 1)
object_rows = st.lists(st.tuples(label, box, st.integers(0, 3)), max_size=7)
found_rows = st.lists(st.tuples(label, box, st.integers(1, 6)), max_size=12)


def arrays(rows):
    corners = np.array([b for _, b, _ in rows], np.float32).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    return corners, np.array([c for c, _, _ in rows], np.int32), np.array([x for *_, x in rows])


@given(st.lists(st.tuples(object_rows, found_rows), min_size=1, max_size=4))
def test_equals_pycocotools_in_crowded_images(images):
    records, detections = [], []
    for objects, found in images:
        boxes, labels, luck = arrays(objects)
        records.append(Record(Path("x"), (500, 500), boxes, labels, luck == 0))
        boxes, labels, scores = arrays(found)
        detections.append(Detections(boxes, (scores / 8).astype(np.float32), labels))
    assume(sum(map(len, detections)))  # pycocotools takes no empty list of results
    with redirect_stdout(None):
        expected = reference(detections, records, 2)
    found = np.nan_to_num(list(evaluate_coco(detections, records, "ab").values()), nan=-1)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_the_hundred_best_of_a_class_and_image_are_used():
    hundred = [(0.5 + i / 1000, 200 + i, 0, 210 + i, 10) for i in range(100)]
    late = (0.1, 0, 0, 20, 20)
    assert evaluate_coco(*one_image(*hundred, late), ["a"])["AP"] == 0
    assert evaluate_coco(*one_image(*hundred[:99], late), ["a"])["AP"] == pytest.approx(0.01)


def test_all_images_are_evaluated_at_once():
    """200 and 2,000 images with 100 detections each of 20 classes."""
    names = [str(label) for label in range(20)]
    few, many = ((*simulate(images), names) for images in (200, 2000))
    assert_evaluates_all_images_at_once(evaluate_coco, few, many)


def one_image(*found):
    boxes = np.array([[0, 0, 20, 20], [100, 100, 150, 150]], np.float32)
    record = Record(Path("x"), (300, 300), boxes, np.zeros(2, np.int32), np.array([False, True]))
    rows = np.array(found, np.float32).reshape(-1, 5)
    return [Detections(rows[:, 1:], rows[:, 0], np.zeros(len(rows), np.int32))], [record]


def test_by_hand():
    """IoU 0.8 is a hit at 7 of the 10 thresholds; the difficult object and its box don't count."""
    found, records = one_image((0.9, 0, 0, 20, 16.01), (0.95, 100, 100, 150, 150))
    metrics = evaluate_coco(found, records, ["a", "unused"])
    assert metrics["AP"] == pytest.approx(0.7)
    assert (metrics["AP50"], metrics["AP75"]) == pytest.approx((1, 1))
    assert metrics["AP_small"] == pytest.approx(0.7)
    assert np.isnan([metrics["AP_medium"], metrics["AP_large"]]).all()


def test_no_detections_at_all_is_zero():
    metrics = evaluate_coco(*one_image(), ["a"])
    assert (metrics["AP"], metrics["AP50"], metrics["AP_small"]) == (0, 0, 0)


def test_without_objects_nothing_is_measured():
    nothing = Record(Path("x"), (9, 9), np.zeros((0, 4)), np.zeros(0, np.int32), np.zeros(0, bool))
    found, _ = one_image((0.9, 0, 0, 20, 20))
    assert np.isnan(list(evaluate_coco(found, [nothing], ["a"]).values())).all()
    assert np.isnan(list(evaluate_coco([], [], ["a"]).values())).all()


def test_prints_nothing(capfd):
    evaluate_coco(*one_image((0.9, 0, 0, 20, 16)), ["a"])
    assert capfd.readouterr() == ("", "")


def test_a_label_without_a_class_name_is_refused():
    with pytest.raises(ValueError, match=r"labels 0\.\.0 for 0 class names"):
        evaluate_coco(*one_image(), [])


def test_lengths_must_agree():
    found, records = one_image()
    with pytest.raises(ValueError, match="1 detections for 2 records"):
        evaluate_coco(found, records * 2, ["a"])
