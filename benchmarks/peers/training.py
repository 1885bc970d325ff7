"""A training step here and in PyTorch."""

import dataclasses
import statistics
from collections.abc import Sequence

from benchmarks.peers.turns import (
    PEAK,
    product_flops,
    product_worker,
    ratio,
    ready,
    spread,
    take_turns,
)
from benchmarks.peers.work import Work
from benchmarks.workers import Worker
from utils.errors import is_installed


def measure_training(work: Work, precisions: Sequence[str], repeats: int, steps: int) -> None:
    """Print a table of training steps.

    Args:
        work: the network and its batches, in any precision.
        precisions: "float32", "bfloat16".
        repeats: turns.
        steps: steps per turn.
    """
    workers: dict[str, Worker] = {}
    for precision in precisions:
        workers |= _workers(dataclasses.replace(work, precision=precision))
    with ready(workers) as made:
        times = take_turns(made, repeats, (steps,))
        memory = {name: worker.memory() for name, worker in made.items()}
    print("| training step | images/s | spread | to PyTorch | of the peak | peak memory |")
    print("|---|---|---|---|---|---|")
    for (name, _), seconds in times.items():
        library, precision = name.rsplit(", ", 1)
        peak = times.get((f"{PEAK}, {precision}", steps))
        if library == PEAK or peak is None:
            continue
        rates = [steps * work.batch_size / s for s in seconds]
        pytorch = times.get((f"PyTorch, {precision}", steps))
        faster = f"{ratio(pytorch, seconds):.2f}" if pytorch else ""
        share = ratio(peak, seconds) * work.flops / product_flops()
        print(
            f"| {name} | {statistics.median(rates):.2f} | {spread(rates, 2)} | {faster} "
            f"| {share:.0%} | {memory[name] / 1e9:.1f} GB |"
        )
    _print_peaks(times, steps)


def _workers(work: Work) -> dict[str, Worker]:
    workers = {"this project": Worker("benchmarks.peers.keras_steps:keras_steps", work)}
    if is_installed("torch"):
        torch_steps = "benchmarks.peers.torch_steps:torch_steps"
        workers["PyTorch"] = Worker(torch_steps, work, False)
        workers["PyTorch compiled"] = Worker(torch_steps, work, True)
    workers[PEAK] = product_worker(work.precision)
    return {f"{name}, {work.precision}": worker for name, worker in workers.items()}


def _print_peaks(times: dict[tuple[str, int], list[float]], steps: int) -> None:
    for (name, _), seconds in times.items():
        if name.startswith(PEAK):
            rates = [steps * product_flops() / s / 1e9 for s in seconds]
            print(
                f"\nthe peak, {name}: {statistics.median(rates):.0f} GFLOP/s ({spread(rates, 0)})"
            )
