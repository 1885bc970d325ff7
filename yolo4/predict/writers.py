"""Writes what was found: images, crops, videos and the list of detections, whole or not at all."""

import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

import cv2
import numpy as np
from PIL import Image

from utils.errors import UserError
from utils.files import atomic_path, write_atomically
from utils.records import Detections

_CODECS = {".webm": "VP80", ".flv": "FLV1", ".wmv": "WMV2", ".mpg": "PIM1", ".mpeg": "PIM1"}
_USUAL_CODEC = "mp4v"
_QUALITY = 93


def write_image(path: Path, image: np.ndarray) -> None:
    """Write uint8 `[H, W, 3]` RGB in the format that the suffix of `path` names."""
    encoded = io.BytesIO()
    file_format = Image.registered_extensions()[path.suffix.lower()]
    options = {"quality": _QUALITY} if file_format in ("JPEG", "WEBP") else {}
    Image.fromarray(image).save(encoded, file_format, **options)
    write_atomically(path, encoded.getvalue())


def write_crops(
    folder: Path,
    prefix: str,
    suffix: str,
    image: np.ndarray,
    found: Detections,
    class_names: Sequence[str],
) -> None:
    """Write what lies in each box as `<prefix><number>_<class><suffix>`, best score first."""
    height, width = image.shape[:2]
    for number, (box, label) in enumerate(zip(found.boxes, found.labels, strict=True)):
        left, top = np.floor(box[:2]).astype(int).clip(0, (width - 1, height - 1))
        right, bottom = np.ceil(box[2:]).astype(int).clip((left + 1, top + 1), (width, height))
        class_name = re.sub(r"[^\w.-]+", "_", class_names[label])
        path = folder / f"{prefix}{number:03d}_{class_name}{suffix}"
        write_image(path, np.ascontiguousarray(image[top:bottom, left:right]))


@contextmanager
def video_file(
    path: Path, fps: float, size: tuple[int, int]
) -> Iterator[Callable[[np.ndarray], None]]:
    """A video in the making: it stands in its place when the block ends.

    After an exception nothing is left of it. Its name gets `.mp4` after it where a video with its
    own suffix cannot be written.

    Args:
        path: the file.
        fps: frames per second.
        size: width and height in pixels.

    Yields:
        What adds a frame, uint8 `[H, W, 3]` RGB, resized where it is not of that size.

    Raises:
        UserError: on entering, when no video can be written there.
    """
    with ExitStack() as closing:
        try:
            codec = _CODECS.get(path.suffix.lower(), _USUAL_CODEC)
            writer = closing.enter_context(_video_writer(path, "", codec, fps, size))
        except UserError:
            writer = closing.enter_context(_video_writer(path, ".mp4", _USUAL_CODEC, fps, size))

        def write(frame: np.ndarray) -> None:
            if frame.shape[1::-1] != size:
                frame = cv2.resize(frame, size)
            writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))

        yield write


@contextmanager
def _video_writer(
    path: Path, ending: str, codec: str, fps: float, size: tuple[int, int]
) -> Iterator[cv2.VideoWriter]:
    with atomic_path(path.with_name(path.name + ending)) as passing:
        writer = cv2.VideoWriter(str(passing), cv2.VideoWriter.fourcc(*codec), fps, size)
        try:
            if not writer.isOpened():
                raise UserError(f"{path}: OpenCV cannot write a video here")
            yield writer
        finally:
            writer.release()


@contextmanager
def detections_file(path: Path, class_names: Sequence[str]) -> Iterator["DetectionsFile"]:
    """`detections.json` in the making: it stands in its place when the block ends.

    After an exception it does not, and the old one stays.

    Args:
        path: the file.
        class_names: names of the labels.
    """
    with atomic_path(path) as passing, passing.open("w", encoding="utf-8") as file:
        detections = DetectionsFile(file, class_names)
        yield detections
        detections.end()


class DetectionsFile:
    """A JSON list with an entry per image or frame, written as they come.

    Args:
        file: what to write to.
        class_names: names of the labels.
    """

    def __init__(self, file: TextIO, class_names: Sequence[str]) -> None:
        self._file = file
        self._class_names = class_names
        self._between = "[\n"

    def add(self, image: str, frame: int | None, found: Detections) -> None:
        """Add an image, or a frame of a video, and what was found in it."""
        entry = {
            "image": image,
            **({} if frame is None else {"frame": frame}),
            "boxes": [[round(edge, 2) for edge in box] for box in found.boxes.tolist()],
            "scores": [round(score, 5) for score in found.scores.tolist()],
            "labels": [self._class_names[label] for label in found.labels],
        }
        self._file.write(self._between + json.dumps(entry, ensure_ascii=False))
        self._between = ",\n"

    def end(self) -> None:
        """Write the list's end."""
        self._file.write("[]\n" if self._between == "[\n" else "\n]\n")
