"""A detector of bright images, and images and videos for it."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from utils.postprocess import PREDICTION
from yolo4.inference.detector import Detector
from yolo4.predict.command import predict_with
from yolo4.predict.options import PredictOptions
from yolo4.predict.sources import find_sources

NAMES = ("apple", "key")
SIZE = (64, 96)
PREDICTORS = 3 * (8 * 12 + 4 * 6 + 2 * 3)


def brightness_detector(**options):
    """Finds one object, whose score is the image's brightness at the input's center."""

    def infer(images):
        boxes = np.tile(np.array([24, 16, 72, 48], np.float32), (len(images), PREDICTORS, 1))
        confidence = np.zeros((len(images), PREDICTORS), np.float32)
        confidence[:, 0] = images[:, 32, 48].mean(1) / 255
        scores = np.zeros((len(images), PREDICTORS, 2), np.float32)
        scores[:, 0, 1] = 1
        return boxes, confidence, scores

    return Detector(infer, NAMES, SIZE, replace(PREDICTION, score_threshold=0.1), **options)


def write(path, value=200, height=64, width=96):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), (value,) * 3).save(path)


def write_video(path, frames=12, size=(96, 64), fps=10):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, size)
    for number in range(frames):
        writer.write(np.full((size[1], size[0], 3), 60 + 10 * (number % 12), np.uint8))
    writer.release()


def run(*sources, detector=None, **options):
    chosen = PredictOptions(sources=sources, output="out", **options)
    found = find_sources(chosen.sources, Path(chosen.output))
    status = predict_with(detector or brightness_detector(batch_size=4), found, chosen)
    return status, json.loads(Path("out/detections.json").read_text(encoding="utf-8"))


def files_in(folder):
    return sorted(str(p.relative_to(folder)) for p in Path(folder).rglob("*") if p.is_file())
