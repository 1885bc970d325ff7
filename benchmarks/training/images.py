"""How fast training images are made, without a network.

python -m benchmarks.training.images --data <data set> prints images/s of decoding alone and of
complete batches, from files and from memory, by threads and by processes, each with its ratio to
decoding. It then prints which part of making an image holds Python's global interpreter lock, and
the resulting limits for threads and for processes.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from unittest import mock

import cv2
import numpy as np

from benchmarks.machine import machine
from utils.annotations import load_dataset
from utils.training_data.augment import Augmentation
from utils.training_data.dataset import TrainingSet
from utils.training_data.image_cache import MemoryCache
from utils.training_data.worker_processes import ProcessBatchMaker
from yolo4.cli import clean_exit, parse
from yolo4.options import option

_IN_OPENCV = (
    *("imdecode", "resize", "flip", "addWeighted"),
    *("cvtColor", "split", "convertScaleAbs", "merge"),
)
# Functions that process pixels, during which other Python threads can run.
_FREE = (
    (cv2, _IN_OPENCV),
    (np, ("stack",)),
)


@dataclasses.dataclass(frozen=True)
class DatasetOptions:
    """The data, the augmentation and the workers."""

    data: tuple[str, ...] = option((), "data set: folders or files")
    input_size: int = option(416, "pixels a side", low=32)
    batch_size: int = option(8, "images per batch", low=1)
    workers: int = option(2, "number of threads and of processes", low=1)
    mosaic: float = option(0.5, "probability of combining four images", low=0, high=1)
    mixup: float = option(0.25, "probability of blending two images", low=0, high=1)
    repeats: int = option(5, "measured epochs of each, taking turns", low=1)


def measure(options: DatasetOptions) -> None:
    """Print the speeds and the part of the work that threads cannot share."""
    print(machine())
    records = load_dataset(options.data, progress=False).splits["train"]
    size = (options.input_size, options.input_size)
    augmentation = Augmentation(mosaic=options.mosaic, mixup=options.mixup)
    made = {
        "--cache none": TrainingSet(records, size, 0, augmentation, 10**6),
        "--cache ram": TrainingSet(records, size, 0, augmentation, 10**6, MemoryCache()),
    }
    files = [str(record.image) for record in records]

    def decode(epoch: int) -> int:
        return _in_threads(cv2.imread, files, options.workers)

    def make(maker: TrainingSet | ProcessBatchMaker) -> Callable[[int], int]:
        def epoch_of(epoch: int) -> int:
            steps = range(maker.steps(options.batch_size))
            work = lambda step: maker.batch(step, epoch, options.batch_size)  # noqa: E731
            return _in_threads(work, steps, options.workers) * options.batch_size

        return epoch_of

    print(f"{len(files)} images, {options.workers} workers, {size[0]} pixels\n")
    with ExitStack() as stack:
        ways = {"cv2.imread": decode}
        for name, training in made.items():
            ways[f"{name}, threads"] = make(training)
        for name, training in made.items():
            maker = ProcessBatchMaker(training, options.batch_size, options.workers)
            ways[f"{name}, processes"] = make(stack.enter_context(closing(maker)))
        _print_speeds(_speeds(ways, options.repeats))
    print()
    for name, training in made.items():
        _print_share(name, *_milliseconds(training, options.batch_size))
    print(_receiving(training, options.batch_size))


def _in_threads(work: Callable, items: Iterable, workers: int) -> int:
    """Process all items in threads; return their number."""
    with ThreadPoolExecutor(workers) as pool:
        return sum(1 for _ in pool.map(work, items))


def _speeds(ways: dict[str, Callable[[int], int]], repeats: int) -> dict[str, list[float]]:
    """Images/s of each way, taking turns; the first turn warms up and fills the cache."""
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repeats + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            images = way(turn)
            if turn:
                speeds[name].append(images / (time.perf_counter() - start))
    return speeds


def _print_speeds(speeds: dict[str, list[float]]) -> None:
    print("| | images/s | lowest to highest | ratio to cv2.imread |")
    print("|---|---|---|---|")
    alone = statistics.median(next(iter(speeds.values())))
    for name, values in speeds.items():
        median = statistics.median(values)
        spread = f"{min(values):.0f} to {max(values):.0f}"
        print(f"| {name} | {median:.0f} | {spread} | {median / alone:.2f} |")


def _milliseconds(training: TrainingSet, batch_size: int) -> tuple[float, float]:
    """Of one thread, per image: its total time, and the part during which other threads wait."""
    steps = training.steps(batch_size)
    free = [0.0]
    with _timed(free):
        start = time.thread_time()
        for step in range(steps):
            training.batch(step, 0, batch_size)
        whole = time.thread_time() - start
    return tuple(1000 * part / (steps * batch_size) for part in (whole, whole - free[0]))


@contextmanager
def _timed(total: list[float]) -> Iterator[None]:
    """Within the block, add up the time spent in the functions of `_FREE`."""

    def timed(function: Callable) -> Callable:
        def run(*args: object, **named: object) -> object:
            start = time.thread_time()
            result = function(*args, **named)
            total[0] += time.thread_time() - start
            return result

        return run

    with ExitStack() as patches:
        for module, names in _FREE:
            for name in names:
                patch = mock.patch.object(module, name, timed(getattr(module, name)))
                patches.enter_context(patch)
        yield


def _print_share(name: str, whole: float, alone: float) -> None:
    """By Amdahl's law: n threads work in parallel except for this share."""
    share = alone / whole
    print(
        f"{name}: {whole:.2f} ms per image, {alone:.2f} of them ({share:.0%}) under the lock: "
        f"16 threads on 16 cores can be {1 / (share + (1 - share) / 16):.1f} times as fast as one, "
        f"any number of threads make at most {1000 / alone:.0f} images/s"
    )


def _receiving(training: TrainingSet, batch_size: int) -> str:
    """What a batch made by a worker process costs the process that receives it."""
    steps = training.steps(batch_size)
    with closing(ProcessBatchMaker(training, batch_size, 1)) as maker:
        maker.batch(0, 0, batch_size)
        start = time.process_time()
        for step in range(steps):
            maker.batch(step, 0, batch_size)
        taken = 1000 * (time.process_time() - start) / (steps * batch_size)
    return (
        f"processes: {taken:.2f} ms per image in the receiving process, "
        f"any number of processes make at most {1000 / taken:.0f} images/s"
    )


if __name__ == "__main__":
    with clean_exit():
        measure(parse(DatasetOptions(), __doc__))
