"""Predictions in images and videos, by a detector that finds bright ones."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.yolo4.predict.brightness import brightness_detector, files_in, run, write, write_video
from utils.errors import UserError
from utils.image import read_image
from yolo4.config import Config
from yolo4.inference.detector import Detector
from yolo4.predict import command
from yolo4.predict.command import predict
from yolo4.predict.options import PredictOptions
from yolo4.predict.writers import DetectionsFile
from yolo4.sample_data.make import make_sample_data

pytestmark = pytest.mark.quick


def test_a_folder_of_images(here, capsys):
    for number in range(9):
        write(Path(f"in/{number}.png"), 100 + 10 * number)
    write(Path("in/sub/0.jpg"), 250, height=128, width=192)
    status, entries = run("in")
    assert status == 0
    names = [f"{number}.png" for number in range(9)] + ["sub/0.jpg"]
    assert files_in("out") == sorted([*names, "detections.json"])
    assert [entry["image"] for entry in entries] == [f"in/{name}" for name in names]
    for number, entry in enumerate(entries[:9]):
        assert set(entry) == {"image", "boxes", "scores", "labels"}
        assert entry["boxes"] == [[24, 16, 72, 48]]
        assert entry["scores"] == [pytest.approx((100 + 10 * number) / 255, abs=1e-4)]
        assert entry["labels"] == ["key"]
    assert entries[9]["boxes"] == [[48, 32, 144, 96]]
    assert read_image("out/sub/0.jpg").shape == (128, 192, 3)
    drawn = read_image("out/3.png")
    assert (drawn[40, 50] == 130).all()
    assert not (drawn[17:47, 24] == 130).all()
    assert "10 images" in capsys.readouterr().out


def test_what_cannot_be_read_is_reported_and_the_others_are_processed(here, capsys):
    write(Path("in/a.png"))
    Path("in/b.png").write_bytes(Path("in/a.png").read_bytes()[:60])
    Path("in/c.jpg").write_text("no image")
    Path("in/d.mp4").write_text("no video")
    write(Path("in/e.png"))
    status, entries = run("in")
    assert status == 1
    assert [entry["image"] for entry in entries] == ["in/a.png", "in/e.png"]
    assert files_in("out") == ["a.png", "detections.json", "e.png"]
    reported = [line for line in capsys.readouterr().err.splitlines() if "skipped: " in line]
    assert [line.split("skipped: ")[1].split(":")[0] for line in reported] == [
        "in/b.png",
        "in/c.jpg",
        "in/d.mp4",
    ]


def test_odd_images_keep_their_size_as_displayed(here):
    Path("in").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    Image.new("RGB", (80, 40), (200,) * 3).save("in/turned.jpg", exif=exif)
    Image.new("CMYK", (30, 50)).save("in/cmyk.jpg")
    Image.fromarray(np.full((20, 70), 40000, np.uint16)).save("in/deep.png")
    Image.new("RGBA", (33, 44), (200, 200, 200, 128)).save("in/alpha.webp")
    Image.new("P", (21, 22), 3).save("in/palette.gif")
    Image.new("L", (50, 60), 200).save("in/gray.JPG")
    status, _ = run("in")
    assert status == 0
    sizes = {
        path.name: read_image(path).shape[:2]
        for path in Path("out").iterdir()
        if path.suffix != ".json"
    }
    assert sizes == {
        "turned.jpg": (80, 40),
        "cmyk.jpg": (50, 30),
        "deep.png": (20, 70),
        "alpha.webp": (44, 33),
        "palette.gif": (22, 21),
        "gray.JPG": (60, 50),
    }


def test_a_video(here):
    write_video("clip.mp4", frames=12)
    write(Path("a.png"))
    status, entries = run("clip.mp4", "a.png", detector=brightness_detector(batch_size=5))
    assert status == 0
    assert [(entry["image"], entry.get("frame")) for entry in entries] == [
        *(("clip.mp4", number) for number in range(12)),
        ("a.png", None),
    ]
    scores = [entry["scores"][0] for entry in entries[:12]]
    np.testing.assert_allclose(scores, [(60 + 10 * n) / 255 for n in range(12)], atol=0.03)
    reader = cv2.VideoCapture("out/clip.mp4")
    assert reader.get(cv2.CAP_PROP_FPS) == pytest.approx(10)
    values = []
    while (read := reader.read())[0]:
        assert read[1].shape == (64, 96, 3)
        values.append(read[1][32, 48].mean())
    np.testing.assert_allclose(values, [60 + 10 * n for n in range(12)], atol=8)


@pytest.mark.parametrize("fps", [0.5, 23.976, 240])
def test_a_video_keeps_its_speed(here, fps):
    write_video("clip.mp4", frames=3, fps=fps)
    run("clip.mp4")
    reader = cv2.VideoCapture("out/clip.mp4")
    assert reader.get(cv2.CAP_PROP_FPS) == pytest.approx(fps, rel=1e-4)


def test_crops_heat_maps_and_counts(here, capsys):
    write(Path("in/a.png"))
    write(Path("in/b.png"), 0)
    write_video("in/clip.mp4", frames=2)
    status, _ = run("in", crop=True, heatmap=True, count=True)
    assert status == 0
    assert files_in("out") == [
        "a.png",
        "a_crops/000_key.png",
        "a_heatmap.png",
        "b.png",
        "b_heatmap.png",
        "clip.mp4",
        "clip_crops/000000_000_key.jpg",
        "clip_crops/000001_000_key.jpg",
        "clip_heatmap.mp4",
        "detections.json",
    ]
    assert read_image("out/a_crops/000_key.png").shape == (32, 48, 3)
    heat = read_image("out/a_heatmap.png").astype(int)
    assert heat[0, 0, 0] > heat[60, 90, 0]  # the first predictor is the confident one
    printed = capsys.readouterr().out
    for line in (
        "in/a.png: 1 key",
        "in/b.png: nothing",
        "in/clip.mp4: most at once: 1 key",
        "in all image files: 1 key",
    ):
        assert line in printed.splitlines()


def test_a_long_video_is_never_completely_in_memory(here, monkeypatch):
    write_video("clip.mp4", frames=150)
    read, waiting = [], []
    read_frames, add = command.read_frames, DetectionsFile.add

    def counting(*arguments):
        for frame in read_frames(*arguments):
            read.append(1)
            yield frame

    def measuring(*arguments):
        waiting.append(len(read) - len(waiting))
        add(*arguments)

    monkeypatch.setattr(command, "read_frames", counting)
    monkeypatch.setattr(DetectionsFile, "add", measuring)
    status, entries = run("clip.mp4", detector=brightness_detector(batch_size=4))
    assert (status, len(entries)) == (0, 150)
    assert 0 < max(waiting) < 40


def test_without_sources_the_test_images_of_the_run_are_taken(here, monkeypatch):
    make_sample_data(here / "data", train=2, val=1, test=2, size=96)

    class Run:
        folder = here / "run"

        def config(self):
            return Config(data=(str(here / "data"),))

        def class_names(self):
            return ("apple", "key", "ladybird", "leaf")

    monkeypatch.setattr(command, "open_run", lambda _: Run())
    monkeypatch.setattr(Detector, "from_run", lambda *_, **__: brightness_detector())
    assert predict(PredictOptions(output="out")) == 0
    entries = json.loads(Path("out/detections.json").read_text())
    assert [Path(entry["image"]).name for entry in entries] == [
        "test_00000.jpg",
        "test_00001.jpg",
    ]


@pytest.mark.parametrize("wrong", [{"score_threshold": 2}, {"batch_size": 0}, {"nms": "soft"}])
def test_impossible_options(wrong):
    with pytest.raises(UserError, match=f"--{next(iter(wrong)).replace('_', '-')}"):
        PredictOptions(**wrong)
