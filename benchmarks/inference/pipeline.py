"""How well reading, inference and writing overlap in `predict.py`.

python -m benchmarks.inference.pipeline prints, for a folder of JPEG files of 640x480 and for a
video of the same images, the processor time of each stage and the duration of the whole, in
milliseconds per image. The ratio is the duration relative to the time in which all cores could do
the work of all stages.
"""

import contextlib
import dataclasses
import io
import os
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
from yolo4.config import NetworkName
from yolo4.inference.detector import Detector
from yolo4.inference.pipeline import overlapped
from yolo4.options import option
from yolo4.predict.command import predict_with
from yolo4.predict.frames import load_frame, read_frames
from yolo4.predict.options import PredictOptions
from yolo4.predict.recorder import open_recorder
from yolo4.predict.sources import Source, find_sources
from yolo4.run import Run, open_run
from yolo4.sample_data.scene import draw_scene

_WHOLE = "whole"
_SIZE = (640, 480)  # width and height


@dataclasses.dataclass(frozen=True)
class PipelineOptions:
    """What to measure."""

    run: str | None = option(None, "a run to measure; None: an untrained network")
    network: NetworkName = option("yolov4-tiny", "the untrained network, at full width")
    images: int = option(100, "images of the folder and frames of the video", low=2)
    repeats: int = option(5, "turns of each stage", low=1)


def measure(options: PipelineOptions) -> None:
    """Print the table."""
    print(machine())
    if options.run:
        _measure_run(open_run(options.run), options)
        return
    with untrained_run(416, network=options.network) as run:
        _measure_run(run, options)


def _measure_run(run: Run, options: PipelineOptions) -> None:
    detector = Detector.from_run(run.folder, throughput=True)
    print("\n| source | reading | inference | writing | all / cores | whole | ratio | spread |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, path in _inputs(Path(folder), options.images).items():
            sources = find_sources([str(path)], Path(folder) / "output")
            settings = PredictOptions(output=str(Path(folder) / "output"))
            turns = _turns(_stages(detector, sources, settings), options.repeats, options.images)
            print(f"| {name} | {' | '.join(_cells(turns))} |")


def _turns(
    stages: dict[str, Callable[[], object]], repeats: int, images: int
) -> list[dict[str, float]]:
    """Milliseconds per image in each turn: processor time of the stages, duration of the whole."""
    turns = []
    for _ in range(repeats + 1):
        turn = {}
        for stage, do in stages.items():
            clock = time.perf_counter if stage == _WHOLE else time.process_time
            start = clock()
            do()
            turn[stage] = 1000 * (clock() - start) / images
        turns.append(turn)
    return turns[1:]  # the first warms up


def _cells(turns: list[dict[str, float]]) -> Iterator[str]:
    cores = os.cpu_count() or 1
    least = [sum(ms for stage, ms in turn.items() if stage != _WHOLE) / cores for turn in turns]
    for stage in turns[0]:
        if stage == _WHOLE:
            yield f"{statistics.median(least):.1f}"
        yield f"{statistics.median(turn[stage] for turn in turns):.1f}"
    # Turn by turn, as the machine may be slower in some turns than in others.
    ratios = [turn[_WHOLE] / all_cores for turn, all_cores in zip(turns, least, strict=True)]
    yield f"{statistics.median(ratios):.2f}"
    yield f"{min(ratios):.2f} to {max(ratios):.2f}"


def _inputs(folder: Path, count: int) -> dict[str, Path]:
    """A folder of JPEG files and a video of the same images."""
    images, film = folder / "images", folder / "film.mp4"
    images.mkdir()
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"mp4v"), 25, _SIZE)
    rng = np.random.default_rng(0)
    for number in range(count):
        scene = draw_scene(rng, max(_SIZE))[0][: _SIZE[1]]
        picture = cv2.cvtColor(scene, cv2.COLOR_RGB2BGR)
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
        with open_recorder(detector.class_names, settings, stop) as recorder:
            seen = zip(pictures, found, strict=True)
            for result in overlapped(lambda s: recorder.draw(*s, None), seen, threads, threads):
                recorder.add(result)

    def whole() -> None:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            predict_with(detector, sources, settings)

    return {"reading": lambda: list(read()), "inference": infer, "writing": write, _WHOLE: whole}


if __name__ == "__main__":
    with clean_exit():
        measure(parse(PipelineOptions(), __doc__))
