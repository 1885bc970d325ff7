"""Keeps OpenCV and its FFmpeg from writing messages."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2

_QUIET = "-8"  # AV_LOG_QUIET of FFmpeg
_SILENT = 0  # LOG_LEVEL_SILENT of OpenCV


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Within the block, OpenCV prints nothing if it cannot open a video."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", _QUIET)
    # OpenCV 4.10 has the function in `cv2`, later versions in `cv2.utils.logging`.
    here: Any = cv2 if hasattr(cv2, "setLogLevel") else cv2.utils.logging
    before = here.setLogLevel(_SILENT)
    try:
        yield
    finally:
        here.setLogLevel(before)
