"""Sources of odd names, suffixes, rates and sizes: none ends the others."""

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.yolo4.predict.test_predict import brightness_detector, files_in, run, write, write_video
from utils.errors import UserError
from utils.files.writing import write_atomically
from utils.records import Detections
from yolo4.environment.streams import prepare_streams
from yolo4.predict import recorder as recording
from yolo4.predict.command import predict_with
from yolo4.predict.options import PredictOptions
from yolo4.predict.sources import find_sources
from yolo4.predict.writers import mpeg4_rate, write_crops, write_image

pytestmark = pytest.mark.quick

NOT_UTF8 = os.fsdecode(b"caf\xe9")
ON_POSIX = pytest.mark.skipif(os.name == "nt", reason="file names are UTF-16 there")


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def copy(video, path):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(Path(video).read_bytes())


@ON_POSIX
def test_a_name_that_is_not_utf_8_is_read_back_from_the_list(capfd):
    prepare_streams()
    write(Path("a.png"))
    write(Path(f"{NOT_UTF8}.png"))
    write_video("clip.mp4", frames=2)
    copy("clip.mp4", f"{NOT_UTF8}.mp4")
    status, entries = run("a.png", f"{NOT_UTF8}.png", f"{NOT_UTF8}.mp4", "clip.mp4")
    assert status == 1
    names = [entry["image"] for entry in entries]
    assert names == ["a.png", f"{NOT_UTF8}.png", "clip.mp4", "clip.mp4"]
    assert all(os.path.exists(os.fsencode(name)) for name in names)  # noqa: PTH110
    assert files_in("out") == ["a.png", f"{NOT_UTF8}.png", "clip.mp4", "detections.json"]
    assert "skipped: caf\\udce9.mp4: the name of a video must be UTF-8" in capfd.readouterr().err


@ON_POSIX
def test_a_video_in_a_folder_that_is_not_utf_8_is_reported(capfd):
    prepare_streams()
    write_video("clip.mp4", frames=2)
    write(Path("a.png"))
    sources = find_sources(["clip.mp4", "a.png"], Path("out"))
    sources[0] = replace(sources[0], path=Path(NOT_UTF8, "clip.mp4"))
    detector, options = brightness_detector(), PredictOptions(output="out")
    assert predict_with(detector, sources, options) == 1
    assert len(json.loads(Path("out/detections.json").read_text(encoding="utf-8"))) == 3
    assert files_in("out") == ["a.png", "detections.json"]
    assert "not written: out/caf\\udce9/clip.mp4: the path of a video" in capfd.readouterr().err


@pytest.mark.parametrize("letter", ["a", "\u044f", "\u732b"])
def test_names_made_from_the_longest_names_fit(letter):
    for suffix in (".jpg", ".heic"):
        count = (255 - len(suffix)) // len(letter.encode())
        write_atomically(f"in/x/{letter * 9}{suffix}", "")
        Path("in", letter * count + suffix).touch()
    sources = find_sources(["in"], Path("o"))
    paths = [path for s in sources for path in (s.path, s.heat_path, s.crop_folder)]
    assert len(sources) == 4
    assert len(set(paths)) == len(paths)
    assert max(len(os.fsencode(path.name)) for path in paths) == pytest.approx(255, abs=3)
    for path in paths:
        Path("o", path).parent.mkdir(parents=True, exist_ok=True)
        Path("o", path).touch()


def test_a_file_with_the_longest_name_is_written_with_heat_map_and_crops():
    name = "я" * 125 + "a.png"
    write(Path("short.png"))
    Path("short.png").rename(name)
    status, entries = run(name, crop=True)
    assert (status, entries[0]["image"]) == (0, name)
    assert files_in("out") == ["detections.json", f"{'я' * 124}_crops/000_key.png", name]


def test_crops_of_a_class_with_a_long_name_fit(tmp_path, monkeypatch):
    monkeypatch.setattr("yolo4.predict.writers.write_image", lambda path, image: path.touch())
    image, boxes = np.zeros((9, 9, 3), np.uint8), np.array([[1, 1, 5, 5]], np.float32)
    found = Detections(boxes, np.ones(1, np.float32), np.zeros(1, np.int32))
    write_crops(tmp_path, "000001_", ".png", image, found, ["x" * 300])
    (file,) = tmp_path.iterdir()
    assert len(file.name) == 255
    assert file.suffix == ".png"


def test_a_folder_behind_a_link_is_entered_once_and_only_once():
    write(Path("real/a.png"))
    write(Path("in/b.png"))
    Path("in/link").symlink_to(Path("real").resolve())
    Path("real/back").symlink_to(Path("in").resolve())
    status, entries = run("in")
    assert (status, [entry["image"] for entry in entries]) == (0, ["in/b.png", "in/link/a.png"])


def test_image_suffixes_of_photographs_are_read_in_a_folder(capsys):
    Path("in").mkdir()
    for suffix in (".avif", ".mpo", ".jfif", ".webp", ".jp2", ".bmp", ".tif"):
        Image.new("RGB", (96, 64), (200,) * 3).save(f"in/a{suffix}")
    Path("in/b.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(99))
    status, entries = run("in")
    assert status == 1
    assert len(entries) == 7
    assert "skipped: in/b.heic: HEIC, which is not read here" in capsys.readouterr().err


def test_what_is_passed_over_is_said(capsys):
    write(Path("in/a.png"))
    for name in ("a.txt", "b.TXT", "Makefile", ".hidden", "c.xml", "sub/d.xml"):
        write_atomically(Path("in", name), "")
    line = "passed over what is neither image nor video by its suffix: 2 .txt, 2 .xml, 1 no suffix"
    for argument in ("in", "in/**/*"):
        find_sources([argument], Path("out"))
        assert capsys.readouterr().out == f"{argument}: {line}\n"
    find_sources(["in/a.png"], Path("out"))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("fps", [119.763, 240.123, 1000.0 / 3, 999.999, 29.97, 23.976])
def test_a_video_of_any_rate_is_written_at_nearly_that_rate(fps, capfd):
    """MPEG-4 has at most 65,535 ticks a second: at 119.763 the nearest rate is 119.76."""
    writer = cv2.VideoWriter("clip.avi", cv2.VideoWriter.fourcc(*"MJPG"), fps, (96, 64))
    for _ in range(3):
        writer.write(np.full((64, 96, 3), 200, np.uint8))
    writer.release()
    write(Path("a.png"))
    status, entries = run("clip.avi", "a.png")
    assert (status, len(entries)) == (0, 4)
    written = cv2.VideoCapture("out/clip.avi")
    assert written.get(cv2.CAP_PROP_FRAME_COUNT) == 3
    assert written.get(cv2.CAP_PROP_FPS) == pytest.approx(fps, rel=0.05 / 65.535)
    assert "ERROR" not in capfd.readouterr().err


def test_rates_that_mpeg_4_can_have_are_kept():
    for fps in (10.0, 25.0, 29.97, 30000 / 1001, 59.94, 65.535, 655.35):
        assert mpeg4_rate(fps) == pytest.approx(fps, abs=0.0005)
    assert mpeg4_rate(119.763) == 119.76
    assert mpeg4_rate(6553.96) == 6554.0


def test_a_video_that_opencv_cannot_write_ends_no_other_source(capfd, monkeypatch):
    write_video("a.mp4", frames=2, size=(96, 64))
    write_video("b.mp4", frames=2)
    write(Path("c.png"))
    real = recording.video_file
    monkeypatch.setattr(
        recording,
        "video_file",
        lambda path, fps, size: real(path, fps, (9000, 9000) if path.name == "a.mp4" else size),
    )
    status, entries = run("a.mp4", "b.mp4", "c.png")
    assert (status, len(entries)) == (1, 5)
    assert files_in("out") == ["b.mp4", "c.png", "detections.json"]
    reported = "not written: out/a.mp4: OpenCV cannot write a video of 9000x9000 pixels"
    assert capfd.readouterr().err.count(reported) == 1


def test_an_image_that_its_format_cannot_hold_ends_no_other_source(capsys):
    write(Path("a.png"))
    write(Path("wide.png"), width=66_000, height=4)
    Path("wide.png").rename("wide.jpg")  # the format is found from the content
    status, entries = run("wide.jpg", "a.png")
    assert (status, len(entries)) == (1, 2)
    assert files_in("out") == ["a.png", "detections.json"]
    assert "not written: out/wide.jpg: 66000x4 pixels do not fit JPEG" in capsys.readouterr().err


def test_a_full_disk_ends_everything(monkeypatch):
    def full(path, data, durable):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    write(Path("a.png"))
    monkeypatch.setattr("yolo4.predict.writers.write_atomically", full)
    with pytest.raises(OSError, match=r"out/a\.png"):
        run("a.png")
    assert files_in(".") == ["a.png"]


def test_a_video_that_was_cut_is_written_and_not_called_skipped(capsys):
    writer = cv2.VideoWriter("clip.avi", cv2.VideoWriter.fourcc(*"MJPG"), 10, (96, 64))
    for _ in range(20):
        writer.write(np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8))
    writer.release()
    content = Path("clip.avi").read_bytes()
    Path("clip.avi").write_bytes(content[: len(content) * 6 // 10])
    status, entries = run("clip.avi")
    assert status == 1
    assert 8 <= len(entries) <= 13
    written = cv2.VideoCapture("out/clip.avi")
    assert written.get(cv2.CAP_PROP_FRAME_COUNT) == len(entries)
    printed = capsys.readouterr().err
    line = f"clip.avi: the video ends early, after {len(entries)} of 20 frames, which are in the"
    assert line in printed
    assert "skipped" not in printed


def test_pixels_that_fit_no_format_name_the_file(tmp_path):
    with pytest.raises(UserError, match=r"x\.webp: 20000x1 pixels do not fit WEBP"):
        write_image(tmp_path / "x.webp", np.zeros((1, 20_000, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []
