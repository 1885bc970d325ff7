"""Writes what was found: images, crops, videos and the list of detections, whole or not at all."""

import io
import json
import re
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from PIL import Image

from utils.errors import UserError
from utils.files import passing_file, write_whole
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
    write_whole(path, encoded.getvalue())


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


class VideoFile:
    """A video in the making, as a context: it stands in its place when the block ends.

    After an exception nothing is left of it. Its name gets `.mp4` after it where a video with its
    own suffix cannot be written.

    Args:
        path: the file.
        fps: frames per second.
        size: width and height in pixels.

    Raises:
        UserError: on entering, when no video can be written there.
    """

    def __init__(self, path: Path, fps: float, size: tuple[int, int]) -> None:
        self.path = path
        self.fps = fps
        self.size = size

    def __enter__(self) -> "VideoFile":
        try:
            self._open(self.path, _CODECS.get(self.path.suffix.lower(), _USUAL_CODEC))
        except UserError:
            self._open(self.path.with_name(self.path.name + ".mp4"), _USUAL_CODEC)
        return self

    def _open(self, path: Path, codec: str) -> None:
        with ExitStack() as closing:
            passing = closing.enter_context(passing_file(path))
            fourcc = cv2.VideoWriter.fourcc(*codec)
            self._writer = cv2.VideoWriter(str(passing), fourcc, self.fps, self.size)
            closing.callback(self._writer.release)
            if not self._writer.isOpened():
                raise UserError(f"{self.path}: OpenCV cannot write a video here")
            self._closing = closing.pop_all()

    def write(self, frame: np.ndarray) -> None:
        """Add a frame, uint8 `[H, W, 3]` RGB, resized where it differs from the first one."""
        if frame.shape[1::-1] != self.size:
            frame = cv2.resize(frame, self.size)
        self._writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closing.__exit__(kind, error, traceback)


class DetectionsFile:
    """`detections.json`: a list with an entry per image or frame, written as they come.

    As a context it stands in its place when the block ends, and not at all after an exception.

    Args:
        path: the file.
        class_names: names of the labels.
    """

    def __init__(self, path: Path, class_names: Sequence[str]) -> None:
        self.path = path
        self.class_names = class_names

    def __enter__(self) -> "DetectionsFile":
        with ExitStack() as closing:
            passing = closing.enter_context(passing_file(self.path))
            self._file = closing.enter_context(passing.open("w", encoding="utf-8"))
            closing.push(self._end)
            self._closing = closing.pop_all()
        self._between = "[\n"
        return self

    def add(self, image: str, frame: int | None, found: Detections) -> None:
        """Add an image, or a frame of a video, and what was found in it."""
        entry = {
            "image": image,
            **({} if frame is None else {"frame": frame}),
            "boxes": [[round(edge, 2) for edge in box] for box in found.boxes.tolist()],
            "scores": [round(score, 5) for score in found.scores.tolist()],
            "labels": [self.class_names[label] for label in found.labels],
        }
        self._file.write(self._between + json.dumps(entry, ensure_ascii=False))
        self._between = ",\n"

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closing.__exit__(kind, error, traceback)

    def _end(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._file.write("[]\n" if self._between == "[\n" else "\n]\n")
