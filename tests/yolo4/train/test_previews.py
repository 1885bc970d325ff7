"""Preview images of a training: the right boxes, drawn where the objects are."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from utils.image import read_image
from utils.records import Detections, Record
from yolo4.train import previews
from yolo4.train.previews import save_batch, save_detections, spread_over_images

pytestmark = pytest.mark.quick

NAMES = ("cat", "dog")
GRAY = 90


def gray(height, width):
    return np.full((height, width, 3), GRAY, np.uint8)


def colored(picture):
    """Which pixels are neither the gray of the images nor the white between them."""
    return (picture != GRAY).any(axis=2) & (picture != 255).any(axis=2)


@pytest.fixture
def drawn(monkeypatch):
    """What `draw_boxes` is asked for, call by call."""
    calls = []

    def draw(image, boxes, labels, names, scores=None):
        calls.append((image.shape[:2], boxes, labels, names, scores))
        return image

    monkeypatch.setattr(previews, "draw_boxes", draw)
    return calls


def batch_of(*rows):
    """Targets of images; each row is a list of (x1, y1, x2, y2, label, difficult)."""
    most = max(map(len, rows)) + 2
    targets = {
        # Another order than the data set's: names count, not places.
        "difficult": np.zeros((len(rows), most), bool),
        "labels": np.full((len(rows), most), -1, np.int32),
        "boxes": np.zeros((len(rows), most, 4), np.float32),
    }
    for i, row in enumerate(rows):
        for j, (*box, label, difficult) in enumerate(row):
            targets["boxes"][i, j] = box
            targets["labels"][i, j] = label
            targets["difficult"][i, j] = difficult
    return targets


def test_a_batch_shows_its_objects_but_neither_padding_nor_difficult_ones(tmp_path, drawn):
    targets = batch_of(
        [(1, 2, 30, 40, 1, False), (5, 5, 9, 9, 0, True)],
        [],
        [(2, 2, 8, 8, 0, False), (3, 3, 9, 9, 1, False)],
    )
    save_batch(tmp_path / "batch.png", np.stack([gray(64, 64)] * 3), targets, NAMES)
    boxes = [call[1].tolist() for call in drawn]
    # In pixels of a tile of 416, so that captions do not hide the objects of a small input.
    assert [call[0] for call in drawn] == [(416, 416)] * 3
    scaled = [[[1, 2, 30, 40]], [], [[2, 2, 8, 8], [3, 3, 9, 9]]]
    assert boxes == [(np.array(rows) * 6.5).tolist() for rows in scaled]
    assert [call[2].tolist() for call in drawn] == [[1], [], [0, 1]]
    assert {call[3] for call in drawn} == {NAMES}


def test_boxes_of_a_batch_lie_where_the_objects_are(tmp_path):
    images = np.stack([gray(208, 208)] * 4)
    targets = batch_of([], [], [], [(20, 130, 180, 200, 0, False)])
    save_batch(tmp_path / "batch.png", images, targets, NAMES)
    picture = read_image(tmp_path / "batch.png")
    assert picture.shape == (2 * 420, 2 * 420, 3)
    rows, columns = np.nonzero(colored(picture))
    # The fourth image is the lower right one, enlarged twice.
    assert columns.min() == pytest.approx(420 + 40, abs=4)
    assert columns.max() == pytest.approx(420 + 360, abs=4)
    assert rows.max() == pytest.approx(420 + 400, abs=4)


def test_no_more_than_sixteen_images_are_shown(tmp_path):
    images = np.stack([gray(32, 32)] * 20)
    save_batch(tmp_path / "batch.png", images, batch_of(*[[]] * 20), NAMES)
    assert read_image(tmp_path / "batch.png").shape == (4 * 420, 4 * 420, 3)


def records_of(folder, *sizes):
    found = []
    for i, (height, width) in enumerate(sizes):
        path = folder / f"{i} é#.png"
        path.write_bytes(cv2.imencode(".png", gray(height, width))[1].tobytes())
        none = np.zeros((0, 4), np.float32)
        found.append(Record(path, (width, height), none, np.zeros(0, np.int32), np.zeros(0, bool)))
    return found


def detections_of(*rows):
    rows = np.array(rows, np.float32).reshape(-1, 6)
    return Detections(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int32))


def test_detections_above_the_threshold_are_drawn_in_pixels_of_the_tile(tmp_path, drawn):
    records = records_of(tmp_path, (104, 208), (832, 416))
    found = [
        detections_of((10, 20, 30, 40, 0.9, 1), (1, 1, 2, 2, 0.5, 0), (1, 1, 2, 2, 0.49, 0)),
        detections_of((40, 80, 400, 800, 0.6, 0)),
    ]
    save_detections(tmp_path / "found.png", records, found, NAMES, threshold=0.5)
    assert [call[0] for call in drawn] == [(208, 416), (416, 208)]
    np.testing.assert_allclose(drawn[0][1], [[20, 40, 60, 80], [2, 2, 4, 4]])
    np.testing.assert_allclose(drawn[1][1], [[20, 40, 200, 400]])
    np.testing.assert_allclose(drawn[0][4], [0.9, 0.5])
    assert [call[2].tolist() for call in drawn] == [[1, 0], [0]]


@pytest.mark.parametrize("threshold", [0.95, float("nan")])
def test_images_are_shown_where_nothing_is_found(tmp_path, threshold):
    records = records_of(tmp_path, (50, 100), (100, 50))
    found = [detections_of((10, 10, 40, 40, 0.9, 1)), detections_of()]
    save_detections(tmp_path / "found.png", records, found, NAMES, threshold)
    picture = read_image(tmp_path / "found.png")
    assert not colored(picture).any()
    # A 2:1 image beside a 1:2 one, each as large as its tile allows.
    assert (picture == GRAY).all(axis=2).sum() == 2 * 416 * 208


def test_a_very_flat_image_is_shown_too(tmp_path):
    records = records_of(tmp_path, (1, 2000))
    save_detections(tmp_path / "found.png", records, [detections_of()], NAMES, 0.5)
    assert read_image(tmp_path / "found.png").shape[1] == 420


def test_an_old_picture_is_replaced(tmp_path):
    path = tmp_path / "batch.png"
    path.write_bytes(b"old")
    save_batch(path, gray(32, 32)[None], batch_of([]), NAMES)
    assert read_image(path).shape == (420, 420, 3)
    assert list(tmp_path.iterdir()) == [path]


def test_images_are_spread_evenly_over_those_with_objects():
    def records(has_objects):
        return [
            Record(Path("a.jpg"), (9, 9), np.zeros((n, 4)), np.zeros(n, int), np.zeros(n, bool))
            for n in has_objects
        ]

    mixed = records([1, 0] * 9)
    assert spread_over_images(mixed, 5) == [0, 4, 8, 12, 16]
    assert spread_over_images(mixed, 99) == list(range(0, 18, 2))
    assert spread_over_images(records([0] * 3), 2) == [0, 2]
    assert spread_over_images(mixed[:1], 5) == [0]
