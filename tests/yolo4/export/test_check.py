import numpy as np
import pytest

from utils.errors import UserError
from yolo4.export.check import compare, refuse_differences

pytestmark = pytest.mark.quick

EXPECTED = {
    "boxes": np.array([[[0, 0, 100, 50]]], np.float32),
    "scores": np.array([[0.5]], np.float32),
    "labels": np.array([[1]], np.int32),
}


def changed(**values):
    return {**EXPECTED, **{name: np.asarray(value, np.float32) for name, value in values.items()}}


def test_boxes_differ_in_parts_of_the_longer_side():
    found = changed(boxes=[[[0, 0, 100, 50.1]]])
    boxes, scores, labels = compare(found, EXPECTED, longer_side=200, precision="float32")
    assert (boxes.name, boxes.value) == ("boxes", pytest.approx(0.1 / 200, rel=1e-4))
    assert (scores.value, scores.limit) == (0, 1e-3)
    assert labels.value == 0
    refuse_differences([boxes, scores, labels])


def test_logits_differ_relative_to_the_largest():
    expected = {"p3": np.array([[1.0, -50.0]])}
    (found,) = compare({"p3": np.array([[1.1, -50.0]])}, expected, 1, "float32")
    assert found.value == pytest.approx(0.1 / 50)
    with pytest.raises(UserError, match=r"p3 0\.002 \(at most 0\.001\)"):
        refuse_differences([found])
    refuse_differences(compare({"p3": np.array([[1.1, -50.0]])}, expected, 1, "float16"))


@pytest.mark.parametrize(("others", "precision"), [(1, "float32"), (1, "float16"), (20, "int8")])
def test_few_labels_may_differ_as_two_classes_may_score_alike(others, precision):
    expected = {name: np.repeat(value, 20, axis=1) for name, value in EXPECTED.items()}
    labels = expected["labels"].copy()
    labels[0, :others] = 0
    found = compare({**expected, "labels": labels}, expected, 100, precision)
    assert found[2].value == others / 20
    refuse_differences(found)


def test_other_labels_are_refused():
    with pytest.raises(UserError, match=r"labels 1 \(at most 0\.05\)"):
        refuse_differences(
            compare({**EXPECTED, "labels": np.array([[0]], np.int32)}, EXPECTED, 100, "float32")
        )


def test_nan_is_refused():
    with pytest.raises(UserError, match="scores nan"):
        refuse_differences(compare(changed(scores=[[np.nan]]), EXPECTED, 100, "float32"))


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"boxes": EXPECTED["boxes"]}, "no output scores, only boxes"),
        (changed(scores=[[0.5, 0.5]]), r"scores is float32 \(1, 2\); it must be float32 \(1, 1\)"),
        (changed(labels=[[1]]), "labels is float32"),
    ],
)
def test_missing_or_misshapen_outputs_are_refused(found, words):
    with pytest.raises(UserError, match=words):
        compare(found, EXPECTED, 100, "float32")


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
    refuse_differences(compare(other, TWO, 100, "float32"))


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
    with pytest.raises(UserError, match="unmatched of 4 detections"):
        refuse_differences([found])


def test_the_difference_of_int8_is_only_reported():
    other = suppressed([[20, 20, 40, 40], [0, 0, 10, 10]], [0.8, 0.9], [0, 0])
    (found,) = compare(other, TWO, 100, "int8")
    assert str(found) == "unmatched of 4 detections 0.5"
    refuse_differences([found])


def test_a_detection_at_the_threshold_may_be_missing_on_the_other_side():
    one = {**TWO, "count": np.array([1], np.int32)}
    for found, expected in ((one, TWO), (TWO, one)):
        refuse_differences(compare(found, expected, 100, "float32", score_threshold=0.7995))
        with pytest.raises(UserError, match="unmatched of 3"):
            refuse_differences(compare(found, expected, 100, "float32", score_threshold=0.7985))


def test_images_without_detections_are_reported():
    none = {**TWO, "count": np.array([0], np.int32)}
    assert "unmatched of 0 detections, as the image has none" in str(
        compare(none, none, 100, "float32")[0]
    )
    bad = {**TWO, "scores": TWO["scores"] * np.nan}
    with pytest.raises(UserError, match="unmatched of 2"):
        refuse_differences(compare(bad, none, 100, "float32", score_threshold=0.3))


def test_padding_is_not_compared():
    found = {name: value.copy() for name, value in TWO.items()}
    expected = {name: value.copy() for name, value in TWO.items()}
    for outputs in (found, expected):
        outputs["count"][0] = 1
    found["boxes"][0, 1] = 7
    refuse_differences(compare(found, expected, 100, "float32"))
