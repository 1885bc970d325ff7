"""Draws detections into frames, writes them to files, shows them in a window and counts them."""

import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from utils.draw import draw_boxes
from utils.printable import printable
from utils.records import Detections
from yolo4.inference.heatmap import HeatMap, draw_heat
from yolo4.predict.frames import Frame
from yolo4.predict.one_file import errors_of_one_file
from yolo4.predict.options import PredictOptions
from yolo4.predict.sources import Source, SourceKind
from yolo4.predict.window import Window
from yolo4.predict.writers import (
    DetectionsFile,
    detections_file,
    video_file,
    write_crops,
    write_image,
)


@dataclass(frozen=True, eq=False)
class Result:
    """What was detected in a frame.

    Attributes:
        frame: the frame, without its pixels.
        detections: None if the frame could not be read.
        errors: lines about files that could not be written.
        pictures: drawn images that are still to be written or shown, uint8 `[H, W, 3]` RGB, by
            their path in the output folder.
    """

    frame: Frame
    detections: Detections | None
    pictures: Mapping[Path, np.ndarray]
    errors: tuple[str, ...] = ()


@contextmanager
def open_recorder(
    class_names: Sequence[str], options: PredictOptions, stop: threading.Event
) -> Iterator["Recorder"]:
    """A recorder whose files are finished when the block ends.

    After an exception the unfinished files are removed.

    Args:
        class_names: names of the labels.
        options: what to write and where.
        stop: set when the person presses q in the window.
    """
    with ExitStack() as closing:
        path = Path(options.output) / "detections.json"
        file = closing.enter_context(detections_file(path, class_names))
        window = Window.open() if options.show else None
        if window is not None:
            closing.callback(window.close)
        videos = closing.enter_context(ExitStack())
        recorder = Recorder(class_names, options, stop, file, window, videos)
        yield recorder
        recorder.finish_source()


class Recorder:
    """Writes results to the output folder; `recording` makes one.

    Args:
        class_names: names of the labels.
        options: what to write and where.
        stop: set when the person presses q in the window.
        file: the list of detections.
        window: where to show results; None: nowhere.
        videos: holds the open videos of the current source; closing it finishes them.

    Attributes:
        failures: number of frames that could not be read and files that could not be written.
        is_dismissed: whether the person has pressed q in the window.
    """

    def __init__(
        self,
        class_names: Sequence[str],
        options: PredictOptions,
        stop: threading.Event,
        file: DetectionsFile,
        window: Window | None,
        videos: ExitStack,
    ) -> None:
        self.class_names = class_names
        self.options = options
        self.stop = stop
        self.failures = 0
        self.is_dismissed = False
        self.output = Path(options.output)
        self._file = file
        self._window = window
        self._open_videos = videos
        self._videos: dict[Path, Callable[[np.ndarray], None]] = {}
        self._total: Counter[str] = Counter()
        self._source: Source | None = None
        self._most: Counter[str] | None = None

    def draw(self, frame: Frame, detections: Detections | None, heat: HeatMap | None) -> Result:
        """Draw a frame, and write the files that hold this frame alone. Safe on several threads."""
        bare = replace(frame, image=None)
        if frame.image is None or detections is None:
            return Result(bare, None, {})
        source = frame.source
        pictures = {
            source.path: draw_boxes(
                frame.image,
                detections.boxes,
                detections.labels,
                self.class_names,
                detections.scores,
            )
        }
        if heat is not None:
            pictures[source.heat_path] = draw_heat(frame.image, heat)
        errors: list[str] = []
        if self.options.crop:
            with errors_of_one_file(errors.append):
                self._write_crops(frame, frame.image, detections)
        if source.kind is SourceKind.IMAGE:
            for path, picture in pictures.items():
                with errors_of_one_file(errors.append):
                    write_image(self.output / path, picture)
            pictures = pictures if self._window else {}
        return Result(bare, detections, pictures, tuple(errors))

    def _write_crops(self, frame: Frame, image: np.ndarray, detections: Detections) -> None:
        source = frame.source
        is_of_video = frame.number is not None
        prefix = f"{frame.number:06d}_" if is_of_video else ""
        suffix = ".jpg" if is_of_video else source.path.suffix
        folder = self.output / source.crop_folder
        write_crops(folder, prefix, suffix, image, detections, self.class_names)

    def add(self, result: Result) -> None:
        """Record a result. Call it in the order of the frames, on the main thread."""
        frame, detections = result.frame, result.detections
        if frame.source != self._source:
            self.finish_source()
            self._source = frame.source
        for error in result.errors:
            self._report(error)
        if detections is None:
            self._report(f"{'' if frame.number else 'skipped: '}{frame.error}")
            return
        self._file.add(frame.source.name, frame.number, detections)
        counts = Counter(self.class_names[int(label)] for label in detections.labels)
        self._most = counts | (self._most or Counter())
        if frame.source.kind is SourceKind.IMAGE:
            self._total += counts
        else:
            for path, picture in result.pictures.items():
                self._video(path, frame.fps, picture)(picture)
        self._show(result)

    def _report(self, line: str) -> None:
        self.failures += 1
        tqdm.write(printable(line), file=sys.stderr)

    def _show(self, result: Result) -> None:
        if self._window is None or self.stop.is_set():
            return
        source = result.frame.source
        is_image = source.kind is SourceKind.IMAGE
        if not self._window.show(result.pictures[source.path], wait=is_image):
            self.is_dismissed = True
            self.stop.set()

    def totals(self) -> str:
        """The number of objects of each class in all image files, as text."""
        return f"in all image files: {self._as_text(self._total)}"

    def finish_source(self) -> None:
        """Finish the videos of the current source and print its counts."""
        with errors_of_one_file(self._report):
            self._open_videos.close()
        self._videos.clear()
        if self.options.count and self._source is not None and self._most is not None:
            at_once = "" if self._source.kind is SourceKind.IMAGE else "most at once: "
            counts = f"{self._source.name}: {at_once}{self._as_text(self._most)}"
            tqdm.write(printable(counts))
        self._source = self._most = None

    def _video(self, path: Path, fps: float, picture: np.ndarray) -> Callable[[np.ndarray], None]:
        if path not in self._videos:
            self._videos[path] = lambda picture: None  # if it cannot be written
            video = video_file(self.output / path, fps, picture.shape[1::-1])
            with errors_of_one_file(self._report):
                self._videos[path] = self._open_videos.enter_context(video)
        return self._videos[path]

    def _as_text(self, counts: Mapping[str, int]) -> str:
        words = [f"{counts[name]} {name}" for name in self.class_names if counts[name]]
        return ", ".join(words) or "nothing"
