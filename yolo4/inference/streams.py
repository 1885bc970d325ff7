"""How many images a network should process at once: measured, because it depends on the machine.

Several images at once keep all cores busy with less waiting for each other, but each needs its own
part of the cache.
"""

import os
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from yolo4.inference.agreement import Infer
from yolo4.inference.stored_result import load_result, store_result

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
    cores = os.cpu_count() or 1
    candidates = sorted({1, max(1, cores // 2), cores})
    stored = load_result(result_file, "streams", hardware)
    if stored in candidates:
        return stored
    streams = _fastest(open_network, candidates, input_size)
    store_result(result_file, "streams", streams, hardware)
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
    with ExitStack() as stack:
        # The threads last for all turns: a stream's first call is slower, as it takes memory.
        pools = {n: stack.enter_context(ThreadPoolExecutor(n)) for n in candidates}
        for turn in range(_TURNS + 1):
            # They take turns, so that other load slows all of them.
            for streams, network in networks.items():
                seconds = _seconds(pools[streams], network, image, images)
                if turn:  # the first warms up
                    times[streams].append(seconds)
    return min(candidates, key=lambda streams: statistics.median(times[streams]))


def _seconds(pool: ThreadPoolExecutor, network: Infer, image: np.ndarray, images: int) -> float:
    start = time.perf_counter()
    for result in [pool.submit(network, image) for _ in range(images)]:
        result.result()
    return time.perf_counter() - start
