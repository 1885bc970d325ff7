"""What is measured in training, with a network whose output is known."""

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import keras
import numpy as np
import pytest

from nets.losses import TERMS
from tests.helpers.yolov4 import COCO_ANCHORS, SCALE_X_Y, STRIDES
from utils.postprocess import EVALUATION
from utils.records import Record
from yolo4.environment.devices import Cluster
from yolo4.train.devices.devices import Devices
from yolo4.train.validation import Evaluator

pytestmark = pytest.mark.quick

SIZE = 64
COLORS = (10, 20, 40, 80, 160)


@pytest.fixture
def records(tmp_path):
    """Plain images, each with one object of 32 x 32 pixels whose center is (40, 24)."""
    found = []
    for color in COLORS:
        path = tmp_path / f"{color}.png"
        cv2.imwrite(str(path), np.full((SIZE, SIZE, 3), color, np.uint8))
        box = np.array([[24, 8, 56, 40]], np.float32)
        found.append(Record(path, (SIZE, SIZE), box, np.zeros(1, np.int32), np.zeros(1, bool)))
    return found


class Network:
    """Finds the object in images of one color; its losses are the mean color of a batch."""

    def __init__(self, color, batch_size, logit=20, center=0):
        self.color = color
        self.logit = logit
        self.center = center
        self.batch_size = batch_size

    def required_criterion(self):
        return self  # the loss is called, and asked how boxes are decoded

    anchors = COCO_ANCHORS
    strides = STRIDES
    scale_x_y = SCALE_X_Y

    def predict_on_batch(self, images):
        assert images.shape == (self.batch_size, SIZE, SIZE, 3)
        assert images.dtype == np.uint8
        self.images = images
        levels = [np.full((len(images), SIZE // s, SIZE // s, 3, 6), -20.0) for s in (8, 16, 32)]
        seen = images[:, 0, 0, 0] == self.color
        # Stride 16, the cell around (40, 24), its first anchor.
        width, height = COCO_ANCHORS[3]
        box = [self.center, 0, np.log(32 / width), np.log(32 / height)]
        levels[1][seen, 1, 2, 0] = [*box, self.logit, 20]
        return [level.astype(np.float32) for level in levels]

    def __call__(self, targets, logits):
        rows = len(targets["labels"])
        assert all(len(level) == rows for level in logits)
        mean = keras.ops.convert_to_tensor(self.images[:rows, 0, 0, 0].mean())
        return {name: mean * weight for name, weight in zip(TERMS, (1, 2, 3), strict=True)}


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5, 8])
def test_each_image_counts_once_whatever_the_batch_size(records, batch_size):
    evaluator = Evaluator(records, ("cat",), (SIZE, SIZE), batch_size)
    losses, voc, found = evaluator.measure(Network(40, batch_size))
    mean = np.mean(COLORS)
    expected = {"loss": 6 * mean, "box": mean, "confidence": 2 * mean, "class": 3 * mean}
    assert losses == pytest.approx(expected, rel=1e-6)
    assert [len(detections.boxes) for detections in found] == [0, 0, 1, 0, 0]
    np.testing.assert_allclose(found[2].boxes, records[2].boxes, atol=0.1)
    assert voc.map == pytest.approx(0.2)


def test_boxes_of_stretched_images_go_back_along_each_axis(tmp_path):
    path = tmp_path / "wide.png"
    cv2.imwrite(str(path), np.full((SIZE, 2 * SIZE, 3), 40, np.uint8))
    box = np.array([[48, 8, 112, 40]], np.float32)
    wide = Record(path, (2 * SIZE, SIZE), box, np.zeros(1, np.int32), np.zeros(1, bool))
    evaluator = Evaluator([wide], ("cat",), (SIZE, SIZE), 1, "stretch")
    _, voc, found = evaluator.measure(Network(40, 1))
    np.testing.assert_allclose(found[0].boxes, box, atol=0.1)
    assert voc.map == 1


def test_boxes_are_decoded_with_the_grid_sensitivity_of_the_loss(records):
    network = Network(40, 5, center=np.log(3))  # a sigmoid of 3/4: a quarter cell to the right
    network.scale_x_y = (1, 2, 1)
    _, _, found = Evaluator(records, ("cat",), (SIZE, SIZE), 5).measure(network)
    np.testing.assert_allclose(found[2].boxes, [[32, 8, 64, 40]], atol=0.1)


def test_scores_count_from_where_get_map_looks_at_them(records):
    """Else the mAP of the history is another than that of `get_map.py --split val`."""
    least = EVALUATION.score_threshold
    for score, count in ((1.1 * least, 1), (0.9 * least, 0)):
        network = Network(40, 5, logit=np.log(score / (1 - score)))
        _, _, found = Evaluator(records, ("cat",), (SIZE, SIZE), 5).measure(network)
        assert len(found[2].boxes) == count


class Meeting:
    """Workers in threads, which exchange arrays."""

    def __init__(self, workers):
        self.arrays = [np.zeros(0)] * workers
        self.barrier = threading.Barrier(workers, timeout=60)

    def exchange(self, worker, array):
        self.arrays[worker] = array
        self.barrier.wait()
        gathered = np.concatenate(self.arrays)
        self.barrier.wait()
        return gathered


@dataclasses.dataclass(frozen=True, eq=False)
class Met(Devices):
    """The devices of a worker that takes part in a meeting."""

    meeting: Any = None

    def gather(self, array):
        return self.meeting.exchange(self.cluster.worker, array)


@pytest.mark.parametrize(("workers", "batch_size"), [(2, 2), (2, 4), (3, 3), (3, 9)])
def test_workers_share_the_images_and_know_all_results(records, workers, batch_size):
    """With fewer batches than workers, too."""
    color = COLORS[-1]  # the image of the last worker to have one
    expected = Evaluator(records, ("cat",), (SIZE, SIZE), 1).measure(Network(color, 1))
    meeting = Meeting(workers)

    def measure(worker):
        part = batch_size // workers
        devices = Met(workers, Cluster(workers, worker), meeting=meeting)
        evaluator = Evaluator(records, ("cat",), (SIZE, SIZE), batch_size, devices=devices)
        return evaluator.measure(Network(color, part))

    with ThreadPoolExecutor(workers) as pool:
        results = [*pool.map(measure, range(workers))]
    for losses, voc, found in results:
        assert losses == pytest.approx(expected[0])
        assert voc.map == expected[1].map
        assert [len(each) for each in found] == [len(each) for each in expected[2]]
        for each, other in zip(found, expected[2], strict=True):
            np.testing.assert_array_equal(each.boxes, other.boxes)
            np.testing.assert_array_equal(each.scores, other.scores)
