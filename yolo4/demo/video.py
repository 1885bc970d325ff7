"""Draws detections into a video that browsers play."""

import base64
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.errors import UserError
from utils.postprocess import PostprocessSettings
from yolo4.demo.seen import safe, see
from yolo4.inference.detector import Detector
from yolo4.predict.frames import read_frames
from yolo4.predict.sources import Source, SourceKind
from yolo4.predict.writers import video_file

MOST_FRAMES = 300
_LONG_SIDE = 640
_WRITTEN = "detections.webm"  # VP8, which every browser plays


@dataclass(frozen=True)
class Clip:
    """A video with boxes.

    Attributes:
        data: the file, WebM.
        frames: how many frames it has.
        remark: what is to be said about them, empty if nothing.
    """

    data: bytes
    frames: int
    remark: str = ""


def draw_video(
    detectors: Mapping[str, Detector],
    file: Path,
    settings: PostprocessSettings,
    stop: threading.Event,
    report: Callable[[int, int], object],
) -> Clip:
    """Detect in the frames of a video, at most `MOST_FRAMES`; the pictures of runs side by side.

    Args:
        detectors: by the name of their run.
        file: the video; the result is written beside it, and removed.
        settings: thresholds.
        stop: no more frames are read once it is set.
        report: called with the number of frames done and of all, after each.

    Raises:
        UserError: no frame can be read, or OpenCV cannot write WebM.
    """
    written = file.with_name(_WRITTEN)
    try:
        count, remark = _write(written, detectors, file, settings, stop, report)
        if not count:
            raise UserError(remark or "interrupted")
        if not written.is_file():
            raise UserError("OpenCV cannot write WebM here; predict.py writes other videos")
        return Clip(written.read_bytes(), count, remark)
    finally:
        for leftover in file.parent.glob(f"{_WRITTEN}*"):
            leftover.unlink(missing_ok=True)


def _write(
    written: Path,
    detectors: Mapping[str, Detector],
    file: Path,
    settings: PostprocessSettings,
    stop: threading.Event,
    report: Callable[[int, int], object],
) -> tuple[int, str]:
    """Write the video; the number of its frames, and why there are not more."""
    source = Source(str(file), SourceKind.VIDEO, Path(), Path(), Path())
    count, write = 0, None
    with ExitStack() as videos:
        for frame in read_frames([source], stop):
            if frame.image is None:
                return count, str(frame.error).removeprefix(f"{file}: ")
            if count == MOST_FRAMES:
                return count, f"the first {MOST_FRAMES} frames"
            picture = _side_by_side(detectors, frame.image, settings)
            if write is None:
                write = videos.enter_context(video_file(written, frame.fps, picture.shape[1::-1]))
            write(picture)
            count += 1
            report(count, min(max(count, frame.frame_count), MOST_FRAMES))
    return count, ""


def show_video(names: Mapping[str, object], clip: Clip) -> str:
    """The video with the names of the runs above it, as HTML."""
    captions = "".join(f"<span>{safe(name)}</span>" for name in names)
    uri = f"data:video/webm;base64,{base64.b64encode(clip.data).decode()}"
    words = f"{clip.frames} frames" if not clip.remark else clip.remark
    return (
        f'<figure class="video"><figcaption>{captions}</figcaption>'
        f'<video controls src="{uri}"></video><p>{safe(words)}</p></figure>'
    )


def _side_by_side(
    detectors: Mapping[str, Detector], image: np.ndarray, settings: PostprocessSettings
) -> np.ndarray:
    seen = see(detectors, image, _LONG_SIDE)
    pictures = [seen.drawn(name, each.class_names, settings)[0] for name, each in detectors.items()]
    # Codecs of video halve the resolution of colors.
    height, width = (side // 2 * 2 for side in seen.picture.shape[:2])
    return np.hstack([picture[:height, :width] for picture in pictures])
