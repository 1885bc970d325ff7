import numpy as np
import pytest

from utils.errors import UserError
from yolo4.export.check import compare, insist

WANTED = {
    "boxes": np.array([[[0, 0, 100, 50]]], np.float32),
    "scores": np.array([[0.5]], np.float32),
    "labels": np.array([[1]], np.int32),
}


def changed(**values):
    return {**WANTED, **{name: np.asarray(value, np.float32) for name, value in values.items()}}


def test_boxes_differ_in_parts_of_the_longer_side():
    found = changed(boxes=[[[0, 0, 100, 50.1]]])
    boxes, scores, labels = compare(found, WANTED, side=200, precision="float32")
    assert (boxes.name, boxes.value) == ("boxes", pytest.approx(0.1 / 200, rel=1e-4))
    assert (scores.value, scores.bound) == (0, 1e-3)
    assert labels.value == 0
    insist([boxes, scores, labels])


def test_logits_differ_relative_to_the_largest():
    wanted = {"p3": np.array([[1.0, -50.0]])}
    (found,) = compare({"p3": np.array([[1.1, -50.0]])}, wanted, 1, "float32")
    assert found.value == pytest.approx(0.1 / 50)
    with pytest.raises(UserError, match=r"p3 0\.002 \(at most 0\.001\)"):
        insist([found])
    insist(compare({"p3": np.array([[1.1, -50.0]])}, wanted, 1, "float16"))


@pytest.mark.parametrize(("others", "precision"), [(1, "float32"), (1, "float16"), (20, "int8")])
def test_few_labels_may_differ_where_two_classes_score_alike(others, precision):
    wanted = {name: np.repeat(value, 20, axis=1) for name, value in WANTED.items()}
    labels = wanted["labels"].copy()
    labels[0, :others] = 0
    found = compare({**wanted, "labels": labels}, wanted, 100, precision)
    assert found[2].value == others / 20
    insist(found)


def test_other_labels_are_refused():
    with pytest.raises(UserError, match=r"labels 1 \(at most 0\.05\)"):
        insist(compare({**WANTED, "labels": np.array([[0]], np.int32)}, WANTED, 100, "float32"))


def test_nan_is_refused():
    with pytest.raises(UserError, match="scores nan"):
        insist(compare(changed(scores=[[np.nan]]), WANTED, 100, "float32"))


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"boxes": WANTED["boxes"]}, "no output scores, only boxes"),
        (changed(scores=[[0.5, 0.5]]), r"scores is float32 \(1, 2\), not float32 \(1, 1\)"),
        (changed(labels=[[1]]), "labels is float32"),
    ],
)
def test_outputs_have_to_be_there_and_alike(found, words):
    with pytest.raises(UserError, match=words):
        compare(found, WANTED, 100, "float32")


def suppressed(boxes, scores, labels):
    count = np.array([len(boxes)], np.int32)
    return {
        "boxes": np.array([boxes], np.float32),
        "scores": np.array([scores], np.float32),
        "labels": np.array([labels], np.int32),
        "count": count,
    }


TWO = suppressed([[0, 0, 10, 10], [20, 20, 40, 40]], [0.9, 0.8], [0, 1])


def test_detections_may_come_in_another_order():
    other = suppressed([[20, 20, 40, 40], [0, 0, 10, 10]], [0.8, 0.9], [1, 0])
    insist(compare(other, TWO, 100, "float32"))


@pytest.mark.parametrize(
    "other",
    [
        suppressed([[20, 20, 40, 40], [0, 0, 10, 10]], [0.8, 0.9], [0, 0]),
        suppressed([[20, 20, 40, 40], [0, 0, 10, 12]], [0.8, 0.9], [1, 0]),
        suppressed([[20, 20, 40, 40], [0, 0, 10, 10]], [0.7, 0.9], [1, 0]),
    ],
    ids=["class", "box", "score"],
)
def test_one_of_two_without_a_counterpart_is_half(other):
    (found,) = compare(other, TWO, 100, "float32")
    assert found.value == 0.5
    with pytest.raises(UserError, match="unmatched ones of 4 detections"):
        insist([found])


def test_of_int8_the_difference_is_told_only():
    other = suppressed([[20, 20, 40, 40], [0, 0, 10, 10]], [0.8, 0.9], [0, 0])
    (found,) = compare(other, TWO, 100, "int8")
    assert str(found) == "unmatched ones of 4 detections 0.5"
    insist([found])


def test_one_at_the_threshold_may_be_lost_on_the_other_side():
    one = {**TWO, "count": np.array([1], np.int32)}
    for found, wanted in ((one, TWO), (TWO, one)):
        insist(compare(found, wanted, 100, "float32", score_threshold=0.7995))
        with pytest.raises(UserError, match="unmatched ones of 3"):
            insist(compare(found, wanted, 100, "float32", score_threshold=0.7985))


def test_where_nothing_is_found_it_is_said():
    none = {**TWO, "count": np.array([0], np.int32)}
    assert "unmatched ones of 0 detections, as nothing is found" in str(
        compare(none, none, 100, "float32")[0]
    )
    bad = {**TWO, "scores": TWO["scores"] * np.nan}
    with pytest.raises(UserError, match="unmatched ones of 2"):
        insist(compare(bad, none, 100, "float32", score_threshold=0.3))


def test_zeros_that_fill_up_are_not_looked_at():
    found = {name: value.copy() for name, value in TWO.items()}
    wanted = {name: value.copy() for name, value in TWO.items()}
    for outputs in (found, wanted):
        outputs["count"][0] = 1
    found["boxes"][0, 1] = 7
    insist(compare(found, wanted, 100, "float32"))
