"""YOLOv4 for TensorFlow 2 and Keras 3, as a library. Each name is imported when it is first used.

For example `from yolo4 import Detector; Detector.from_run("logs/my_run").detect("image.jpg")`.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_MODULES = {
    "Config": "yolo4.config",
    "Detector": "yolo4.inference.detector",
    "compare_losses": "yolo4.compare.command",
    "evaluate_run": "yolo4.evaluate.command",
    "train_model": "yolo4.train.loop",
}

# `__getattr__` imports them, which the checker does not know.
__all__ = ["Config", "Detector", "compare_losses", "evaluate_run", "train_model"]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
