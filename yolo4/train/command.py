"""The command behind `train.py`."""

from utils.errors import UserError
from yolo4.config import differing_settings
from yolo4.environment.devices import Cluster
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
        devices = options.devices if "devices" in options.given else None
        run = resume_run(options.resume, devices=devices)
    if not Cluster.of_environment().is_chief:
        return
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
    for name in differing_settings(stored, options, ignored={"devices"}):
        if name in options.given:
            raise UserError(
                f"{flag(name)} {getattr(options, name)} cannot be given with --resume: {folder} "
                f"is resumed with its own settings, in which it is {getattr(stored, name)}; a new "
                f"run with other settings can start from its weights, --weights {folder}"
            )
