"""Where the time of a training step goes, operation by operation, in plain Keras and in ours.

python -m benchmarks.training.operations prints the milliseconds of each kind of TensorFlow
operation in one step, as reported by TensorFlow's profiler: the sum over all threads that run
operations.
"""

import collections
import dataclasses
import multiprocessing
import tempfile
from pathlib import Path

from benchmarks.machine import machine
from benchmarks.training.plain import WAYS, StepOptions, training_step
from yolo4.cli import clean_exit, parse
from yolo4.options import option

# Prefixes of operations that oneDNN executes.
_ONEDNN = ("_MklNative", "_MklFused", "_Mkl", "_Fused")


@dataclasses.dataclass(frozen=True)
class OperationsOptions(StepOptions):
    """The step, and the length of the table."""

    rows: int = option(20, "kinds of operations listed; the others are summed", low=1)


def measure(options: OperationsOptions) -> None:
    """Print the table, slowest operations first."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1, maxtasksperchild=1) as pool:
        columns = {way: pool.apply(_operations, (way, options)) for way in WAYS}
    slowest = collections.Counter()
    for times in columns.values():
        slowest |= times
    shown = [name for name, _ in slowest.most_common(options.rows)]
    print(f"{machine()}\n\n| operation | {' | '.join(WAYS)} |\n|---|{'---|' * len(WAYS)}")
    for name in shown:
        _print_row(name, [times[name] for times in columns.values()])
    _print_row(
        "all others",
        [sum(times.values()) - sum(times[name] for name in shown) for times in columns.values()],
    )
    _print_row("together", [sum(times.values()) for times in columns.values()])


def _print_row(name: str, milliseconds: list[float]) -> None:
    print(f"| {name} | {' | '.join(f'{value:.0f}' for value in milliseconds)} |")


def _operations(way: str, options: OperationsOptions) -> collections.Counter:
    """Milliseconds in one step by kind of operation."""
    step, _ = training_step(way, options)
    import tensorflow as tf

    for _ in range(2):
        float(step()["loss"])
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            float(step()["loss"])
        return _times(next(Path(folder).rglob("*.xplane.pb")))


def _times(profile: Path) -> collections.Counter:
    """Milliseconds by kind of operation in a file of TensorFlow's profiler."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    times: collections.Counter = collections.Counter()
    for plane in xplane_pb2.XSpace.FromString(profile.read_bytes()).planes:
        for event in (event for line in plane.lines for event in line.events):
            kind = _kind(plane, event)
            if kind:
                times[kind] += event.duration_ps / 1e9
    return times


def _kind(plane: object, event: object) -> str | None:
    """The kind of operation of an event: a kernel, or a function compiled by XLA; else None."""
    name = plane.event_metadata[event.metadata_id].name
    stats = {plane.stat_metadata[stat.metadata_id].name: stat for stat in event.stats}
    if "hlo_module" in stats:
        module = plane.stat_metadata[stats["hlo_module"].ref_value].name
        return "XLA: gradient of Mish" if "mish_gradient" in module else "XLA: the loss"
    scope, colon, kind = name.rpartition(":")
    if not colon or scope.endswith(":") or " " in kind:
        return None  # TensorFlow's internals, such as ExecutorState::Process
    for prefix in _ONEDNN:
        kind = kind.removeprefix(prefix)
    return kind


if __name__ == "__main__":
    with clean_exit():
        measure(parse(OperationsOptions(), __doc__))
