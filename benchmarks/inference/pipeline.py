"""How well reading, inference and writing overlap in `predict.py`.

python -m benchmarks.inference.pipeline prints, for a folder of images and for a video, the
milliseconds per image of each stage by itself and of the whole, and the whole's ratio to the
slowest stage.
"""

import contextlib
import dataclasses
import io
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from benchmarks.machine import machine, untrained_run
from utils.records import Detections
from yolo4.cli import clean_exit, parse
from yolo4.inference.detector import Detector
from yolo4.inference.pipeline import overlapped
from yolo4.options import option
from yolo4.predict.command import predict_with
from yolo4.predict.frames import load_frame, read_frames
from yolo4.predict.options import PredictOptions
from yolo4.predict.recorder import recording
from yolo4.predict.sources import Source, find_sources
from yolo4.run import Run, open_run
from yolo4.sample_data.scene import draw_scene


@dataclasses.dataclass(frozen=True)
class PipelineOptions:
    """What to measure."""

    run: str | None = option(None, "a run to measure; None: an untrained network of full width")
    images: int = option(40, "images of the folder and frames of the video", low=2)
    repeats: int = option(3, "turns of each stage", low=1)


def measure(options: PipelineOptions) -> None:
    """Print the table."""
    print(machine())
    if options.run:
        _measure_run(open_run(options.run), options)
        return
    with untrained_run(416) as run:
        _measure_run(run, options)


def _measure_run(run: Run, options: PipelineOptions) -> None:
    detector = Detector.from_run(run.folder, throughput=True)
    print("\n| source | reading | inference | writing | whole | whole / slowest | spread |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, path in _inputs(Path(folder), options.images).items():
            sources = find_sources([str(path)], Path(folder) / "output")
            settings = PredictOptions(output=str(Path(folder) / "output"))
            stages = _stages(detector, sources, settings)
            times: dict[str, list[float]] = {stage: [] for stage in stages}
            for turn in range(options.repeats + 1):
                for stage, do in stages.items():
                    start = time.perf_counter()
                    do()
                    if turn:  # the first warms up
                        milliseconds = 1000 * (time.perf_counter() - start) / options.images
                        times[stage].append(milliseconds)
            cells = [f"{statistics.median(values):.1f}" for values in times.values()]
            # Turn by turn, as the machine may be slower in some turns than in others.
            turns = zip(*times.values(), strict=True)
            ratios = [whole / max(alone) for *alone, whole in turns]
            spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
            row = [name, *cells, f"{statistics.median(ratios):.2f}", spread]
            print(f"| {' | '.join(row)} |")


def _inputs(folder: Path, count: int) -> dict[str, Path]:
    """A folder of JPEG files and a video of the same images."""
    images, film = folder / "images", folder / "film.mp4"
    images.mkdir()
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"mp4v"), 25, (640, 640))
    rng = np.random.default_rng(0)
    for number in range(count):
        picture = cv2.cvtColor(draw_scene(rng, 640)[0], cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(images / f"{number:04d}.jpg"), picture)
        writer.write(picture)
    writer.release()
    return {"folder": images, "video": film}


def _stages(
    detector: Detector, sources: list[Source], settings: PredictOptions
) -> dict[str, Callable[[], object]]:
    """Each stage, with the work of the other stages done before, and the whole."""
    threads, stop = 2, threading.Event()

    def read() -> Iterator:
        return overlapped(load_frame, read_frames(sources, stop), threads, ahead=4)

    pictures = list(read())
    found: list[Detections] = [detector.detect(picture.image) for picture in pictures]

    def infer() -> None:
        images = (picture.image for picture in pictures)
        list(overlapped(detector.detect, images, detector.parallel, 2 * detector.parallel))

    def write() -> None:
        with recording(detector.class_names, settings, stop) as recorder:
            seen = zip(pictures, found, strict=True)
            for result in overlapped(lambda s: recorder.draw(*s, None), seen, threads, threads):
                recorder.add(result)

    def whole() -> None:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            predict_with(detector, sources, settings)

    return {"reading": lambda: list(read()), "inference": infer, "writing": write, "whole": whole}


if __name__ == "__main__":
    with clean_exit():
        measure(parse(PipelineOptions(), __doc__))
