"""What the page answers to an upload or a slider, without Gradio."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from utils.errors import UserError
from utils.image import ImageError, read_image
from utils.postprocess import PREDICTION, PostprocessSettings
from yolo4.demo.seen import Seen, see, show_pictures, show_problem
from yolo4.demo.video import draw_video, show_video
from yolo4.inference.detector import Detector

Upload = Mapping[str, Any]
"""A file as Gradio describes it: its `path`, and its `orig_name` on the person's machine."""


class Answers:
    """Finds objects in what is uploaded.

    Args:
        detectors: by the name of their run.
        uploads: the folder of uploaded files; no file outside of it is read.
        stop: ends the work on a video.
    """

    def __init__(
        self, detectors: Mapping[str, Detector], uploads: Path, stop: threading.Event
    ) -> None:
        self.detectors = detectors
        self.uploads = uploads
        self.stop = stop

    def to_image(
        self, upload: Upload | None, score_threshold: float, nms_threshold: float
    ) -> tuple[Seen | None, str]:
        """What the networks have output for an image, and the pictures or the problem as HTML."""
        if not upload:
            return None, ""
        try:
            path, name = self._find(upload)
            try:
                seen = see(self.detectors, read_image(path))
            except ImageError as error:
                raise UserError(f"{name}: {error.detail}") from error
            return seen, self.to_thresholds(seen, score_threshold, nms_threshold)
        except UserError as error:
            return None, show_problem(str(error))

    def to_thresholds(self, seen: Seen | None, score_threshold: float, nms_threshold: float) -> str:
        """The pictures at other thresholds; no network is run."""
        if seen is None:
            return ""
        return show_pictures(self.detectors, seen, _settings(score_threshold, nms_threshold))

    def to_video(
        self,
        upload: Upload | None,
        score_threshold: float,
        nms_threshold: float,
        report: Callable[[int, int], object],
    ) -> str:
        """The video with boxes, or the problem, as HTML."""
        if not upload:
            return show_problem("no video has been uploaded")
        try:
            path, name = self._find(upload)
            settings = _settings(score_threshold, nms_threshold)
            try:
                clip = draw_video(self.detectors, path, settings, self.stop, report)
            except UserError as error:
                raise UserError(f"{name}: {error}") from error
            return show_video(self.detectors, clip)
        except UserError as error:
            return show_problem(str(error))

    def _find(self, upload: Upload) -> tuple[Path, str]:
        """The path of an upload, and its name on the person's machine."""
        path = Path(str(upload.get("path"))).resolve()
        name = str(upload.get("orig_name") or path.name)
        if not path.is_relative_to(self.uploads):
            raise UserError(f"{name}: was not uploaded to this page")
        if not path.is_file():
            raise UserError(f"{name}: is no longer kept here; upload it again")
        return path, name


def _settings(score_threshold: float, nms_threshold: float) -> PostprocessSettings:
    return replace(PREDICTION, score_threshold=score_threshold, nms_threshold=nms_threshold)
