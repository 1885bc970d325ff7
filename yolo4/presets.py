"""Presets: named sets of settings that a CONFIG block starts from."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any, Literal

Preset = Literal["sample", "full", "tiny"]
PRESET_HELP = (
    "settings to start from: sample (a small network for the sample data), full (YOLOv4) or tiny "
    "(YOLOv4-tiny); CONFIG and flags override them"
)

PRESETS: Mapping[str, Mapping[str, Any]] = {
    # A small network that two cores train in minutes on the sample data. Its third level finds
    # objects that are too small for YOLOv4-tiny. A deep network, however slim, takes longer: it has
    # more layers, with too little work in each for a processor.
    "sample": {
        "network": "yolov4-tiny-3l",
        "width": 0.5,
        "input_size": 192,
        # Focal's values are small. With this gain its gradient is about as large as BCE's.
        "confidence_gain": 3.0,
        "epochs": 12,
        "batch_size": 8,
        "learning_rate": 6e-3,
        "warmup_epochs": 1.0,
        "ema": None,
        "mixup": 0.0,
        "special_aug_ratio": 0.5,
        "eval_period": 4,
    },
    # YOLOv4 itself, best trained on a GPU: the defaults of `Config`.
    "full": {},
    # YOLOv4-tiny, for training on a CPU and for small devices.
    "tiny": {"network": "yolov4-tiny"},
}


def with_preset(config: Mapping[str, Any], argv: Sequence[str] | None = None) -> Mapping[str, Any]:
    """Put the settings of a CONFIG block over those of its preset.

    Args:
        config: the CONFIG block of a script; without a `preset` it starts from "full".
        argv: the command-line arguments, whose `--preset` overrides that of `config`;
            `sys.argv[1:]` when None.

    Returns:
        Values by option name, among them the `preset` that was used.
    """
    name = _preset_flag(argv) or config.get("preset", "full")
    preset = PRESETS.get(name, {}) if isinstance(name, str) else {}
    return {**preset, **config, "preset": name}


def _preset_flag(argv: Sequence[str] | None) -> str | None:
    """The value of `--preset`; None if it is absent or unknown, which the parser reports."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--preset", nargs="?")
    name = parser.parse_known_args(argv)[0].preset
    return name if name in PRESETS else None
