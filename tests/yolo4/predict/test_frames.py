import os
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from yolo4.predict.frames import load_frame, read_frames
from yolo4.predict.sources import SourceKind, find_sources

pytestmark = pytest.mark.quick


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    writer = cv2.VideoWriter("clip.mp4", cv2.VideoWriter.fourcc(*"mp4v"), 12.5, (64, 48))
    for value in (0, 80, 160, 240):
        writer.write(np.full((48, 64, 3), (0, 0, value), np.uint8))
    writer.release()
    cv2.imwrite("a.png", np.full((5, 6, 3), (1, 2, 3), np.uint8))


def sources(*names):
    return find_sources(names, Path("out"))


def test_a_picture_of_a_file_is_loaded_later(files):
    (frame,) = read_frames(sources("a.png"), threading.Event())
    assert frame.image is None
    loaded = load_frame(frame)
    assert (loaded.number, loaded.error) == (None, None)
    assert loaded.image.tolist() == [[[3, 2, 1]] * 6] * 5
    assert load_frame(loaded) is loaded


def test_frames_of_a_video(files):
    frames = list(read_frames(sources("clip.mp4"), threading.Event()))
    assert [(p.number, p.fps, p.frame_count, p.error) for p in frames] == [
        (number, 12.5, 4, None) for number in range(4)
    ]
    assert all(p.image.shape == (48, 64, 3) for p in frames)
    np.testing.assert_allclose([p.image[..., 0].mean() for p in frames], [0, 80, 160, 240], atol=9)
    assert load_frame(frames[0]) is frames[0]


def test_reading_stops_when_asked(files):
    stop = threading.Event()
    frames = read_frames(sources("clip.mp4", "a.png"), stop)
    assert next(frames).number == 0
    stop.set()
    assert list(frames) == []


@pytest.mark.parametrize("content", [b"", b"no video at all"])
def test_what_is_no_video_is_an_error_that_names_it(files, content, capfd):
    Path("bad.avi").write_bytes(content)
    (frame,) = read_frames(sources("bad.avi"), threading.Event())
    assert frame.error == "bad.avi: cannot be opened as a video"
    assert frame.image is None
    assert load_frame(frame) is frame
    assert capfd.readouterr().err == ""


def test_a_video_that_ends_early_is_an_error_that_names_it(files):
    writer = cv2.VideoWriter("cut.avi", cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for _ in range(40):
        writer.write(np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8))
    writer.release()
    content = Path("cut.avi").read_bytes()
    Path("cut.avi").write_bytes(content[: len(content) // 2])
    *frames, last = read_frames(sources("cut.avi"), threading.Event())
    assert 10 < len(frames) < 30
    assert last.error.startswith(f"cut.avi: the video ends early, after {len(frames)}")


def test_an_image_that_cannot_be_read_is_an_error_that_names_it(files):
    Path("bad.png").write_bytes(b"no image")
    (frame,) = read_frames(sources("bad.png"), threading.Event())
    assert load_frame(frame).error.startswith("bad.png: ")


def test_a_webcam_that_is_not_there(files, capfd):
    (source,) = sources("97")
    assert source.kind is SourceKind.LIVE
    (frame,) = read_frames([source], threading.Event())
    assert frame.error == "97: cannot be opened as a video"
    assert capfd.readouterr().err == ""


def test_a_stream_address_is_opened(files):
    address = Path("clip.mp4").absolute().as_uri()
    frames = list(read_frames(sources(address), threading.Event()))
    assert [frame.number for frame in frames] == [0, 1, 2, 3]


@pytest.mark.parametrize("name", ["a.mp4", "a.jpg"])
@pytest.mark.parametrize(
    ("make", "kind"),
    [(os.mkfifo, "pipe"), (lambda path: path.symlink_to("/dev/zero"), "device")],
    ids=["pipe", "device"],
)
def test_pipes_and_devices_are_skipped_and_nothing_blocks(tmp_path, name, make, kind):
    make(tmp_path / name)
    (source,) = find_sources([tmp_path], tmp_path / "output")
    (frame,) = map(load_frame, read_frames([source], threading.Event()))
    assert frame.error == f"{tmp_path / name}: is a {kind}; expected a file"


def test_a_video_of_too_many_pixels_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 5, (64, 48))
    writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    monkeypatch.setattr("yolo4.predict.frames.MOST_PIXELS", 64 * 48 - 1)
    (source,) = find_sources([path], tmp_path / "output")
    (frame,) = read_frames([source], threading.Event())
    assert frame.error == f"{path}: has 64x48 pixels; expected at most 3,071"
