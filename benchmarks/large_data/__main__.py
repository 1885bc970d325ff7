"""How scans, starts and memory grow with the data set, up to the size of COCO.

python -m benchmarks.large_data makes data sets in each format, of hard links to small pictures and
7.3 boxes an image, and prints for each the seconds of the first scan, of a second start (a scan
with its cache, and the digest that `--resume` compares), and until the end of the first training
step, with the settings of train.py and the cache of the scan; behind them the seconds of processor
time, which other programs hardly change, and the most memory. Each is a process that does only
that. The last line has the mAP of 5,000 validation images with as many detections as are kept.
"""

import dataclasses
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.large_data.making import FORMATS
from benchmarks.large_data.measuring import (
    Cost,
    cost_of,
    first_scan,
    first_step,
    second_start,
    validation,
)
from benchmarks.machine import machine
from yolo4.cli import clean_exit, parse
from yolo4.options import option

_VALIDATION_IMAGES = 5000
_SETTLING_SECONDS = 3  # a scan does not cache files that have just changed
_STEPS = {"scan": first_scan, "second start": second_start, "first step": first_step}


@dataclasses.dataclass(frozen=True)
class LargeDataOptions:
    """The data sets."""

    images: tuple[int, ...] = option((10_000, 30_000, 118_000), "numbers of images", low=48)
    formats: tuple[str, ...] = option(tuple(FORMATS), f"formats: {', '.join(FORMATS)}")
    folder: str | None = option(
        None, "where the data is made and removed; None: the system's folder of temporary files"
    )


def measure(options: LargeDataOptions) -> None:
    """Print the table."""
    print(f"{machine()}\n")
    titles = "".join(f" {step} s (processor) | MB |" for step in _STEPS)
    print(f"| format | images |{titles}\n|---|---|{'---|---|' * len(_STEPS)}")
    for format in options.formats:
        for images in options.images:
            with tempfile.TemporaryDirectory(dir=options.folder) as folder:
                root, cache = Path(folder, "data"), Path(folder, "cache")
                in_process(FORMATS[format], root, images)
                time.sleep(_SETTLING_SECONDS)
                costs = [in_process(step, root, cache) for step in _STEPS.values()]
            print(f"| {format} | {images:,} | {' | '.join(map(_cells, costs))} |", flush=True)
    cost = in_process(validation, _VALIDATION_IMAGES)
    print(f"\nmAP of {_VALIDATION_IMAGES:,} images: {cost.memory / 1e6:,.0f} MB")


def in_process(work: Callable[..., object], *arguments: object) -> Cost:
    """The cost of a piece of work in a process that does only that."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(cost_of, work, *arguments).result()


def _cells(cost: Cost) -> str:
    return f"{cost.seconds:.1f} ({cost.processor_seconds:.1f}) | {cost.memory / 1e6:,.0f}"


if __name__ == "__main__":
    with clean_exit():
        measure(parse(LargeDataOptions(), __doc__))
