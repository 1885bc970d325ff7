"""The output folder of a prediction: one owner, nothing half done, a window."""

import os
import signal
import time
from pathlib import Path

import cv2
import pytest

from tests.yolo4.predict.brightness import brightness_detector, files_in, run, write, write_video
from utils.errors import UserError
from utils.files.lock import FolderInUseError
from utils.files.writing import make_temporary
from yolo4.inference.detector import Detector
from yolo4.predict import command
from yolo4.predict.command import predict
from yolo4.predict.options import PredictOptions

pytestmark = pytest.mark.quick


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_finishes_the_files(here, number):
    write_video("clip.mp4", frames=120)
    detector = brightness_detector(batch_size=2)
    infer, calls = detector.infer, []

    def slow(images):
        calls.append(len(images))
        if len(calls) == 5:
            os.kill(os.getpid(), number)
        time.sleep(0.01)
        return infer(images)

    detector.infer = slow
    status, entries = run("clip.mp4", detector=detector)
    assert status == 128 + number
    assert 10 <= len(entries) < 60
    reader = cv2.VideoCapture("out/clip.mp4")
    frames = 0
    while reader.read()[0]:
        frames += 1
    assert frames == len(entries)
    assert files_in("out") == ["clip.mp4", "detections.json"]


def test_an_error_of_the_network_leaves_nothing_half_done(here):
    write_video("clip.mp4", frames=20)
    detector = brightness_detector(batch_size=2)
    infer, calls = detector.infer, []

    def breaks(images):
        calls.append(1)
        if len(calls) == 6:
            raise UserError("the network is broken")
        return infer(images)

    detector.infer = breaks
    with pytest.raises(UserError, match="broken"):
        run("clip.mp4", detector=detector)
    assert files_in("out") == []


def test_an_output_that_cannot_be_written_is_reported(here):
    write(Path("a.png"))
    Path("out").write_text("a file")
    with pytest.raises(FileExistsError, match="'out'"):
        run("a.png")


def test_an_output_that_cannot_be_written_is_reported_before_the_network_starts(here, monkeypatch):
    def load(*_, **__):
        pytest.fail("the network was loaded first")

    monkeypatch.setattr(command, "open_run", lambda _: type("Run", (), {"folder": here / "run"}))
    monkeypatch.setattr(Detector, "from_run", load)
    write(Path("a.png"))
    Path("out").write_text("a file")
    with pytest.raises(UserError, match="--output out: cannot write"):
        predict(PredictOptions(sources=("a.png",), output="out"))


def test_two_processes_do_not_write_into_one_folder(here, monkeypatch):
    """The second one is refused before its network starts; the folder is free afterwards."""
    monkeypatch.setattr(command, "open_run", lambda _: type("Run", (), {"folder": here / "run"}))
    write(Path("a.png"))
    options = PredictOptions(sources=("a.png",), output="out")
    owned = []

    def load(*_, **__):
        owned.append(True)
        with pytest.raises(FolderInUseError, match=r"^out: in use by process .*name another"):
            predict(options)
        return brightness_detector()

    monkeypatch.setattr(Detector, "from_run", load)
    assert predict(options) == predict(options) == 0
    assert len(owned) == 2
    assert files_in("out") == ["a.png", "detections.json"]


def test_what_a_killed_program_left_is_removed(here, monkeypatch):
    monkeypatch.setattr(command, "open_run", lambda _: type("Run", (), {"folder": here / "run"}))
    monkeypatch.setattr(Detector, "from_run", lambda *_, **__: brightness_detector())
    write(Path("in/deep/a.png"))
    for folder in ("out/deep", "out/other"):
        Path(folder).mkdir(parents=True)
    names = ("out/a.json", "out/deep/a.png", "out/other/a.png")
    left = [make_temporary(Path(name)) for name in names]
    assert predict(PredictOptions(sources=("in",), output="out")) == 0
    assert [path.exists() for path in left] == [False, False, True], "of another command's folder"


def test_what_cannot_be_put_in_its_place_is_reported_and_the_others_are_written(here, capsys):
    write_video("clip.mp4", frames=2)
    write(Path("a.png"))
    write(Path("b.png"))
    Path("out/clip.mp4").mkdir(parents=True)
    Path("out/a.png").mkdir()
    status, entries = run("clip.mp4", "a.png", "b.png")
    assert status == 1
    assert [entry["image"] for entry in entries] == ["clip.mp4"] * 2 + ["a.png", "b.png"]
    assert files_in("out") == ["b.png", "detections.json"]
    printed = capsys.readouterr().err
    for name in ("clip.mp4", "a.png"):
        assert f"not written: out/{name}: Is a directory" in printed


def test_show_without_a_screen_is_reported_and_files_are_written(here, monkeypatch, capsys):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr("yolo4.predict.window._PROBE", "raise SystemExit(1)")
    write(Path("a.png"))
    status, entries = run("a.png", show=True)
    assert (status, len(entries)) == (0, 1)
    lines = capsys.readouterr().err.replace("\r", "\n").splitlines()
    assert "--show: no window can be opened here; the results are in files" in lines


class Window:
    """Stands in for a window in which the person presses q at image number `last`."""

    def __init__(self, last):
        self.last = last
        self.shown = []
        self.is_closed = False

    def show(self, image, wait):
        self.shown.append((image.shape, wait))
        return len(self.shown) < self.last

    def close(self):
        self.is_closed = True


def test_show_with_a_screen(here, monkeypatch):
    window = Window(last=3)
    monkeypatch.setattr("yolo4.predict.recorder.Window.open", lambda: window)
    for number in range(40):
        write(Path(f"in/{number:02d}.png"))
    status, entries = run("in", show=True, detector=brightness_detector(batch_size=1))
    assert status == 0
    assert 3 <= len(entries) < 20
    assert window.shown == [((64, 96, 3), True)] * 3
    assert window.is_closed


def test_after_q_an_unreadable_image_still_gives_status_1(here, monkeypatch):
    window = Window(last=1)
    monkeypatch.setattr("yolo4.predict.recorder.Window.open", lambda: window)
    write(Path("in/b.png"))
    Path("in/a.png").write_text("no image")
    assert run("in", show=True)[0] == 1
    assert window.is_closed
