"""Draws what was found in pictures and records it in files, on the screen and in words."""

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
from utils.records import Detections
from yolo4.inference.heatmap import HeatMap, draw_heat
from yolo4.predict.command import PredictOptions
from yolo4.predict.frames import Frame
from yolo4.predict.sources import Kind, Source
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
    """A picture that was looked at.

    Attributes:
        picture: the picture, without its pixels.
        found: what was found; None when the picture could not be read.
        frames: what still has to be written or shown, by its place in the output folder.
    """

    picture: Frame
    found: Detections | None
    frames: Mapping[Path, np.ndarray]


@contextmanager
def recording(
    class_names: Sequence[str], options: PredictOptions, stop: threading.Event
) -> Iterator["Recorder"]:
    """A recorder whose files are finished when the block ends.

    After an exception the files that are not finished are removed.

    Args:
        class_names: names of the labels.
        options: what to write and where.
        stop: set when the person at the screen wants no more.
    """
    with ExitStack() as closing:
        file = Path(options.output) / "detections.json"
        detections = closing.enter_context(detections_file(file, class_names))
        screen = Window.open() if options.show else None
        if screen is not None:
            closing.callback(screen.close)
        videos = closing.enter_context(ExitStack())
        recorder = Recorder(class_names, options, stop, detections, screen, videos)
        yield recorder
        recorder.finish_source()


class Recorder:
    """Writes results to the output folder; `recording` gives one.

    Args:
        class_names: names of the labels.
        options: what to write and where.
        stop: set when the person at the screen wants no more.
        detections: the list of what was found.
        screen: where to show results; None for nowhere.
        videos: holds the videos of a source open; closing it finishes them.

    Attributes:
        problems: pictures that could not be read.
        dismissed: whether it was here, with a key, that the person said so.
    """

    def __init__(
        self,
        class_names: Sequence[str],
        options: PredictOptions,
        stop: threading.Event,
        detections: DetectionsFile,
        screen: Window | None,
        videos: ExitStack,
    ) -> None:
        self.class_names = class_names
        self.options = options
        self.stop = stop
        self.problems = 0
        self.dismissed = False
        self.output = Path(options.output)
        self._detections = detections
        self._screen = screen
        self._open_videos = videos
        self._videos: dict[Path, Callable[[np.ndarray], None]] = {}
        self._total: Counter[str] = Counter()
        self._source: Source | None = None
        self._most: Counter[str] | None = None

    def draw(self, picture: Frame, found: Detections | None, heat: HeatMap | None) -> Result:
        """Draw a picture and write the files that are its own; runs on several threads."""
        bare = replace(picture, image=None)
        if picture.image is None or found is None:
            return Result(bare, None, {})
        source, image = picture.source, picture.image
        frames = {
            source.place: draw_boxes(
                image, found.boxes, found.labels, self.class_names, found.scores
            )
        }
        if heat is not None:
            frames[source.heat_place] = draw_heat(image, heat)
        if self.options.crop:
            is_frame = picture.frame is not None
            prefix = f"{picture.frame:06d}_" if is_frame else ""
            suffix = ".jpg" if is_frame else source.place.suffix
            folder = self.output / source.crop_folder
            write_crops(folder, prefix, suffix, image, found, self.class_names)
        if source.kind is Kind.IMAGE:
            for place, frame in frames.items():
                write_image(self.output / place, frame)
            frames = frames if self._screen else {}
        return Result(bare, found, frames)

    def add(self, result: Result) -> None:
        """Record a result; to be called in the order of the pictures, on the main thread."""
        picture, found = result.picture, result.found
        if picture.source != self._source:
            self.finish_source()
            self._source = picture.source
        if found is None:
            self.problems += 1
            tqdm.write(f"skipped: {picture.error}", file=sys.stderr)
            return
        self._detections.add(picture.source.name, picture.frame, found)
        counts = Counter(self.class_names[label] for label in found.labels)
        self._most = counts | (self._most or Counter())
        if picture.source.kind is Kind.IMAGE:
            self._total += counts
        else:
            for place, frame in result.frames.items():
                self._video(place, picture.fps, frame)(frame)
        if self._screen is not None and not self.stop.is_set():
            shown = result.frames[picture.source.place]
            if not self._screen.show(shown, wait=picture.source.kind is Kind.IMAGE):
                self.dismissed = True
                self.stop.set()

    def totals(self) -> str:
        """How many objects of each class all image files show, in words."""
        return f"in all image files: {self._in_words(self._total)}"

    def finish_source(self) -> None:
        """Finish the videos of the last source and print what it shows."""
        self._open_videos.close()
        self._videos.clear()
        if self.options.count and self._source is not None and self._most is not None:
            at_once = "" if self._source.kind is Kind.IMAGE else "most at once: "
            tqdm.write(f"{self._source.name}: {at_once}{self._in_words(self._most)}")
        self._source = self._most = None

    def _video(self, place: Path, fps: float, frame: np.ndarray) -> Callable[[np.ndarray], None]:
        if place not in self._videos:
            video = video_file(self.output / place, fps, frame.shape[1::-1])
            self._videos[place] = self._open_videos.enter_context(video)
        return self._videos[place]

    def _in_words(self, counts: Mapping[str, int]) -> str:
        words = [f"{counts[name]} {name}" for name in self.class_names if counts[name]]
        return ", ".join(words) or "nothing"
