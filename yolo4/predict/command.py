"""Finds objects in images, videos, webcams and streams, and writes the results."""

import os
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from tqdm import tqdm

from utils.errors import UserError
from utils.files.lock import output_folder
from utils.files.writing import remove_leftovers
from utils.progress import progress_bar
from utils.records import Detections
from yolo4.inference.detector import Detector
from yolo4.inference.heatmap import HeatMap
from yolo4.inference.pipeline import Pace, finish_on_interrupt, in_batches, overlapped
from yolo4.inference.records import choose_records
from yolo4.predict.frames import Frame, load_frame, read_frames
from yolo4.predict.options import PredictOptions
from yolo4.predict.recorder import Recorder, open_recorder
from yolo4.predict.sources import Source, SourceKind, find_sources
from yolo4.run import Run, open_run

_THREADS = min(8, os.cpu_count() or 1)


def predict(options: PredictOptions) -> int:
    """Find objects in every source and write the results to `options.output`.

    Returns:
        The exit status: 0, also after q in the window; 1 if a source could not be read or its
        picture not written, which is reported while the others are processed; 130 after Ctrl-C and
        143 after SIGTERM, which finish the files that are being written.

    Raises:
        UserError: there is no such source or run, or the results cannot be written.
        FolderInUseError: another process writes to the folder.
    """
    run = open_run(options.run)
    sources = find_sources(options.sources or _images_of_run(run), Path(options.output))
    with output_folder(Path(options.output)) as output:
        _remove_leftovers(output, sources)
        print(f"{run.folder}: starting the network")
        detector = Detector.from_run(
            run.folder,
            options.postprocess(),
            batch_size=options.batch_size,
            backend=options.backend,
            throughput=not _is_live(sources),
            resize=options.resize,
            rect=options.rect,
            precision=options.precision,
        )
        print(f"computing with {detector.infer}")
        return predict_with(detector, sources, options)


def _remove_leftovers(output: Path, sources: Sequence[Source]) -> None:
    """Remove what a killed program left in the folders that the results of the sources go to."""
    folders = {folder for each in sources for folder in (each.path.parent, each.crop_folder)}
    for folder in folders:
        if (output / folder).is_dir():
            remove_leftovers(output / folder)


def _images_of_run(run: Run) -> list[Path]:
    """The images of the run's data set: the test split, or else the validation split."""
    # Here, because sources that are named start sooner without what reads data sets.
    from utils.annotations import load_dataset

    config = run.config()
    if not config.data:
        raise UserError(f"{run.folder}: the run has no data set; name images, folders or videos")
    names = run.class_names()
    splits = load_dataset(config.data, names, config.on_bad_data, config.split_seed).splits
    return [record.image for record in choose_records(splits, None)[1]]


def predict_with(detector: Detector, sources: Sequence[Source], options: PredictOptions) -> int:
    """Like `predict`, with a given detector and given sources."""
    pace = Pace()
    with (
        finish_on_interrupt() as stop,
        progress_bar(desc="predict", unit=" images", total=len(sources)) as bar,
        open_recorder(detector.class_names, options, stop) as recorder,
    ):
        _run(detector, sources, recorder, pace, bar)
    if options.count:
        print(recorder.totals())
    print(f"{pace}; results in {options.output}")
    if stop.status and not recorder.is_dismissed:
        return stop.status
    return 1 if recorder.failures else 0


def _run(
    detector: Detector, sources: Sequence[Source], recorder: Recorder, pace: Pace, bar: tqdm
) -> None:
    """Read, detect, draw and record in stages that overlap, each with a few frames in memory."""
    # A live frame should be shown at once, not when a batch is full.
    batch_size = 1 if _is_live(sources) else detector.batch_size

    def detect(batch: list[Frame]) -> list[tuple[Frame, Detections | None, HeatMap | None]]:
        images = [frame.image for frame in batch if frame.image is not None]
        detected = iter(detector.detect_with_heat(images, heat=recorder.options.heatmap))
        pace.count(len(images))
        results: list[tuple[Detections | None, HeatMap | None]] = [
            (None, None) if frame.image is None else next(detected) for frame in batch
        ]
        return [(frame, *result) for frame, result in zip(batch, results, strict=True)]

    ahead = 2 * detector.parallel
    unread = read_frames(sources, recorder.stop)
    frames = overlapped(load_frame, unread, _THREADS, ahead=max(batch_size, ahead))
    batches = overlapped(detect, in_batches(frames, batch_size), detector.parallel, ahead)
    detected = chain.from_iterable(batches)
    drawn = overlapped(lambda parts: recorder.draw(*parts), detected, _THREADS, ahead=_THREADS)
    for result in drawn:
        recorder.add(result)
        if result.frame.number == 0:
            bar.total += max(1, result.frame.frame_count) - 1
        bar.total = max(bar.total, bar.n + 1)
        bar.update()


def _is_live(sources: Sequence[Source]) -> bool:
    return any(source.kind is SourceKind.LIVE for source in sources)
