"""Detectors without a network, and uploads as Gradio hands them over."""

import base64
import re

import cv2
import numpy as np

from yolo4.inference.detector import Detector

SIZE = (64, 96)  # height and width of the input


def made_detector(class_names, *found):
    """A detector that finds the same in every image: (box, score, label) each.

    Its `infer.calls` counts the calls.
    """
    boxes = np.array([box for box, _, _ in found], np.float32)
    scores = np.array([score for _, score, _ in found], np.float32)
    classes = np.eye(len(class_names), dtype=np.float32)[[label for _, _, label in found]]

    def infer(images):
        infer.calls += 1
        return tuple(np.stack([part] * len(images)) for part in (boxes, scores, classes))

    infer.calls = 0
    return Detector(infer, class_names, SIZE, batch_size=1)


def uploaded(path, name=None):
    return {"path": str(path), "orig_name": name or path.name, "meta": {"_type": "gradio.FileData"}}


def pictures_in(html):
    """The pictures of a page, uint8 `[H, W, 3]` RGB each."""
    data = re.findall(r'src="data:image/jpeg;base64,([^"]*)"', html)
    bgr = [cv2.imdecode(np.frombuffer(base64.b64decode(d), np.uint8), 1) for d in data]
    return [picture[..., ::-1] for picture in bgr]
