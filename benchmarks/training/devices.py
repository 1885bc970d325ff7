"""What dividing a training step among devices costs, without a second device.

python -m benchmarks.training.devices prints images/s of one device, and of two logical CPU devices
that share the cores, for the same whole batch, in separate processes that take turns. Both do the
same work on the same cores, so the difference is what the division costs: splitting the batch,
adding up gradients, and updating the weights twice.
"""

import dataclasses
import statistics

from benchmarks.machine import machine
from benchmarks.training.plain import StepOptions, random_batch
from benchmarks.workers import Steps, Worker, timed
from yolo4.cli import clean_exit, parse
from yolo4.options import option
from yolo4.quiet import quiet_start

# The setting `devices`, and `sync_batch_norm`.
WAYS = {
    "one device": ("1", False),
    "two": ("cpu:2", False),
    "two, --sync-batch-norm": ("cpu:2", True),
}


@dataclasses.dataclass(frozen=True)
class DevicesOptions(StepOptions):
    """The step, and how often it is measured."""

    network: str = option("yolov4-tiny", "yolov4, yolov4-tiny or yolov4-tiny-3l")
    batch_size: int = option(8, "images per step, on all devices", low=2)
    steps: int = option(3, "steps per turn", low=1)
    repeats: int = option(5, "turns of each way", low=1)


def measure(options: DevicesOptions) -> None:
    """Print the table."""
    print(f"{machine()}\n")
    workers = {way: Worker("benchmarks.training.devices:steps_of", way, options) for way in WAYS}
    for worker in workers.values():
        worker.make()
        worker.run(2)  # the first one traces and compiles
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(options.repeats):
        for way, worker in workers.items():
            times[way].append(worker.run(options.steps))
    for worker in workers.values():
        worker.close()
    print("| devices | images/s | spread | time, relative to one |\n|---|---|---|---|")
    alone = times[next(iter(WAYS))]
    for way, seconds in times.items():
        rates = [options.steps * options.batch_size / s for s in seconds]
        ratio = statistics.median(s / one for s, one in zip(seconds, alone, strict=True))
        spread = f"{min(rates):.2f} to {max(rates):.2f}"
        print(f"| {way} | {statistics.median(rates):.2f} | {spread} | {ratio:.2f} |")


def steps_of(way: str, options: DevicesOptions) -> Steps:
    """The training steps of a way."""
    with quiet_start():
        import tensorflow as tf

        from yolo4.build import build_criterion, build_model, set_precision
        from yolo4.config import Config
        from yolo4.train.devices.opening import open_devices
        from yolo4.train.optimizer.compile import compile_for_phase

        setting, synchronized = WAYS[way]
        names = ("network", "width", "depth", "input_size", "batch_size")
        config = Config(
            **{name: getattr(options, name) for name in names},
            precision="float32",
            positives_per_image=10.0,
            devices=setting,
        )
        devices = open_devices(config)
    set_precision(config)
    with devices.scope():
        model = build_model(config, options.classes)
    if synchronized:
        model.synchronize_statistics()
    model.criterion = build_criterion(config, config.network_spec.anchors)
    compile_for_phase(model, config, 0, 100, options.batch_size, devices)
    batch = random_batch(options.input_size, options.batch_size, options.classes)
    batches = iter(tf.data.Dataset.from_tensors(batch).repeat())
    model.make_train_function()
    return Steps(timed(lambda: model.train_function(batches), lambda logs: float(logs["loss"])))


if __name__ == "__main__":
    with clean_exit():
        measure(parse(DevicesOptions(), __doc__))
