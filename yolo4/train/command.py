"""The command behind `train.py`."""

import dataclasses

from utils.errors import UserError
from yolo4.config import Config
from yolo4.options import flag
from yolo4.run import open_run
from yolo4.train.loop import resume_run, train_model
from yolo4.train.options import TrainOptions


def train(options: TrainOptions) -> None:
    """Train with the settings of `options`, or resume a run.

    Raises:
        UserError: the settings, the data or the run folder are not usable.
        NonFiniteLossError: the training diverged.
    """
    if options.resume is None:
        run = train_model(options.settings())
    else:
        _refuse_other_settings(options, options.resume)
        run = resume_run(options.resume)
    print(
        f"\nbest weights, curves and preview images are in {run.folder}; next:\n"
        f"  python get_map.py --run {run.folder}\n"
        f"  python predict.py <images, folders or videos> --run {run.folder}"
    )


def _refuse_other_settings(options: TrainOptions, folder: str) -> None:
    """A run is resumed with its own settings: a flag with another value is a mistake."""
    stored = open_run(folder).config()
    if "preset" in options.given:
        raise UserError(f"--preset cannot be given with --resume: {folder} has its own settings")
    for field in dataclasses.fields(Config):
        value, own = getattr(options, field.name), getattr(stored, field.name)
        if field.name in options.given and value != own:
            raise UserError(
                f"{flag(field.name)} {value} cannot be given with --resume: {folder} is resumed "
                f"with its own settings, in which it is {own}"
            )
