import json

import cv2
import numpy as np
import pytest

from utils.errors import UserError
from utils.image import read_image
from utils.records import Detections
from yolo4.predict.writers import detections_file, video_file, write_crops, write_image

pytestmark = pytest.mark.quick


def detections(*boxes, labels=None):
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.linspace(0.9, 0.5, len(boxes), dtype=np.float32),
        np.array(labels or [0] * len(boxes), np.int32),
    )


@pytest.mark.parametrize(
    "suffix", ["jpg", "JPEG", "jfif", "png", "bmp", "tif", "webp", "gif", "ppm", "pgm", "jp2"]
)
def test_every_image_format_comes_back_with_its_colors(tmp_path, suffix):
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[:, :30] = 250, 20, 30
    picture[:, 30:] = 10, 200, 60
    path = tmp_path / "folder" / f"picture ü#.{suffix}"
    write_image(path, picture)
    back = read_image(path).astype(int)
    assert back.shape == picture.shape
    assert np.abs(back - picture).mean() < 6
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_crops_hold_the_pixels_of_their_boxes(tmp_path):
    picture = np.arange(20 * 30 * 3, dtype=np.uint32).astype(np.uint8).reshape(20, 30, 3)
    found = detections((2.4, 3.6, 9.5, 12.1), (29.6, 19.7, 30, 20), labels=[1, 0])
    write_crops(tmp_path, "7_", ".png", picture, found, ["a/b c", "key"])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["7_000_key.png", "7_001_a_b_c.png"]
    np.testing.assert_array_equal(read_image(tmp_path / "7_000_key.png"), picture[3:13, 2:10])
    np.testing.assert_array_equal(read_image(tmp_path / "7_001_a_b_c.png"), picture[19:, 29:])


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mov", ".mkv", ".webm"])
def test_a_video_takes_its_name_when_the_block_ends(tmp_path, suffix):
    path = tmp_path / "deep" / f"clip{suffix}"
    with video_file(path, 12, (64, 48)) as add_frame:
        for value in (40, 120, 200):
            add_frame(np.full((48, 64, 3), (value, 0, 0), np.uint8))
        assert not path.exists()
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    reader = cv2.VideoCapture(str(path))
    assert reader.get(cv2.CAP_PROP_FPS) == pytest.approx(12)
    reds = [int(reader.read()[1][..., 2].mean()) for _ in range(3)]
    assert not reader.read()[0]
    np.testing.assert_allclose(reds, [40, 120, 200], atol=12)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.ogv"])
def test_after_an_error_nothing_is_left_of_a_video(tmp_path, name):
    def fail():
        with video_file(tmp_path / name, 25, (64, 48)) as add_frame:
            add_frame(np.zeros((48, 64, 3), np.uint8))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_frames_of_another_size_are_fitted(tmp_path):
    with video_file(tmp_path / "clip.mp4", 25, (64, 48)) as add_frame:
        add_frame(np.zeros((48, 64, 3), np.uint8))
        add_frame(np.zeros((96, 128, 3), np.uint8))
    reader = cv2.VideoCapture(str(tmp_path / "clip.mp4"))
    assert [reader.read()[1].shape for _ in range(2)] == [(48, 64, 3)] * 2


def test_a_container_that_cannot_be_written_becomes_mp4(tmp_path):
    with video_file(tmp_path / "clip.ogv", 25, (64, 48)) as add_frame:
        add_frame(np.zeros((48, 64, 3), np.uint8))
    assert [p.name for p in tmp_path.iterdir()] == ["clip.ogv.mp4"]


def test_a_path_where_no_video_can_be_written_is_an_error(tmp_path):
    with (
        pytest.raises(UserError, match=r"clip\.mp4: OpenCV cannot write a video"),
        video_file(tmp_path / "clip.mp4", 25, (0, 0)),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_list_of_detections(tmp_path):
    path = tmp_path / "new" / "detections.json"
    with detections_file(path, ("Äpfel", "key")) as file:
        file.add("in/ü.jpg", None, detections((1.25, 2, 3.5, 4), (0, 0, 9, 9), labels=[1, 0]))
        file.add("clip.mp4", 0, detections())
        assert not path.exists()
    assert json.loads(path.read_text(encoding="utf-8")) == [
        {
            "image": "in/ü.jpg",
            "boxes": [[1.25, 2, 3.5, 4], [0, 0, 9, 9]],
            "scores": [0.9, 0.5],
            "labels": ["key", "Äpfel"],
        },
        {"image": "clip.mp4", "frame": 0, "boxes": [], "scores": [], "labels": []},
    ]
    assert [p.name for p in path.parent.iterdir()] == ["detections.json"]


def test_an_empty_list_is_one_too(tmp_path):
    with detections_file(tmp_path / "detections.json", ()):
        pass
    assert json.loads((tmp_path / "detections.json").read_text()) == []


def test_after_an_error_the_old_list_stays(tmp_path):
    path = tmp_path / "detections.json"
    path.write_text("[1]")

    def fail():
        with detections_file(path, ("key",)) as file:
            file.add("a.jpg", None, detections((0, 0, 1, 1)))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert path.read_text() == "[1]"
    assert [p.name for p in tmp_path.iterdir()] == ["detections.json"]
