"""What validation costs in a training with the settings of train.py.

python -m benchmarks.training.validation trains and prints the seconds of an epoch without
validation and the seconds that validation adds: measuring, drawing detections and curves, saving
the weights.
"""

import dataclasses
import itertools
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.machine import machine
from train import CONFIG
from yolo4.cli import clean_exit, parse
from yolo4.options import option
from yolo4.quiet import quiet_start
from yolo4.train.options import train_defaults


@dataclasses.dataclass(frozen=True)
class ValidationOptions:
    """The data, and how long to train."""

    data: tuple[str, ...] = option((), "data set: folders or files; none: the sample data set")
    validations: int = option(3, "number of validations; the first one compiles", low=2)


def measure(options: ValidationOptions) -> None:
    """Train and print the seconds."""
    with quiet_start():
        import keras

        from yolo4.train.loop import train_model

    config = train_defaults(CONFIG, []).settings()
    starts: list[float] = []

    class Clock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
            starts.append(time.perf_counter())

        def on_train_end(self, logs: dict | None = None) -> None:
            starts.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        epochs = options.validations * config.eval_period
        run_dir = str(Path(folder) / "run")
        config = dataclasses.replace(config, data=options.data, epochs=epochs, run_dir=run_dir)
        train_model(config, lambda setup: (Clock(),))
    seconds = [end - start for start, end in itertools.pairwise(starts)]
    _report(seconds, config.eval_period)


def _report(seconds: list[float], period: int) -> None:
    # The first epoch compiles the step.
    plain = [value for epoch, value in enumerate(seconds, 1) if epoch > 1 and epoch % period]
    epoch = statistics.median(plain)
    first, *later = (value - epoch for value in seconds[period - 1 :: period])
    extra = statistics.median(later)
    print(f"\n{machine()}")
    print(f"an epoch without validation: {epoch:.1f} s ({min(plain):.1f} to {max(plain):.1f})")
    print(
        f"validation: {extra:.1f} s ({min(later):.1f} to {max(later):.1f}), the first {first:.1f}"
    )
    print(f"every {period} epochs: {extra / (period * epoch):.1%} of the training")


if __name__ == "__main__":
    with clean_exit():
        measure(parse(ValidationOptions(), __doc__))
