"""What `compare.py` compares, and how."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from utils.errors import UserError
from yolo4.config import Config
from yolo4.options import from_mapping, option
from yolo4.presets import PRESET_HELP, Preset, with_preset


@dataclasses.dataclass(frozen=True)
class CompareOptions(Config):
    """The settings that all runs share, and what is compared with them."""

    arms: tuple[str, ...] = option(
        ("bce", "focal"),
        "a confidence loss each, the reference first; with settings of its own: "
        "focal:focal_gamma=1; several values make a grid: focal:focal_alpha=0.25,0.5",
        "comparison",
    )
    seeds: int = option(3, "runs of each arm; the first has --seed", "comparison", low=1, high=40)
    protocol: Literal["as_is", "matched"] = option(
        "as_is",
        "matched: each arm's confidence gain is set so that the gradient of its confidence loss "
        "is at first as large as BCE's; for one arm: focal:protocol=matched",
        "comparison",
    )
    output: str = option(
        "comparison", "folder of the study; where it holds a part of it, goes on", "comparison"
    )
    resamples: int = option(2000, "resamples of the test images", "comparison", 2000, 1_000_000)
    report_only: str | None = option(
        None, "draw the report of this study again and train nothing", "comparison"
    )
    preset: Preset = option("full", PRESET_HELP, "run")
    # Each run has its own, so they are no flags here.
    confidence_loss: str = option("focal", "named by the arm", group=None)
    run_dir: str | None = option(None, "in the study's folder", group=None)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.seeds < 1 or not self.arms:
            raise UserError("--arms and --seeds: a comparison needs some of each")

    def settings(self) -> Config:
        """What all runs share."""
        return Config(**{f.name: getattr(self, f.name) for f in dataclasses.fields(Config)})


def compare_defaults(
    config: Mapping[str, Any], argv: Sequence[str] | None = None
) -> CompareOptions:
    """What holds if no flag is given: CONFIG blocks over their preset.

    Args:
        config: values of `CompareOptions` by name: those of `train.py` and `compare.py`.
        argv: the command-line arguments, for `--preset`; `sys.argv[1:]` when None.

    Raises:
        UserError: `config` has an unknown setting or a value that is not allowed.
    """
    return from_mapping(CompareOptions, with_preset(config, argv), "CONFIG")
