"""How scans, starts and memory grow with the data set, up to the size of COCO.

python -m benchmarks.large_data makes data sets in each format, of hard links to small pictures and
7.3 boxes an image, and prints for each the seconds of the first scan, of a second start (a scan
with its cache, and the digest that `--resume` compares), the most memory of both, and the seconds
until the end of the first training step, with the settings of train.py and the cache of the scan.
The last line has the mAP of 5,000 validation images with as many detections as are kept of each.
"""

import dataclasses
import tempfile
from pathlib import Path

from benchmarks.large_data.making import FORMATS
from benchmarks.machine import machine
from benchmarks.workers import Worker
from yolo4.cli import clean_exit, parse
from yolo4.options import option

_VALIDATION_IMAGES = 5000
_MODULE = "benchmarks.large_data.measuring"


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
    print("| format | images | scan s | MB | second start s | MB | first step s | MB |")
    print("|---|---|---|---|---|---|---|---|")
    for format in options.formats:
        for images in options.images:
            with tempfile.TemporaryDirectory(dir=options.folder) as folder:
                cells = _measure_one(format, images, Path(folder))
            print(f"| {format} | {images:,} | {' | '.join(cells)} |", flush=True)

    seconds, memory = _measured("validation", _VALIDATION_IMAGES)
    print(f"\nmAP of {_VALIDATION_IMAGES:,} images: {seconds:.1f} s, {memory / 1e6:,.0f} MB")


def _measure_one(format: str, images: int, folder: Path) -> list[str]:
    root, cache = str(folder / "data"), str(folder / "cache")
    _measured("making", format, root, images)
    cells = []
    for step in ("first_scan", "second_start", "first_step"):
        seconds, memory = _measured(step, root, cache)
        cells += [f"{seconds:.1f}", f"{memory / 1e6:,.0f}"]
    return cells


def _measured(step: str, *arguments: str | int) -> tuple[float, int]:
    """Seconds and peak memory in bytes of one step, in a process that does only that."""
    worker = Worker(f"{_MODULE}:{step}", *arguments)
    try:
        worker.make()
        return worker.run(1), worker.memory()
    finally:
        worker.close()


if __name__ == "__main__":
    with clean_exit():
        measure(parse(LargeDataOptions(), __doc__))
