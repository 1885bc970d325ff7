"""How many images a network should process at once: measured, because it depends on the machine.

Several images at once keep all cores busy with less waiting for each other, but each needs its own
part of the cache.
"""

import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np

from utils.errors import FileError
from utils.files.reading import read_json, reading
from utils.files.writing import write_atomically
from yolo4.inference.agreement import Infer

_TURNS = 3

OpenNetwork = Callable[[int], Infer]
"""Opens a network that processes so many images at once."""


def measured_streams(
    open_network: OpenNetwork, input_size: tuple[int, int], result_file: Path, hardware: str
) -> int:
    """The number of streams with which a network processes most images a second here.

    Args:
        open_network: opens the network; each of its streams takes the calls of one thread.
        input_size: height and width of an image in pixels.
        result_file: stores the result, so that it is measured once.
        hardware: processor and library version, for which the result holds.
    """
    stored = _stored_result(result_file, hardware)
    if stored is not None:
        return stored
    cores = os.cpu_count() or 1
    streams = _fastest(open_network, sorted({1, max(1, cores // 2), cores}), input_size)
    with suppress(OSError):  # then the next start measures again
        write_atomically(result_file, json.dumps({"streams": streams, "place": hardware}) + "\n")
    return streams


def _fastest(
    open_network: OpenNetwork, candidates: Sequence[int], input_size: tuple[int, int]
) -> int:
    if len(candidates) == 1:
        return candidates[0]
    image = np.random.default_rng(0).integers(0, 256, (1, *input_size, 3), np.uint8)
    networks = {streams: open_network(streams) for streams in candidates}
    images = 2 * max(candidates)
    times: dict[int, list[float]] = {streams: [] for streams in candidates}
    for turn in range(_TURNS + 1):
        # They take turns, so that other load slows all of them.
        for streams, network in networks.items():
            seconds = _seconds(network, image, images, streams)
            if turn:  # the first warms up
                times[streams].append(seconds)
    return min(candidates, key=lambda streams: statistics.median(times[streams]))


def _seconds(network: Infer, image: np.ndarray, images: int, threads: int) -> float:
    with ThreadPoolExecutor(threads) as pool:
        start = time.perf_counter()
        for result in [pool.submit(network, image) for _ in range(images)]:
            result.result()
        return time.perf_counter() - start


def _stored_result(file: Path, hardware: str) -> int | None:
    try:
        result = read_json(file)
        with reading(file, "the fastest number of streams"):
            return max(1, int(result["streams"])) if result["place"] == hardware else None
    except FileError:
        return None
