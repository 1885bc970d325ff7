"""Writes images, crops, videos and the list of detections, each file atomically."""

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
from utils.files.writing import atomic_path, write_atomically
from utils.records import Detections

_CODECS = {".webm": "VP80", ".flv": "FLV1", ".wmv": "WMV2", ".mpg": "PIM1", ".mpeg": "PIM1"}
_DEFAULT_CODEC = "mp4v"
_QUALITY = 93


def write_image(path: Path, image: np.ndarray) -> None:
    """Write uint8 `[H, W, 3]` RGB in the format that the suffix of `path` names."""
    encoded = io.BytesIO()
    file_format = Image.registered_extensions()[path.suffix.lower()]
    options = {"quality": _QUALITY} if file_format in ("JPEG", "WEBP") else {}
    Image.fromarray(image).save(encoded, file_format, **options)
    write_atomically(path, encoded.getvalue(), durable=False)


def write_crops(
    folder: Path,
    prefix: str,
    suffix: str,
    image: np.ndarray,
    detections: Detections,
    class_names: Sequence[str],
) -> None:
    """Write the pixels of each box as `<prefix><number>_<class><suffix>`, best score first."""
    height, width = image.shape[:2]
    for number, (box, label) in enumerate(zip(detections.boxes, detections.labels, strict=True)):
        left, top = np.floor(box[:2]).astype(int).clip(0, (width - 1, height - 1))
        right, bottom = np.ceil(box[2:]).astype(int).clip((left + 1, top + 1), (width, height))
        class_name = re.sub(r"[^\w.-]+", "_", class_names[int(label)])
        path = folder / f"{prefix}{number:03d}_{class_name}{suffix}"
        write_image(path, np.ascontiguousarray(image[top:bottom, left:right]))


@contextmanager
def video_file(
    path: Path, fps: float, size: tuple[int, int]
) -> Iterator[Callable[[np.ndarray], None]]:
    """A video that appears at its path when the block ends.

    After an exception nothing is left of it. `.mp4` is added to its name if a video with the
    suffix of `path` cannot be written.

    Args:
        path: the file.
        fps: frames per second.
        size: width and height in pixels.

    Yields:
        A function that adds a frame, uint8 `[H, W, 3]` RGB, resized if it is of another size.

    Raises:
        UserError: on entering, if no video can be written there.
    """
    with ExitStack() as closing:
        try:
            codec = _CODECS.get(path.suffix.lower(), _DEFAULT_CODEC)
            writer = closing.enter_context(_video_writer(path, "", codec, fps, size))
        except UserError:
            writer = closing.enter_context(_video_writer(path, ".mp4", _DEFAULT_CODEC, fps, size))

        def write(frame: np.ndarray) -> None:
            if frame.shape[1::-1] != size:
                frame = cv2.resize(frame, size)
            writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))

        yield write


@contextmanager
def _video_writer(
    path: Path, ending: str, codec: str, fps: float, size: tuple[int, int]
) -> Iterator[cv2.VideoWriter]:
    with atomic_path(path.with_name(path.name + ending)) as temporary:
        writer = cv2.VideoWriter(str(temporary), cv2.VideoWriter.fourcc(*codec), fps, size)
        try:
            if not writer.isOpened():
                raise UserError(f"{path}: OpenCV cannot write a video here")
            yield writer
        finally:
            writer.release()


@contextmanager
def detections_file(path: Path, class_names: Sequence[str]) -> Iterator["DetectionsFile"]:
    """A list of detections that appears at its path when the block ends.

    After an exception the old file stays.

    Args:
        path: the file.
        class_names: names of the labels.
    """
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        detections = DetectionsFile(file, class_names)
        yield detections
        detections.end()


class DetectionsFile:
    """A JSON list with one entry per image or frame, each written when it is added.

    Args:
        file: the open file.
        class_names: names of the labels.
    """

    def __init__(self, file: TextIO, class_names: Sequence[str]) -> None:
        self._file = file
        self._class_names = class_names
        self._between = "[\n"

    def add(self, image: str, frame: int | None, detections: Detections) -> None:
        """Add the detections in an image, or in a frame of a video."""
        entry = {
            "image": image,
            **({} if frame is None else {"frame": frame}),
            "boxes": [[round(edge, 2) for edge in box] for box in detections.boxes.tolist()],
            "scores": [round(score, 5) for score in detections.scores.tolist()],
            "labels": [self._class_names[label] for label in detections.labels],
        }
        self._file.write(self._between + json.dumps(entry, ensure_ascii=False))
        self._between = ",\n"

    def end(self) -> None:
        """Write the end of the list."""
        self._file.write("[]\n" if self._between == "[\n" else "\n]\n")
