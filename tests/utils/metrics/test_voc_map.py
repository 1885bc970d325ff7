"""VOC average precision: hand-worked curves, the rules one by one, and a brute-force oracle."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.evaluation import simulate
from tests.helpers.cost import assert_evaluates_all_images_at_once
from utils.metrics import pairs
from utils.metrics.score_curve import ScoreCurve
from utils.metrics.voc_map import evaluate_voc, match_voc
from utils.records import Detections, Record

pytestmark = pytest.mark.quick


def record(*objects, size=(200, 200)):
    """A record of (label, x1, y1, x2, y2[, difficult]) tuples."""
    rows = np.array([(*o, 0)[:6] for o in objects], np.float32).reshape(-1, 6)
    return Record(
        Path("image.jpg"), size, rows[:, 1:5], rows[:, 0].astype(np.int32), rows[:, 5] > 0
    )


def detections(*found):
    """Detections of (label, score, x1, y1, x2, y2) tuples."""
    rows = np.array(found, np.float32).reshape(-1, 6)
    return Detections(rows[:, 2:], rows[:, 1], rows[:, 0].astype(np.int32))


def curve(pattern, objects):
    """A curve from a string such as "TFT", best score first."""
    is_tp = np.array([letter == "T" for letter in pattern], bool)
    return ScoreCurve(np.linspace(0.9, 0.1, len(pattern)), is_tp, objects)


class TestScoreCurve:
    def test_hand_worked_curve(self):
        """T F T T of 4 objects: precision 1, 1/2, 2/3, 3/4 at recall 1/4, 1/4, 2/4, 3/4.

        The envelope is 1 up to recall 1/4, then 3/4 up to 3/4, then 0.
        """
        c = curve("TFTT", 4)
        assert c.precision == pytest.approx([1, 1 / 2, 2 / 3, 3 / 4])
        assert c.recall == pytest.approx([0.25, 0.25, 0.5, 0.75])
        assert c.envelope == pytest.approx([1, 3 / 4, 3 / 4, 3 / 4])
        assert c.average_precision == pytest.approx(0.25 * 1 + 0.5 * 0.75)
        # Recall 0, .1, .2 -> 1; .3 ... .7 -> 3/4; .8, .9, 1 -> 0.
        assert c.average_precision_11_point == pytest.approx((3 * 1 + 5 * 0.75) / 11)

    def test_eleven_points_meet_recall_exactly(self):
        """Three of ten objects reach the point 0.3, six reach 0.6, seven reach 0.7."""
        for found in range(11):
            c = curve("T" * found + "F", 10)
            assert c.average_precision_11_point == pytest.approx((found + (found > 0)) / 11)

    @pytest.mark.parametrize(("pattern", "ap"), [("TTT", 1.0), ("FFF", 0.0), ("", 0.0)])
    def test_extremes(self, pattern, ap):
        assert curve(pattern, 3).average_precision == ap
        assert curve(pattern, 3).average_precision_11_point == pytest.approx(ap)

    def test_without_objects_nothing_is_defined_but_precision(self):
        c = curve("FF", 0)
        assert np.isnan([c.average_precision, c.average_precision_11_point]).all()
        assert np.isnan(c.recall).all()
        precision, recall, f1 = c.at(np.array([0.0]))
        assert precision[0] == 0
        assert np.isnan([recall[0], f1[0], c.best_f1().f1]).all()

    def test_precision_recall_f1_at_thresholds(self):
        c = ScoreCurve(np.array([0.9, 0.6, 0.6, 0.2]), np.array([1, 0, 1, 0], bool), 4)
        precision, recall, f1 = c.at(np.array([0.95, 0.9, 0.6, 0.0]))
        assert np.isnan(precision[0])
        assert precision[1:] == pytest.approx([1, 2 / 3, 2 / 4])
        assert recall == pytest.approx([0, 1 / 4, 2 / 4, 2 / 4])
        assert f1 == pytest.approx([0, 2 / 5, 4 / 7, 4 / 8])
        best = c.best_f1()
        assert (best.threshold, best.recall) == (0.6, 0.5)
        assert (best.precision, best.f1) == pytest.approx((2 / 3, 4 / 7))

    def test_equal_scores_are_kept_or_dropped_together(self):
        """Keeping the right one of two equal scores only is no threshold."""
        c = ScoreCurve(np.array([0.5, 0.5]), np.array([True, False]), 1)
        assert c.best_f1().f1 == pytest.approx(2 / 3)

    @pytest.mark.parametrize("pattern", ["", "FF"])
    def test_without_true_positives_f1_is_zero_and_there_is_no_best_threshold(self, pattern):
        best = curve(pattern, 3).best_f1()
        assert (best.recall, best.f1) == (0, 0)
        assert np.isnan([best.threshold, best.precision]).all()


class TestRules:
    def test_hand_worked_images(self):
        """Two images, two classes; class 0 runs T F F, class 1 finds 1 of 2."""
        truth = [
            record((0, 0, 0, 10, 10), (1, 50, 50, 60, 60)),
            record((0, 0, 0, 10, 10), (1, 20, 20, 40, 40)),
        ]
        found = [
            detections((0, 0.9, 0, 0, 10, 10), (0, 0.8, 0, 0, 10, 9), (1, 0.3, 50, 50, 60, 60)),
            detections((0, 0.7, 100, 100, 110, 110)),
        ]
        result = evaluate_voc(found, truth, ["a", "b"])
        assert result.main.ap == pytest.approx([0.5, 0.5])
        assert result.main.ap_11_point == pytest.approx([6 / 11, 6 / 11])
        assert result.map == pytest.approx(0.5)
        assert result.main.map_11_point == pytest.approx(6 / 11)
        assert result.main.classes[0].is_tp.tolist() == [True, False, False]
        assert result.main.overall.is_tp.tolist() == [True, False, False, True]
        best = result.main.overall.best_f1()
        assert (best.threshold, best.precision, best.recall) == (pytest.approx(0.3), 0.5, 0.5)

    def test_iou_equal_to_the_threshold_is_a_hit(self):
        truth, found = [record((0, 0, 0, 10, 10))], [detections((0, 0.9, 0, 0, 10, 5))]
        result = evaluate_voc(found, truth, ["a"], (0.5, 0.51, 0.25))
        assert [(iou, s.map) for iou, s in result.by_iou.items()] == [
            (0.25, 1),
            (0.5, 1),
            (0.51, 0),
        ]

    def test_iou_half_is_always_there(self):
        result = evaluate_voc([detections()], [record((0, 0, 0, 9, 9))], ["a"], (0.75,))
        assert list(result.by_iou) == [0.5, 0.75]

    def test_difficult_objects_neither_count_nor_cause_errors(self):
        truth = [record((0, 0, 0, 10, 10), (0, 50, 50, 60, 60, 1))]
        found = [
            detections((0, 0.9, 50, 50, 60, 60), (0, 0.8, 50, 50, 60, 60), (0, 0.7, 0, 0, 10, 10))
        ]
        scores = evaluate_voc(found, truth, ["a"]).main
        assert scores.map == 1
        assert scores.classes[0].num_gt == 1
        assert scores.classes[0].scores == pytest.approx([0.7])

    def test_a_detection_belongs_to_its_best_object_even_if_that_is_difficult(self):
        """It overlaps the plain object enough as well, but the difficult one more."""
        truth = [record((0, 0, 0, 10, 10), (0, 2, 0, 12, 10, 1))]
        scores = evaluate_voc([detections((0, 0.9, 2, 0, 12, 10))], truth, ["a"]).main
        assert scores.map == 0
        assert len(scores.classes[0].scores) == 0

    def test_a_second_detection_does_not_match_the_next_best_object(self):
        """Both detections fit object 1 best; object 2 would be free at IoU 0.67."""
        truth = [record((0, 0, 0, 10, 10), (0, 2, 0, 12, 10))]
        found = [detections((0, 0.9, 0, 0, 10, 10), (0, 0.8, 0, 0, 10, 10))]
        scores = evaluate_voc(found, truth, ["a"]).main
        assert scores.classes[0].is_tp.tolist() == [True, False]
        assert scores.map == pytest.approx(0.5)

    def test_the_best_score_takes_the_object_whatever_the_order_given(self):
        truth = [record((0, 0, 0, 10, 10))]
        found = [detections((0, 0.2, 0, 0, 10, 10), (0, 0.9, 0, 0, 10, 6))]
        assert evaluate_voc(found, truth, ["a"]).main.classes[0].is_tp.tolist() == [True, False]

    def test_class_without_objects_is_left_out_of_the_mean(self):
        truth = [record((0, 0, 0, 10, 10), (2, 0, 0, 5, 5, 1))]
        found = [detections((0, 0.9, 0, 0, 10, 10), (1, 0.8, 0, 0, 10, 10))]
        result = evaluate_voc(found, truth, ["a", "b", "c"])
        assert result.map == 1
        assert np.isnan(result.main.ap[1:]).all()
        assert np.isnan(result.main.ap_11_point[1:]).all()
        assert result.classes_without_objects == ("b", "c")

    def test_other_images_and_classes_do_not_match(self):
        truth = [record((0, 0, 0, 10, 10)), record((1, 0, 0, 10, 10))]
        found = [detections((1, 0.9, 0, 0, 10, 10)), detections((0, 0.9, 0, 0, 10, 10))]
        assert evaluate_voc(found, truth, ["a", "b"]).map == 0

    def test_nothing_at_all(self):
        assert np.isnan(evaluate_voc([], [], ["a"]).map)
        assert np.isnan(evaluate_voc([detections()], [record()], ["a"]).map)
        assert evaluate_voc([detections()], [record((0, 0, 0, 9, 9))], ["a"]).map == 0

    def test_boxes_without_area_match_nothing(self):
        truth = [record((0, 5, 5, 5, 9), (0, 0, 0, 3, 3))]
        result = evaluate_voc([detections((0, 0.9, 5, 5, 5, 9))], truth, ["a"])
        assert result.map == 0

    def test_wrong_calls_are_refused(self):
        with pytest.raises(ValueError, match="1 detections for 2 records"):
            evaluate_voc([detections()], [record(), record()], ["a"])
        with pytest.raises(ValueError, match=r"labels 0\.\.1 for 1 class names"):
            evaluate_voc([detections()], [record((0, 0, 0, 1, 1), (1, 0, 0, 1, 1))], ["a"])


class TestMatches:
    def test_hand_worked_images(self):
        """What counts, best score first, with its image; objects to find by image and class."""
        truth = [
            record((0, 0, 0, 10, 10), (0, 50, 50, 60, 60, 1), (2, 0, 0, 9, 9, 1)),
            record(),
            record((0, 0, 0, 10, 10), (0, 30, 30, 40, 40), (1, 0, 0, 10, 10)),
        ]
        found = [
            detections((0, 0.6, 0, 0, 10, 10), (0, 0.95, 50, 50, 60, 60), (1, 0.3, 0, 0, 9, 9)),
            detections((0, 0.4, 0, 0, 10, 10)),
            detections((0, 0.9, 0, 0, 10, 7), (0, 0.5, 0, 0, 10, 10)),
        ]
        matches = match_voc(found, truth, ["a", "b", "c"])
        assert matches.images.tolist() == [2, 0, 2, 1, 0]
        assert matches.labels.tolist() == [0, 0, 0, 0, 1]
        assert matches.scores == pytest.approx([0.9, 0.6, 0.5, 0.4, 0.3])
        assert matches.is_tp.tolist() == [True, True, False, False, False]
        assert matches.num_gt.tolist() == [[1, 0, 0], [0, 0, 0], [2, 1, 0]]

    def test_the_threshold_is_the_one_asked_for(self):
        truth, found = [record((0, 0, 0, 10, 10))], [detections((0, 0.9, 0, 0, 10, 7))]
        assert match_voc(found, truth, ["a"], 0.7).is_tp.tolist() == [True]
        assert match_voc(found, truth, ["a"], 0.71).is_tp.tolist() == [False]

    def test_nothing_at_all(self):
        assert match_voc([], [], ["a", "b"]).num_gt.shape == (0, 2)
        assert match_voc([detections()], [record()], ["a"]).num_gt.tolist() == [[0]]

    def test_wrong_calls_are_refused(self):
        with pytest.raises(ValueError, match="1 detections for 2 records"):
            match_voc([detections()], [record(), record()], ["a"])


def oracle_iou(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    inter = max(width, 0) * max(height, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter
    return inter / union


def oracle_ap(found, truth, label, threshold):
    """One class by loops, as the VOC development kit describes it: (AP, 11-point AP)."""
    rows = [
        (float(d.scores[i]), image, d.boxes[i].tolist())
        for image, d in enumerate(found)
        for i in range(len(d))
        if d.labels[i] == label
    ]
    rows.sort(key=lambda row: -row[0])
    taken, points, right, wrong = set(), [], 0, 0
    total = sum(int((~r.difficult[r.labels == label]).sum()) for r in truth)
    for _, image, box in rows:
        r, best, best_iou = truth[image], None, -1.0
        for j in range(len(r.labels)):
            if r.labels[j] == label and oracle_iou(box, r.boxes[j].tolist()) > best_iou:
                best, best_iou = j, oracle_iou(box, r.boxes[j].tolist())
        if best is not None and best_iou >= threshold:
            if r.difficult[best]:
                continue
            new = (image, best) not in taken
            taken.add((image, best))
            right, wrong = right + new, wrong + (not new)
        else:
            wrong += 1
        points.append((right, right / (right + wrong)))
    if total == 0:
        return float("nan"), float("nan")

    def reach(k_of_n, n):
        return max((p for tp, p in points if tp * n >= k_of_n * total), default=0.0)

    area = sum(max((p for tp, p in points if tp >= k), default=0.0) for k in range(1, total + 1))
    return area / total, sum(reach(k, 10) for k in range(11)) / 11


corner, side, label = st.integers(0, 12), st.integers(1, 10), st.integers(0, 2)
object_rows = st.lists(st.tuples(label, corner, corner, side, side, st.integers(0, 3)), max_size=6)
found_rows = st.lists(st.tuples(label, corner, corner, side, side, st.integers(0, 6)), max_size=9)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(object_rows, found_rows), min_size=1, max_size=4),
    st.sampled_from([0.3, 0.5, 0.75]),
    st.sampled_from([1, 5, 1 << 21]),
)
def test_equals_the_oracle(images, threshold, pairs_at_once):
    """Crowded small images with ties in score and in IoU, also if the work is split into pieces."""
    truth = [
        record(*[(c, x, y, x + w, y + h, d == 0) for c, x, y, w, h, d in objects])
        for objects, _ in images
    ]
    found = [
        detections(*[(c, s / 6, x, y, x + w, y + h) for c, x, y, w, h, s in rows])
        for _, rows in images
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs, "_PAIRS_AT_ONCE", pairs_at_once)
        scores = evaluate_voc(found, truth, ["a", "b", "c"], [threshold]).by_iou[threshold]
    expected = np.array([oracle_ap(found, truth, c, threshold) for c in range(3)])
    np.testing.assert_allclose(scores.ap, expected[:, 0], rtol=1e-12)
    np.testing.assert_allclose(scores.ap_11_point, expected[:, 1], rtol=1e-12)


def test_all_images_are_evaluated_at_once():
    """200 and 2,000 images with 100 detections each of 20 classes."""
    names = [str(label) for label in range(20)]
    few, many = ((*simulate(images), names, (0.5, 0.75)) for images in (200, 2000))
    assert_evaluates_all_images_at_once(evaluate_voc, few, many)
