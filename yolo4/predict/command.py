"""Finds objects in images, videos, webcams and streams, and writes down what it found."""

import dataclasses
import os
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tqdm import tqdm

from utils.errors import UserError
from utils.files import make_output, writing_to
from utils.postprocess import PREDICTION, PostprocessSettings
from yolo4.inference.pipeline import Pace, finish_on_interrupt, in_batches, overlapped
from yolo4.options import check_ranges, option

if TYPE_CHECKING:
    from utils.records import Detections
    from yolo4.inference.detector import Detector
    from yolo4.inference.heatmap import HeatMap
    from yolo4.predict.frames import Frame
    from yolo4.predict.recorder import Recorder
    from yolo4.predict.sources import Source
    from yolo4.run import Run

_THREADS = min(8, os.cpu_count() or 1)


@dataclasses.dataclass(frozen=True)
class PredictOptions:
    """All settings of `predict.py`, which makes a flag of each field."""

    sources: tuple[str, ...] = option(
        (),
        "image files, folders, 'glob patterns', videos, webcam numbers, stream addresses; "
        "none: the images of the run's own data set",
        "input",
        positional=True,
    )
    run: str | None = option(None, "folder of the training run; None: the latest", "input")
    output: str = option("output", "folder for the results", "output")
    crop: bool = option(False, "also write what lies in each box", "output")
    count: bool = option(False, "also print the number of objects of each class", "output")
    heatmap: bool = option(False, "also write the confidence as colors over the image", "output")
    show: bool = option(
        False, "also show results on the screen; a key: next image, q: stop", "output"
    )
    score_threshold: float = option(
        PREDICTION.score_threshold, "lowest score of a detection", "detection", 0, 1
    )
    nms_threshold: float = option(
        PREDICTION.nms_threshold,
        "overlap above which the worse of two boxes goes",
        "detection",
        0,
        1,
    )
    nms: Literal["iou", "diou"] = option(PREDICTION.nms, "how the overlap is measured", "detection")
    max_detections: int = option(
        PREDICTION.max_detections, "most detections per image", "detection", low=1
    )
    batch_size: int = option(8, "images per call of the network", "detection", low=1, high=1024)
    backend: Literal["auto", "keras", "openvino", "onnxruntime", "litert"] = option(
        "auto", "what computes; auto: OpenVINO where installed and no GPU, else Keras", "detection"
    )

    def __post_init__(self) -> None:
        check_ranges(self)

    def postprocess(self) -> PostprocessSettings:
        """How detections are selected."""
        return PostprocessSettings(
            self.score_threshold, self.nms_threshold, self.nms, self.max_detections
        )


def predict(options: PredictOptions) -> int:
    """Find objects in every source and write the results to `options.output`.

    Returns:
        The exit status: 0, also after q on the screen; 1 when a source could not be read, which is
        reported while the others go on; 130 after Ctrl-C, which finishes the files that are being
        written.

    Raises:
        UserError: there is no such source or run, or the results cannot be written.
    """
    from yolo4.inference.detector import Detector
    from yolo4.predict.sources import find_sources
    from yolo4.run import open_run

    run = open_run(options.run)
    arguments = options.sources or _images_of_run(run)
    sources = find_sources(arguments, Path(options.output))
    make_output(Path(options.output))
    print(f"{run.folder}: starting the network")
    detector = Detector.from_run(
        run.folder,
        options.postprocess(),
        batch_size=options.batch_size,
        backend=options.backend,
        throughput=not _is_live(sources),
    )
    print(f"computing with {detector.infer}")
    return predict_with(detector, sources, options)


def _images_of_run(run: "Run") -> list[Path]:
    """The images of the run's data set: the test split, or else the validation split."""
    from utils.annotations import load_dataset
    from yolo4.inference.records import choose_records

    config = run.config()
    if not config.data:
        raise UserError(f"{run.folder} has no data set of its own: name images, folders or videos")
    names = run.class_names()
    splits = load_dataset(config.data, names, config.on_bad_data, config.split_seed).splits
    return [record.image for record in choose_records(splits, None)[1]]


def predict_with(detector: "Detector", sources: "list[Source]", options: PredictOptions) -> int:
    """As `predict`, with a detector and sources that are known already."""
    from yolo4.predict.recorder import recording

    pace = Pace()
    with (
        writing_to(Path(options.output)),
        finish_on_interrupt() as stop,
        tqdm(desc="predict", unit=" images", total=len(sources)) as bar,
        recording(detector.class_names, options, stop) as recorder,
    ):
        _run(detector, sources, recorder, pace, bar)
    if options.count:
        print(recorder.totals())
    print(f"{pace}; results in {options.output}")
    if stop.is_set() and not recorder.dismissed:
        return 130
    return 1 if recorder.problems else 0


def _run(
    detector: "Detector", sources: "list[Source]", recorder: "Recorder", pace: Pace, bar: tqdm
) -> None:
    """Read, detect, draw and record; the stages overlap, each with a few pictures in memory."""
    from yolo4.predict.frames import load, read_pictures

    # What is live should be seen now, not when a batch is full.
    batch_size = 1 if _is_live(sources) else detector.batch_size

    def look(batch: "list[Frame]") -> "list[tuple[Frame, Detections, HeatMap | None]]":
        readable = [picture for picture in batch if picture.image is not None]
        images = [picture.image for picture in readable]
        found = iter(detector.detect_with_heat(images, heat=recorder.options.heatmap))
        pace.count(len(readable))
        empty = (None, None)
        return [(p, *(empty if p.image is None else next(found))) for p in batch]

    ahead = 2 * detector.parallel
    unread = read_pictures(sources, recorder.stop)
    pictures = overlapped(load, unread, _THREADS, ahead=max(batch_size, ahead))
    batches = in_batches(pictures, batch_size)
    looked = overlapped(look, batches, detector.parallel, ahead)
    flat = chain.from_iterable(looked)
    drawn = overlapped(lambda seen: recorder.draw(*seen), flat, _THREADS, ahead=_THREADS)
    for result in drawn:
        recorder.add(result)
        if result.picture.frame == 0:
            bar.total += max(1, result.picture.frame_count) - 1
        bar.total = max(bar.total, bar.n + 1)
        bar.update()


def _is_live(sources: "list[Source]") -> bool:
    from yolo4.predict.sources import Kind

    return any(source.kind is Kind.LIVE for source in sources)
