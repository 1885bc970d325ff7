"""The video with boxes: the runs side by side, playable, bounded, and with nothing left behind."""

import os
import threading
from unittest import mock

import cv2
import numpy as np
import pytest

from tests.yolo4.demo.fakes import made_detector, uploaded
from utils.errors import UserError
from utils.postprocess import PREDICTION
from yolo4.demo import video as module
from yolo4.demo.answers import Answers
from yolo4.demo.isolation import isolated_gradio
from yolo4.demo.video import draw_video, show_video
from yolo4.predict.writers import video_file

pytestmark = pytest.mark.quick

FRAMES, BRIGHT = 6, 100


@pytest.fixture
def detectors():
    box = ((8, 8, 40, 56), 0.9, 0)
    return {
        "a": made_detector(("cat",), box),
        "b": made_detector(("dog", "eel"), ((0, 0, 9, 9), 0.1, 1)),
    }


@pytest.fixture
def clip(tmp_path):
    """A black video of odd sides."""
    file = tmp_path / "clip.avi"
    with video_file(file, 10, (97, 65)) as write:
        for _ in range(FRAMES):
            write(np.zeros((65, 97, 3), np.uint8))
    return file


def drawn(detectors, file, stop=None, report=lambda *_: None):
    return draw_video(detectors, file, PREDICTION, stop or threading.Event(), report)


def frames_of(data, folder):
    file = folder / "result.webm"
    file.write_bytes(data)
    capture = cv2.VideoCapture(str(file))
    frames = []
    while (read := capture.read())[0]:
        frames.append(read[1][..., ::-1])
    return frames, capture.get(cv2.CAP_PROP_FPS), int(capture.get(cv2.CAP_PROP_FOURCC))


def test_frames_have_the_boxes_of_each_run_side_by_side(detectors, clip, tmp_path):
    reports = []
    made = drawn(detectors, clip, report=lambda *numbers: reports.append(numbers))
    assert sorted(tmp_path.iterdir()) == [clip]
    frames, rate, codec = frames_of(made.data, tmp_path)
    assert (made.frames, made.remark, len(frames), rate) == (FRAMES, "", FRAMES, 10)
    assert codec.to_bytes(4, "little") == b"VP80"
    assert reports == [(number + 1, FRAMES) for number in range(FRAMES)]
    left, right = np.hsplit(frames[0], 2)
    assert frames[0].shape == (64, 2 * 96, 3)
    # The left side of the box of the first run, in 97 / 96 of its place in the input.
    assert left[40, 7:10, 0].max() > BRIGHT > right.max()


def test_a_long_video_is_cut_and_a_damaged_one_shown_as_far_as_it_goes(
    detectors, clip, monkeypatch
):
    rng = np.random.default_rng(0)  # noise, which takes many more bytes than the header
    with video_file(clip, 10, (96, 64)) as write:
        for _ in range(FRAMES):
            write(rng.integers(0, 256, (64, 96, 3), np.uint8))
    data = clip.read_bytes()
    clip.write_bytes(data[: len(data) * 2 // 3])
    made = drawn(detectors, clip)
    assert 0 < made.frames < FRAMES
    assert made.remark.startswith(f"the video ends early, after {made.frames} of {FRAMES} frames")
    clip.write_bytes(data)
    monkeypatch.setattr(module, "MOST_FRAMES", 4)
    made = drawn(detectors, clip)
    assert (made.frames, made.remark) == (4, "the first 4 frames")
    assert "<p>the first 4 frames</p>" in show_video(detectors, made)


def test_what_is_no_video_is_one_line_and_leaves_nothing(detectors, tmp_path):
    file = tmp_path / "a.mp4"
    file.write_bytes(b"hello")
    page = Answers(detectors, tmp_path, threading.Event()).to_video(
        uploaded(file, "<my> clip.mp4"), 0.3, 0.45, print
    )
    assert page == (
        '<p class="problem" role="alert">&lt;my&gt; clip.mp4: cannot be opened as a video</p>'
    )
    assert list(tmp_path.iterdir()) == [file]


def test_the_end_of_the_program_ends_the_work(detectors, clip):
    stop = threading.Event()
    assert drawn(detectors, clip, stop, lambda *_: stop.set()).frames == 1
    with pytest.raises(UserError, match="interrupted"):
        drawn(detectors, clip, stop)


@pytest.mark.parametrize(
    "content", ["ffconcat version 1.0\nfile clip.avi\n", "#EXTM3U\n#EXTINF:1,\nclip.avi\n"]
)
def test_a_playlist_is_not_followed(detectors, clip, content):
    playlist = clip.with_name("list.mp4")
    playlist.write_text(content)
    if content.startswith("ff"):  # FFmpeg refuses the other one by its suffix
        assert drawn(detectors, playlist).frames == FRAMES
    with mock.patch.dict(os.environ), isolated_gradio():
        with pytest.raises(UserError, match="cannot be opened as a video"):
            drawn(detectors, playlist)
        assert drawn(detectors, clip).frames == FRAMES
