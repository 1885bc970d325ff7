"""The command behind `train.py`. Imports nothing slow before the arguments are understood."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from utils.errors import UserError
from yolo4.cli import parse
from yolo4.config import Config, TrainOptions
from yolo4.options import flag, from_mapping
from yolo4.run import open_run


def train_command(
    settings: Mapping[str, Any], description: str, argv: Sequence[str] | None = None
) -> None:
    """Train with `settings` changed by command-line flags, or resume a run.

    Args:
        settings: values of `Config` where no flag is given.
        description: for `--help`.
        argv: the arguments; `sys.argv[1:]` when None.

    Raises:
        UserError: something in the arguments, the data or the run folder is wrong.
        NonFiniteLossError: the training diverged.
    """
    default = from_mapping(TrainOptions, settings, "CONFIG")
    options = parse(default, description, argv)
    if options.resume is not None:
        _refuse_new_settings(options, default)
    from yolo4.quiet import quiet_start

    with quiet_start():
        # First: if a system library is missing, the message neither waits for TensorFlow's start
        # nor follows its log lines.
        import cv2  # noqa: F401

        from yolo4.train.loop import resume, train
    run = resume(options.resume) if options.resume else train(options.settings())
    print(
        f"\nbest weights, curves and pictures are in {run.folder}; next:\n"
        f"  python get_map.py --run {run.folder}\n"
        f"  python predict.py <images, folders or videos> --run {run.folder}"
    )


def _refuse_new_settings(options: TrainOptions, default: TrainOptions) -> None:
    """A run is resumed with its own settings: a flag that says otherwise is a mistake."""
    stored = open_run(options.resume).config()
    for field in dataclasses.fields(Config):
        value = getattr(options, field.name)
        kept = getattr(stored, field.name)
        if value != getattr(default, field.name) and value != kept:
            raise UserError(
                f"{flag(field.name)} {value} does not go with --resume: {options.resume} goes on "
                f"with its own settings, and there it is {kept}"
            )
