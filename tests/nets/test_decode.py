import numpy as np
import pytest
from keras import ops

from nets.decode import anchor_grid, decode, decode_boxes, flatten, grids
from nets.outputs import Decode
from tests.helpers.yolov4 import LEVELS

pytestmark = pytest.mark.quick

ANCHORS = [[10 * n, 5 * n] for n in range(1, 10)]


def logits(height=64, width=96, classes=2, batch=1):
    return [
        np.zeros((batch, height // s, width // s, 3, 5 + classes), np.float32) for s in (8, 16, 32)
    ]


def test_zero_logits_are_anchors_in_the_middle_of_their_cells():
    boxes, confidence, scores = map(np.asarray, decode(logits(), ANCHORS, *LEVELS))
    assert boxes.shape == (1, (8 * 12 + 4 * 6 + 2 * 3) * 3, 4)
    # Row 1, column 2 of stride 8, second anchor: center (20, 12), 20 x 10.
    np.testing.assert_allclose(boxes[0, (1 * 12 + 2) * 3 + 1], [10, 7, 30, 17], atol=1e-5)
    # The very last: row 1, column 2 of stride 32, ninth anchor: center (80, 48), 90 x 45.
    np.testing.assert_allclose(boxes[0, -1], [35, 25.5, 125, 70.5], atol=1e-5)
    assert (confidence == 0.5).all()
    assert (scores == 0.5).all()


@pytest.mark.parametrize(("level", "stride", "scale"), [(0, 8, 1.2), (1, 16, 1.1), (2, 32, 1.05)])
def test_scale_x_y_lets_centers_reach_beyond_their_cell(level, stride, scale):
    raw = logits()
    raw[level][0, 0, 0, 0, :2] = [50, -50]
    boxes = np.asarray(decode(raw, ANCHORS, *LEVELS)[0])
    first = sum(np.prod(x.shape[1:4]) for x in raw[:level])
    center = (boxes[0, first, :2] + boxes[0, first, 2:]) / 2
    edge = (scale - 1) / 2
    np.testing.assert_allclose(center, [(1 + edge) * stride, -edge * stride], rtol=1e-5)


def test_sides_are_exponential():
    raw = logits()
    raw[1][0, 3, 5, 2, 2:4] = np.log([2, 0.5])
    boxes = np.asarray(decode(raw, ANCHORS, *LEVELS)[0])[0, 8 * 12 * 3 + (3 * 6 + 5) * 3 + 2]
    np.testing.assert_allclose(boxes[2:] - boxes[:2], [60 * 2, 30 * 0.5], rtol=1e-5)


def test_the_order_of_a_predictor_is_box_confidence_classes():
    raw = logits()
    raw[0][0, 0, 0, 0] = [0, 0, 0, 0, np.log(3), 0, np.log(4)]
    _, confidence, scores = map(np.asarray, decode(raw, ANCHORS, *LEVELS))
    assert confidence[0, 0] == pytest.approx(0.75)
    np.testing.assert_allclose(scores[0, 0], [0.5, 0.8], rtol=1e-6)


def test_flat_order_is_level_row_column_anchor():
    raw = logits()
    for n, level in enumerate(raw):
        rows, columns, anchors = np.indices(level.shape[1:4])
        level[0, ..., :4] = np.stack([np.full_like(rows, n), rows, columns, anchors], -1)
    flat = np.asarray(flatten(raw))[0, :, :4]
    assert (np.lexsort(flat.T[::-1]) == np.arange(len(flat))).all()


def test_huge_logits_give_finite_boxes():
    raw = np.array([[1e4, -1e4, 1e4, -1e4], [-1e4, 1e4, -1e4, 1e4]], np.float32)
    grid = anchor_grid([(1, 1), (1, 1), (1, 1)], ANCHORS, *LEVELS)
    assert np.isfinite(decode_boxes(ops.tile(raw[:1], (9, 1)), grid)).all()


def test_a_decode_layer_saved_without_strides_is_yolov4s():
    layer = Decode(ANCHORS, (4, 8, 16), (1.0, 1.5, 2.0))
    config = layer.get_config()
    again = Decode.from_config(config)
    assert (again.anchors, again.strides, again.scale_x_y) == (
        ANCHORS, (4, 8, 16), (1.0, 1.5, 2.0)
    )  # fmt: skip
    del config["strides"]
    assert Decode.from_config(config).strides == (8, 16, 32)


def test_grids_are_rows_and_columns():
    assert grids(logits()) == [(8, 12), (4, 6), (2, 3)]
