from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nets.networks import YOLOV4
from utils.errors import UserError
from utils.image import ImageError
from utils.letterbox import Letterbox
from utils.postprocess import PREDICTION, select_detections
from yolo4.config import Config
from yolo4.inference import detector as module
from yolo4.inference.detector import Detector

pytestmark = pytest.mark.quick

NAMES = ("apple", "leaf", "key")
SIZE = (64, 96)


def answer(*predictions):
    """A network that finds the same in every image: (box, confidence, class scores) each."""
    boxes, confidence, scores = (np.array(part, np.float32) for part in zip(*predictions, strict=1))

    def infer(images):
        infer.batches.append(images.copy())
        return tuple(
            np.repeat(part[None], len(images), axis=0) for part in (boxes, confidence, scores)
        )

    infer.batches = []
    return infer


def image(height=64, width=96, value=0):
    return np.full((height, width, 3), value, np.uint8)


def test_every_pair_of_box_and_class_that_reaches_the_threshold_is_a_candidate():
    infer = answer(
        ((0, 0, 20, 20), 0.8, (0.9, 0.5, 0.1)),  # 0.72 apple, 0.40 leaf, 0.08 key
        ((40, 40, 60, 60), 0.5, (0.5, 0.7, 0.6)),  # 0.25, 0.35 leaf, 0.30 key: just so
        ((70, 0, 90, 20), 0.29, (1.0, 1.0, 1.0)),
    )
    found = Detector(infer, NAMES, SIZE).detect(image())
    assert found.labels.tolist() == [0, 1, 1, 2]
    np.testing.assert_allclose(found.scores, [0.72, 0.40, 0.35, 0.30], rtol=1e-6)
    assert found.boxes.tolist() == [[0, 0, 20, 20]] * 2 + [[40, 40, 60, 60]] * 2
    assert (found.boxes.dtype, found.scores.dtype, found.labels.dtype) == (
        np.float32,
        np.float32,
        np.int32,
    )


@pytest.mark.parametrize(
    "changed", [{}, {"score_threshold": 0.5}, {"nms_threshold": 0.9}, {"max_detections": 1}]
)
def test_detections_at_any_settings_are_selected_from_one_prediction(changed):
    infer = answer(
        ((0, 0, 20, 20), 0.8, (0.9, 0.5, 0.1)),
        ((0, 0, 20, 16), 0.7, (0.9, 0.1, 0.1)),
        ((40, 40, 60, 60), 0.5, (0.5, 0.9, 0.6)),
    )
    settings = replace(PREDICTION, **changed)
    prediction = Detector(infer, NAMES, SIZE).predict(image(48, 128))
    assert len(infer.batches) == 1
    found = prediction.select(settings)
    assert len(infer.batches) == 1
    expected = Detector(infer, NAMES, SIZE, settings).detect(image(48, 128))
    assert len(expected) == {0: 4, 0.5: 1, 0.9: 5, 1: 1}[next(iter(changed.values()), 0)]
    for part in ("boxes", "scores", "labels"):
        np.testing.assert_array_equal(getattr(found, part), getattr(expected, part))


def test_boxes_come_back_in_pixels_of_the_source_and_clipped_to_it():
    # A source of 48 x 128 fills 96 x 36 of the input: scale 0.75, 14 rows of padding above.
    infer = answer(
        ((0, 14, 75, 50), 0.9, (1, 0, 0)),
        ((30, 0, 200, 32), 0.8, (0, 1, 0)),
        ((10, 0, 30, 14), 0.7, (0, 0, 1)),  # in the padding alone
    )
    found = Detector(infer, NAMES, SIZE).detect(image(48, 128))
    assert found.labels.tolist() == [0, 1]
    np.testing.assert_allclose(found.boxes, [[0, 0, 100, 48], [40, 0, 128, 24]], atol=1e-4)


def test_the_network_sees_the_letterboxed_pixels():
    infer = answer(((0, 0, 9, 9), 0.9, (1, 0, 0)))
    Detector(infer, NAMES, SIZE).detect(image(48, 128, value=200))
    (batch,) = infer.batches
    assert (batch.shape, batch.dtype) == ((1, 64, 96, 3), np.uint8)
    assert (batch[0, 14:50] == 200).all()
    assert (batch[0, :14] == 128).all()
    assert (batch[0, 50:] == 128).all()


def test_a_stretched_image_fills_the_input_and_boxes_go_back_along_each_axis():
    # A source of 48 x 128 becomes 64 x 96: 3/4 as wide and 4/3 as high.
    infer = answer(((0, 16, 48, 32), 0.9, (1, 0, 0)), ((72, 48, 200, 70), 0.8, (0, 1, 0)))
    found = Detector(infer, NAMES, SIZE, resize="stretch").detect(image(48, 128, value=200))
    assert (infer.batches[0] == 200).all()
    np.testing.assert_allclose(found.boxes, [[0, 12, 64, 24], [96, 36, 128, 48]], atol=1e-4)


@pytest.mark.parametrize(
    ("asked", "used"), [(None, "stretch"), ("letterbox", "letterbox"), ("stretch", "stretch")]
)
def test_images_are_fitted_as_in_the_training_unless_another_way_is_asked_for(
    tmp_path, monkeypatch, asked, used
):
    infer = answer(((0, 0, 9, 9), 0.9, (1, 0, 0)))
    engine = SimpleNamespace(infer=infer, batch_size=None, parallel=1)
    monkeypatch.setattr(module, "open_engine", lambda *_, **__: engine)
    monkeypatch.setattr(module, "require_network", lambda run: None)  # the engine is not the run's
    config = Config(input_size=SIZE, resize="stretch")
    (tmp_path / "config.json").write_text(config.to_json(), encoding="utf-8")
    (tmp_path / "classes.txt").write_text("\n".join(NAMES), encoding="utf-8")
    Detector.from_run(tmp_path, resize=asked).detect(image(48, 128, value=200))
    assert (infer.batches[0][0, 0] == (200 if used == "stretch" else 128)).all()


def test_overlapping_boxes_of_one_class_are_suppressed_and_of_two_are_not():
    near = ((0, 0, 20, 20), 0.9, (1, 0, 0)), ((1, 1, 21, 21), 0.8, (0.9, 0.8, 0))
    found = Detector(answer(*near), NAMES, SIZE).detect(image())
    assert found.labels.tolist() == [0, 1]
    both = Detector(answer(*near), NAMES, SIZE, replace(PREDICTION, nms_threshold=0.9)).detect(
        image()
    )
    assert both.labels.tolist() == [0, 0, 1]


def test_diou_keeps_what_iou_suppresses():
    # IoU 0.5; the centers are 10 apart in an enclosing box of diagonal^2 1000: DIoU 0.4.
    apart = ((0, 0, 30, 10), 0.9, (1, 0, 0)), ((10, 0, 40, 10), 0.8, (1, 0, 0))
    assert len(Detector(answer(*apart), NAMES, SIZE).detect(image())) == 1
    assert (
        len(Detector(answer(*apart), NAMES, SIZE, replace(PREDICTION, nms="diou")).detect(image()))
        == 2
    )


def test_the_best_are_kept():
    infer = answer(*(((8 * i, 0, 8 * i + 7, 7), 0.4 + i / 50, (1, 0, 0)) for i in range(8)))
    found = Detector(infer, NAMES, SIZE, replace(PREDICTION, max_detections=3)).detect(image())
    np.testing.assert_allclose(found.scores, [0.54, 0.52, 0.5], rtol=1e-5)


def test_nothing_found_has_the_usual_shapes_and_nan_is_nothing():
    infer = answer(
        ((0, 0, 9, 9), np.nan, (1, 1, 1)),
        ((0, np.nan, 9, 9), 0.9, (1, 0, 0)),
        ((5, 5, 5, 9), 0.9, (1, 0, 0)),
    )
    found = Detector(infer, NAMES, SIZE).detect(image())
    assert (found.boxes.shape, found.scores.shape, found.labels.shape) == ((0, 4), (0,), (0,))


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.9))
def test_agrees_with_the_plain_loop(seed, threshold):
    rng = np.random.default_rng(seed)
    corner, side = rng.uniform(0, 60, (12, 2)), rng.uniform(1, 30, (12, 2))
    boxes = np.concatenate([corner, corner + side], 1).astype(np.float32)
    confidence, scores = rng.random(12, np.float32), rng.random((12, 3), np.float32)
    fit = Letterbox.fit((192, 128), SIZE)
    # No overlap is above 1, so nothing is suppressed.
    settings = replace(PREDICTION, score_threshold=threshold, nms_threshold=1.0)
    found = select_detections(boxes, confidence, scores, fit, settings)
    expected = {
        (row, label): confidence[row] * scores[row, label]
        for row in range(12)
        for label in range(3)
        if confidence[row] * scores[row, label] >= threshold
    }
    assert sorted(found.labels.tolist()) == sorted(label for _, label in expected)
    np.testing.assert_allclose(found.scores, sorted(expected.values(), reverse=True), rtol=1e-6)
    best_first = sorted(expected, key=lambda pair: -expected[pair])
    np.testing.assert_allclose(found.boxes, fit.invert(boxes[[row for row, _ in best_first]]))


def test_batches_have_two_sizes_at_most_and_the_filling_is_not_reported():
    infer = answer(((0, 0, 9, 9), 0.9, (1, 0, 0)))
    detector = Detector(infer, NAMES, SIZE, batch_size=4)
    found = detector.detect_batch([image(value=i) for i in range(10)])
    assert [len(batch) for batch in infer.batches] == [4, 4, 4]
    assert infer.batches[2][:, 0, 0, 0].tolist() == [8, 9, 0, 0]
    assert [len(detections) for detections in found] == [1] * 10
    assert detector.detect_batch([]) == []


def test_one_image_behind_full_batches_fills_a_batch_but_later_ones_go_alone():
    infer = answer(((0, 0, 9, 9), 0.9, (1, 0, 0)))
    detector = Detector(infer, NAMES, SIZE, batch_size=4)
    detector.detect_batch([image()] * 5)
    detector.detect(image())
    assert [len(batch) for batch in infer.batches] == [4, 4, 1]
    alone = Detector(infer, NAMES, SIZE, batch_size=4)
    infer.batches.clear()
    alone.detect(image())
    alone.detect(image())
    assert [len(batch) for batch in infer.batches] == [1, 1]


class Finder:
    """A network that finds the white rectangle in each image, whatever the image's size."""

    def __init__(self):
        self.shapes = []

    def __call__(self, images):
        self.shapes.append(images.shape[:3])
        boxes = np.zeros((len(images), 1, 4), np.float32)
        for box, pixels in zip(boxes[:, 0], images, strict=True):
            rows, columns = np.nonzero((pixels > 200).all(axis=2))
            if len(rows):
                box[:] = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        confidence = np.full((len(images), 1), 0.9, np.float32)
        return boxes, confidence, np.tile(np.float32([1, 0, 0]), (len(images), 1, 1))


def marked_images(sizes):
    """Black images of these widths and heights, each with a white rectangle; and its box."""
    images, boxes = [], []
    for number, (width, height) in enumerate(sizes):
        pixels = np.zeros((height, width, 3), np.uint8)
        x, y = width // 4 + number, height // 5
        pixels[y : y + height // 2, x : x + width // 3] = 255
        images.append(pixels)
        boxes.append([x, y, x + width // 3, y + height // 2])
    return images, boxes


# They become 96 x 48, 32 x 64, 64 x 64, 96 x 24, 96 x 48, 32 x 64 and 96 x 43 pixels.
MIXED = ((192, 96), (96, 192), (128, 128), (192, 48), (192, 96), (64, 128), (200, 90))


class TestRect:
    @pytest.mark.parametrize("batch_size", [1, 2, 8])
    def test_boxes_go_back_and_results_keep_the_order_of_images(self, batch_size):
        images, boxes = marked_images(MIXED)
        finder = Finder()
        detector = Detector(finder, NAMES, SIZE, batch_size=batch_size, rect=True)
        found = detector.detect_batch(images)
        for detections, box, (width, height) in zip(found, boxes, MIXED, strict=True):
            pixel = max(width / 96, height / 64)  # of the input, in pixels of the source
            np.testing.assert_allclose(detections.boxes, [box], atol=pixel + 1)
        assert {shape[1:] for shape in finder.shapes} == {(64, 96), (64, 32), (64, 64), (32, 96)}

    def test_images_of_like_shape_go_together(self):
        # Seven wide images, one narrow one between them, and three of the input's own shape.
        sizes = [(192, 48)] * 3 + [(64, 128)] + [(192, 48)] * 4 + [(96, 64)] * 3 + [(64, 128)]
        finder = Finder()
        Detector(finder, NAMES, SIZE, batch_size=4, rect=True).detect_batch(marked_images(sizes)[0])
        assert finder.shapes == [(4, 32, 96), (4, 32, 96), (4, 64, 32), (4, 64, 96)]

    def test_an_image_of_the_inputs_shape_is_seen_as_without_it(self):
        pixels = np.random.default_rng(0).integers(0, 256, (128, 192, 3), np.uint8)
        infer = answer(((10, 20, 40, 60), 0.9, (1, 0, 0)))
        square, rect = (
            Detector(infer, NAMES, SIZE, rect=rect).detect(pixels) for rect in (False, True)
        )
        np.testing.assert_array_equal(*infer.batches)
        np.testing.assert_array_equal(square.boxes, rect.boxes)

    def test_its_inputs_are_multiples_of_the_largest_stride(self):
        network = replace(YOLOV4, strides=(16, 32, 64))
        finder = Finder()
        detector = Detector(finder, NAMES, (128, 192), network=network, rect=True)
        detector.detect_batch(marked_images([(192, 48), (192, 65)])[0])
        assert finder.shapes == [(1, 64, 192), (1, 128, 192)]

    def test_a_heat_map_is_over_the_source(self):
        confidence = np.zeros((1, 3 * (4 * 12 + 2 * 6 + 3)), np.float32)
        confidence[0, 3 * (1 * 12 + 9)] = 1  # row 1, column 9 of the 4 x 12 finest cells

        def infer(images):
            assert images.shape == (1, 32, 96, 3)
            boxes = np.zeros((*confidence.shape, 4), np.float32)
            return boxes, confidence, np.ones((*confidence.shape, 3), np.float32)

        # 192 x 48 becomes 96 x 24, from row 4 on.
        detector = Detector(infer, NAMES, SIZE, rect=True)
        ((_, heat),) = detector.detect_with_heat([image(48, 192)])
        over = heat.over_source()
        row, column = np.unravel_index(over.argmax(), over.shape)
        assert over.shape == (48, 192)
        assert 2 * (8 - 4) <= row < 2 * (16 - 4)
        assert 2 * 72 <= column < 2 * 80

    def test_stretched_images_are_refused_before_the_network_starts(self, tmp_path, monkeypatch):
        with pytest.raises(UserError, match=r"--rect leaves out padding, .* --resize letterbox$"):
            Detector(Finder(), NAMES, SIZE, resize="stretch", rect=True)
        monkeypatch.setattr(module, "open_engine", lambda *_, **__: pytest.fail("it started"))
        (tmp_path / "config.json").write_text(Config(resize="stretch").to_json(), encoding="utf-8")
        with pytest.raises(UserError, match="--rect leaves out padding"):
            Detector.from_run(tmp_path, rect=True)
        (tmp_path / "config.json").write_text(Config().to_json(), encoding="utf-8")
        with pytest.raises(UserError, match="--rect leaves out padding"):
            Detector.from_run(tmp_path, resize="stretch", rect=True)


def test_a_file_is_read(tmp_path):
    import cv2

    infer = answer(((48, 32, 96, 64), 0.9, (1, 0, 0)))
    cv2.imwrite(str(tmp_path / "a b#ü.png"), np.full((128, 192, 3), (10, 20, 30), np.uint8))
    found = Detector(infer, NAMES, SIZE).detect(tmp_path / "a b#ü.png")
    assert found.boxes.tolist() == [[96, 64, 192, 128]]
    assert infer.batches[0][0, 5, 5].tolist() == [30, 20, 10]
    with pytest.raises(ImageError, match="no such file"):
        Detector(infer, NAMES, SIZE).detect(str(tmp_path / "none.png"))


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3))],
)
def test_what_is_no_rgb_image_is_refused(wrong):
    with pytest.raises(ValueError, match="must be uint8"):
        Detector(answer(((0, 0, 9, 9), 0.9, (1, 0, 0))), NAMES, SIZE).detect(wrong)


def test_another_class_count_is_reported():
    with pytest.raises(UserError, match="has 3 classes, but there are 2 class names"):
        Detector(answer(((0, 0, 9, 9), 0.9, (1, 0, 0))), NAMES[:2], SIZE).detect(image())


@pytest.mark.parametrize(
    "wrong", [{"score_threshold": 1.5}, {"nms_threshold": -0.1}, {"max_detections": 0}]
)
def test_impossible_settings(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        replace(PREDICTION, **wrong)
