"""Reads the pictures of sources: one of an image file, many of a video or a webcam."""

import os
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

from utils.image import ImageError, read_image
from yolo4.predict.sources import Kind, Source

_USUAL_FPS = 25.0
# Containers tell the number of frames only roughly.
_COMPLETE = 0.9
_QUIET = "-8"  # AV_LOG_QUIET of FFmpeg
_SILENT = 0  # LOG_LEVEL_SILENT of OpenCV


@dataclass(frozen=True, eq=False)
class Frame:
    """An image, or a frame of a video, or the reason why there is none.

    Attributes:
        source: where it comes from.
        image: uint8 `[H, W, 3]` RGB; None where `error` says why, and before `load`.
        frame: number of the frame, from 0; None for an image file.
        fps: frames per second of its video.
        frame_count: number of frames of its video as the file tells it, 0 where it does not.
        error: one line, naming the file.
    """

    source: Source
    image: np.ndarray | None = None
    frame: int | None = None
    fps: float = _USUAL_FPS
    frame_count: int = 0
    error: str | None = None


def read_pictures(sources: Iterable[Source], stop: threading.Event) -> Iterator[Frame]:
    """The pictures of all sources in order, those of image files still to be loaded.

    Args:
        sources: what to read.
        stop: nothing more is read once it is set.
    """
    for source in sources:
        if source.kind is Kind.IMAGE:
            pictures = iter([Frame(source)])
        else:
            pictures = _read_frames(source, stop)
        for picture in pictures:
            if stop.is_set():
                return
            yield picture


def load(picture: Frame) -> Frame:
    """Read the image file of a picture; frames of videos are loaded already."""
    if picture.image is not None or picture.error is not None:
        return picture
    try:
        return replace(picture, image=read_image(picture.source.name))
    except ImageError as error:
        return replace(picture, error=str(error))


def _open_capture(source: Source) -> cv2.VideoCapture:
    """OpenCV's reader, which says nothing itself where the source cannot be opened."""
    is_webcam = source.kind is Kind.LIVE and source.name.isdecimal()
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", _QUIET)
    # OpenCV 4.10 has it here, later ones there.
    set_level = cv2.setLogLevel if hasattr(cv2, "setLogLevel") else cv2.utils.logging.setLogLevel
    before = set_level(_SILENT)
    try:
        return cv2.VideoCapture(int(source.name) if is_webcam else source.name)
    finally:
        set_level(before)


def _read_frames(source: Source, stop: threading.Event) -> Iterator[Frame]:
    capture = _open_capture(source)
    try:
        if not capture.isOpened():
            yield Frame(source, error=f"{source.name}: cannot be opened as a video")
            return
        fps = capture.get(cv2.CAP_PROP_FPS)
        fps = fps if 0 < fps <= 1000 else _USUAL_FPS
        count = max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        number = 0
        while not stop.is_set():
            is_read, frame = capture.read()
            if not is_read:
                break
            rgb = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
            yield Frame(source, rgb, number, fps, count)
            number += 1
        if not stop.is_set() and (number == 0 or number <= _COMPLETE * count - 1):
            wanted = f" of {count}" if count else ""
            error = f"{source.name}: broke off after {number}{wanted} frames"
            yield Frame(source, error=error)
    finally:
        capture.release()
