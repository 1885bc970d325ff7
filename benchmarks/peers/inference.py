"""Detection with the same weights here, in PyTorch, in OpenCV and in ONNX Runtime."""

import statistics
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.peers.engines import BOXES, ENGINES, sample
from benchmarks.peers.turns import (
    PEAK,
    product_flops,
    product_worker,
    ratio,
    ready,
    spread,
    take_turns,
)
from benchmarks.peers.work import Work, forward_flops
from benchmarks.workers import Worker
from utils.errors import is_installed
from yolo4.quiet import quiet_start
from yolo4.run import Run

_BASE = "`predict.py --backend keras`"


def measure_inference(run: Run, images: int, repeats: int) -> None:
    """Print a table of milliseconds per image, of a single one and in a folder.

    Args:
        run: a run with weights.
        images: images of the folder.
        repeats: turns.
    """
    with tempfile.TemporaryDirectory() as folder:
        weights = _write_weights(run, Path(folder))
        workers = {
            engine.name: Worker(
                "benchmarks.peers.engines:engine_steps", number, str(run.folder), weights, images
            )
            for number, engine in enumerate(ENGINES)
            if is_installed(engine.module)
        }
        workers[PEAK] = product_worker("float32")
        with ready(workers, (1, images)) as made:
            times = take_turns(made, repeats, (1, images))
            notes = {name: worker.note for name, worker in made.items()}
    _print_table(run, times, notes)


def _print_table(
    run: Run, times: dict[tuple[str, int], list[float]], notes: dict[str, tuple[str, float]]
) -> None:
    config = run.config()
    size, classes = config.input_shape[0], len(run.class_names())
    work = Work(config.network, size, 1, classes, config.width, config.depth)
    print("| library | images | ms per image | spread | ratio | of the peak | boxes differ by |")
    print("|---|---|---|---|---|---|---|")
    for (name, count), seconds in times.items():
        if name == PEAK:
            continue
        label, difference = notes[name]
        each = [1000 * s / count for s in seconds]
        base = times.get((_BASE, 1))
        slower = f"{ratio(seconds, base) / count:.2f}" if base else ""
        share = ratio(times[PEAK, count], seconds) * forward_flops(work) / product_flops()
        print(
            f"| {label} | {count} | {statistics.median(each):.1f} | {spread(each, 1)} | {slower} "
            f"| {share:.0%} | {difference:.2g} pixels |"
        )
    peaks = [product_flops() / s / 1e9 for s in times[PEAK, 1]]
    print(f"\nthe peak, {PEAK}, float32: {statistics.median(peaks):.0f} GFLOP/s")


def _write_weights(run: Run, folder: Path) -> str:
    """Darknet's files of a run, and beside the run the boxes that Keras decodes from an image."""
    with quiet_start():
        from yolo4.formats.darknet import export_darknet
        from yolo4.inference.keras_network import DecodedNetwork, decode_layer, load_network

    network = load_network(run, "float32")
    print(export_darknet(network, run, folder, sample(run)[0]))
    boxes = DecodedNetwork(network, decode_layer(run)).infer(sample(run))[0]
    np.save(run.folder / BOXES, boxes)
    return str(folder / "model.weights")
