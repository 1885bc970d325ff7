"""Reads the frames of sources: an image file is one, a video or a webcam gives many."""

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

from utils.decoding.limits import MOST_PIXELS
from utils.errors import FileError
from utils.files.names import is_utf8
from utils.files.reading import refuse_pointer, require_regular
from utils.image import ImageError, read_image
from yolo4.predict.opencv import quiet_opencv
from yolo4.predict.sources import Source, SourceKind

_DEFAULT_FPS = 25.0
_MOST_FRAMES = 1e12  # more is a damaged header
# A container states its number of frames only roughly.
_COMPLETE = 0.9


@dataclass(frozen=True, eq=False)
class Frame:
    """An image, or a frame of a video, or the reason why it could not be read.

    Attributes:
        source: where it comes from.
        image: uint8 `[H, W, 3]` RGB; None if there is an `error`, and before `load_frame`.
        number: number of the frame in its video, from 0; None for an image file. With an `error`,
            the number of frames before it.
        fps: frames per second of its video.
        frame_count: number of frames of its video as the file states it, 0 if it does not.
        error: one line that names the file.
    """

    source: Source
    image: np.ndarray | None = None
    number: int | None = None
    fps: float = _DEFAULT_FPS
    frame_count: int = 0
    error: str | None = None


def read_frames(sources: Iterable[Source], stop: threading.Event) -> Iterator[Frame]:
    """The frames of all sources in order; those of image files are not loaded yet.

    Args:
        sources: what to read.
        stop: nothing more is read once it is set.
    """
    for source in sources:
        is_image = source.kind is SourceKind.IMAGE
        for frame in [Frame(source)] if is_image else _read_video(source, stop):
            if stop.is_set():
                return
            yield frame


def load_frame(frame: Frame) -> Frame:
    """The frame with the pixels of its image file; frames of videos have theirs already."""
    if frame.image is not None or frame.error is not None:
        return frame
    try:
        return replace(frame, image=read_image(frame.source.name))
    except ImageError as error:
        return replace(frame, error=str(error))


def _open_capture(source: Source) -> cv2.VideoCapture:
    """OpenCV's reader, without OpenCV's own messages if the source cannot be opened."""
    is_webcam = source.kind is SourceKind.LIVE and source.name.isdecimal()
    with quiet_opencv():
        return cv2.VideoCapture(int(source.name) if is_webcam else source.name)


def _require_readable(source: Source) -> None:
    """Raise a FileError for a file that OpenCV must not open: it would crash or wait for a pipe."""
    if not is_utf8(source.name):
        raise FileError(source.name, "the name of a video must be UTF-8; rename it")
    if source.kind is SourceKind.VIDEO:
        require_regular(source.name)
        refuse_pointer(source.name)


def _refusal(capture: cv2.VideoCapture) -> str:
    """Why the frames of a video are not read; empty if they are."""
    if not capture.isOpened():
        return "cannot be opened as a video"
    width, height = (capture.get(p) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    if width * height > MOST_PIXELS:
        return f"has {width:.0f}x{height:.0f} pixels; expected at most {MOST_PIXELS:,}"
    return ""


def _read_video(source: Source, stop: threading.Event) -> Iterator[Frame]:
    try:
        _require_readable(source)
    except FileError as error:
        yield Frame(source, error=str(error))
        return
    capture = _open_capture(source)
    try:
        if reason := _refusal(capture):
            yield Frame(source, error=f"{source.name}: {reason}")
            return
        fps = capture.get(cv2.CAP_PROP_FPS)
        fps = fps if 0 < fps <= 1000 else _DEFAULT_FPS
        count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        count = int(count) if 0 < count < _MOST_FRAMES else 0
        number = 0
        while not stop.is_set():
            is_read, pixels = capture.read()
            if not is_read:
                break
            rgb = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
            yield Frame(source, rgb, number, fps, count)
            number += 1
        if not stop.is_set() and (number == 0 or number <= _COMPLETE * count - 1):
            expected = f" of {count}" if count else ""
            written = ", which are in the output" if number else ""
            error = f"{source.name}: the video ends early, after {number}{expected} frames{written}"
            yield Frame(source, number=number, error=error)
    finally:
        capture.release()
