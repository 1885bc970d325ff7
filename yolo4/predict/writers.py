"""Writes images, crops, videos and the list of detections, each file atomically."""

import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TextIO

import cv2
import numpy as np
from PIL import Image

from utils.errors import UserError
from utils.files.names import fitting_name, is_utf8
from utils.files.space import written_by_library
from utils.files.writing import atomic_path, write_atomically
from utils.records import Detections
from yolo4.predict.opencv import quiet_opencv

_CODECS = {".webm": "VP80", ".flv": "FLV1", ".wmv": "WMV2", ".mpg": "PIM1", ".mpeg": "PIM1"}
_DEFAULT_CODEC = "mp4v"
_QUALITY = 93
_MOST_TICKS = 65_535


def write_image(path: Path, image: np.ndarray) -> None:
    """Write uint8 `[H, W, 3]` RGB in the format that the suffix of `path` names.

    Raises:
        UserError: the format cannot hold the image: JPEG, for example, ends at 65,500 pixels.
        OSError: the file cannot be written.
    """
    encoded = io.BytesIO()
    file_format = Image.registered_extensions()[path.suffix.lower()]
    options = {"quality": _QUALITY} if file_format in ("JPEG", "WEBP") else {}
    try:
        Image.fromarray(image).save(encoded, file_format, **options)
    except (OSError, ValueError) as error:
        height, width = image.shape[:2]
        raise UserError(f"{path}: {width}x{height} pixels do not fit {file_format}") from error
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
        name = fitting_name(f"{prefix}{number:03d}_{class_name}", suffix)
        write_image(folder / name, np.ascontiguousarray(image[top:bottom, left:right]))


@contextmanager
def video_file(
    path: Path, fps: float, size: tuple[int, int]
) -> Iterator[Callable[[np.ndarray], None]]:
    """A video that appears at its path when the block ends.

    After an exception nothing is left of it. If OpenCV cannot write a video with this suffix and
    rate, it gets a rate that MPEG-4 can have, and if necessary `.mp4` after its name.

    Args:
        path: the file.
        fps: frames per second.
        size: width and height in pixels.

    Yields:
        A function that adds a frame, uint8 `[H, W, 3]` RGB, resized if it is of another size.

    Raises:
        UserError: on entering, if no video can be written there.
        OSError: at the end, if the disk is full.
    """
    with ExitStack() as closing:
        writer = _open_writer(path, fps, size, closing)

        def write(frame: np.ndarray) -> None:
            if frame.shape[1::-1] != size:
                frame = cv2.resize(frame, size)
            writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))

        yield write


def mpeg4_rate(fps: float) -> float:
    """The nearest rate that OpenCV writes to MPEG-4.

    OpenCV takes as many decimals as the rate has, up to three, and MPEG-4 counts at most 65,535
    ticks a second (ISO/IEC 14496-2, `vop_time_increment_resolution`, of 16 bits).
    """
    decimals = next((n for n in (3, 2, 1) if fps * 10**n <= _MOST_TICKS), 0)
    return round(fps, decimals)


def _open_writer(
    path: Path, fps: float, size: tuple[int, int], closing: ExitStack
) -> cv2.VideoWriter:
    """The first writer that OpenCV can open, of the file's own format and rate if possible."""
    if not is_utf8(path):  # OpenCV would crash
        raise UserError(f"{path}: the path of a video must be UTF-8; rename it")
    codec = _CODECS.get(path.suffix.lower(), _DEFAULT_CODEC)
    with_mp4 = path.with_name(fitting_name(path.name, ".mp4"))
    for target, target_codec in ((path, codec), (with_mp4, _DEFAULT_CODEC)):
        for rate in dict.fromkeys((fps, mpeg4_rate(fps))):
            with suppress(_NotOpenError):
                return closing.enter_context(_video_writer(target, target_codec, rate, size))
    raise UserError(f"{path}: OpenCV cannot write a video of {size[0]}x{size[1]} pixels here")


class _NotOpenError(Exception):
    """OpenCV cannot write a video of this format, rate or size."""


@contextmanager
def _video_writer(
    path: Path, codec: str, fps: float, size: tuple[int, int]
) -> Iterator[cv2.VideoWriter]:
    with atomic_path(path) as temporary, written_by_library(temporary, path):
        with quiet_opencv():
            writer = cv2.VideoWriter(str(temporary), cv2.VideoWriter.fourcc(*codec), fps, size)
        try:
            if not writer.isOpened():
                raise _NotOpenError
            yield writer
        finally:
            writer.release()


@contextmanager
def detections_file(path: Path, class_names: Sequence[str]) -> Iterator["DetectionsFile"]:
    r"""A list of detections that appears at its path when the block ends.

    After an exception the old file stays. A byte of a file name that is not UTF-8 is an escape
    sequence of JSON, such as "\udcff" for 0xFF, which Python reads as the same name again.

    Args:
        path: the file.
        class_names: names of the labels.
    """
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace") as file,
    ):
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
