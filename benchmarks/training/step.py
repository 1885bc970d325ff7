"""How long a training step of YOLOv4 and its loss take, compared with plain Keras.

python -m benchmarks.training.step prints images/s and peak memory of the plain step, of ours in
float32 and of ours with `--precision auto`, in separate processes that take turns; then the time of
the loss with its gradient, compiled and not.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable

from benchmarks.machine import machine
from benchmarks.training.plain import (
    OBJECTS,
    WAYS,
    StepOptions,
    plain_pieces,
    random_batch,
    training_step,
)
from benchmarks.workers import Steps, Worker, timed
from nets.networks import NETWORKS, NetworkSpec
from yolo4.cli import clean_exit, parse
from yolo4.options import option
from yolo4.quiet import quiet_start

LOSS_BATCH = 8


@dataclasses.dataclass(frozen=True)
class TrainingOptions(StepOptions):
    """The step, and how often it is measured."""

    steps: int = option(2, "steps per turn", low=1)
    repeats: int = option(5, "turns of each way", low=1)


def measure(options: TrainingOptions) -> None:
    """Print both tables."""
    print(f"{machine()}\n")
    _measure_steps(options)
    _measure_loss(options)


def _measure_steps(options: TrainingOptions) -> None:
    """Measure each way in a separate process, since peak memory is counted per process."""
    workers = {way: Worker("benchmarks.training.step:steps_of", way, options) for way in WAYS}
    for worker in workers.values():
        worker.make()  # one at a time: building takes as much memory as steps
        worker.run(2)  # the first one traces and compiles
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(options.repeats):
        for way, worker in workers.items():
            times[way].append(worker.run(options.steps))
    memory = {way: worker.memory() for way, worker in workers.items()}
    for worker in workers.values():
        worker.close()
    print("| step | precision | images/s | spread | ratio | peak memory | ratio |")
    print("|---|---|---|---|---|---|---|")
    plain = WAYS[0]
    for way, seconds in times.items():
        rates = [options.steps * options.batch_size / s for s in seconds]
        ratio = statistics.median(b / s for s, b in zip(seconds, times[plain], strict=True))
        print(
            f"| {way} | {workers[way].note} | {statistics.median(rates):.2f} "
            f"| {min(rates):.2f} to {max(rates):.2f} | {ratio:.2f} "
            f"| {memory[way] / 1e9:.1f} GB | {memory[way] / memory[plain]:.2f} |"
        )


def steps_of(way: str, options: TrainingOptions) -> Steps:
    """The training steps of a way."""
    step, precision = training_step(way, options)
    return Steps(timed(step, lambda logs: float(logs["loss"])), note=precision)


def _measure_loss(options: TrainingOptions) -> None:
    size, classes, network = options.input_size, options.classes, NETWORKS[options.network]
    print(
        f"\nloss and its gradient, batch {LOSS_BATCH}, {size}x{size}, {classes} classes, "
        f"{OBJECTS} objects per image\n"
    )
    compute = {
        "not compiled": _loss(network, size, classes, plain=True),
        "compiled": _loss(network, size, classes, plain=False),
    }
    times: dict[str, list[float]] = {name: [] for name in compute}
    for turn in range(4 * options.repeats + 1):
        for name, function in compute.items():
            start = time.perf_counter()
            function()
            if turn:
                times[name].append(1000 * (time.perf_counter() - start))
    print("| loss | ms | spread | ratio |\n|---|---|---|---|")
    base = times["not compiled"]
    for name, values in times.items():
        ratio = statistics.median(v / b for v, b in zip(values, base, strict=True))
        spread = f"{min(values):.1f} to {max(values):.1f}"
        print(f"| {name} | {statistics.median(values):.1f} | {spread} | {ratio:.2f} |")


def _loss(network: NetworkSpec, size: int, classes: int, plain: bool) -> Callable[[], object]:
    """A function that computes the gradient of the loss with respect to the logits."""
    with quiet_start():
        import tensorflow as tf

        from yolo4.build import build_criterion
        from yolo4.config import Config

    with plain_pieces(plain):
        criterion = build_criterion(
            Config(network=network.name, positives_per_image=10.0), network.anchors
        )
    targets = {k: tf.constant(v) for k, v in random_batch(size, LOSS_BATCH, classes)[1].items()}
    tf.random.set_seed(0)
    shape = network.anchors_per_level, 5 + classes
    grids = network.grids((size, size))
    logits = [tf.random.normal((LOSS_BATCH, *grid, *shape)) for grid in grids]

    @tf.function(autograph=False)
    def gradient() -> object:
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = sum(criterion(targets, logits).values())
        return tape.gradient(loss, logits)

    return lambda: [array.numpy() for array in gradient()]


if __name__ == "__main__":
    with clean_exit():
        measure(parse(TrainingOptions(), __doc__))
