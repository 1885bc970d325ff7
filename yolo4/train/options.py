"""The options of `train.py`."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from yolo4.config import Config
from yolo4.options import from_mapping, option
from yolo4.presets import PRESET_HELP, Preset, with_preset


@dataclasses.dataclass(frozen=True)
class TrainOptions(Config):
    """The settings of a training, and what to do with them.

    Attributes:
        preset: the set of settings that these started from.
        resume: folder of the run to resume; None: start a new run.
        given: names of the options whose flags were given on the command line.
    """

    preset: Preset = option("full", PRESET_HELP, "run")
    resume: str | None = option(
        None, "resume this run, logs/<run>, with the settings it was started with", "run"
    )
    given: frozenset[str] = dataclasses.field(default=frozenset(), compare=False)


def train_defaults(config: Mapping[str, Any], argv: Sequence[str] | None = None) -> TrainOptions:
    """The defaults of the flags: the CONFIG block of `train.py` over its preset.

    Args:
        config: values of `TrainOptions` by name.
        argv: the command-line arguments, for `--preset`; `sys.argv[1:]` when None.

    Raises:
        UserError: `config` has an unknown setting or a value that is not allowed.
    """
    return from_mapping(TrainOptions, with_preset(config, argv), "CONFIG")
