"""Chooses bfloat16 where the processor is good at it and the network finds the same boxes in it."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

from utils.files import write_whole
from yolo4.engines.agreement import Outputs, agree

Infer = Callable[[np.ndarray], Outputs]


class Checked:
    """A network in bfloat16, once its first boxes were found to be those of float32.

    Args:
        start: makes the network ready in a precision.
        memory: file that keeps what was found, so that it is found out once.
    """

    def __init__(self, start: Callable[[str], Infer], memory: Path) -> None:
        self._start = start
        self._memory = memory
        self._lock = threading.Lock()
        known = _recall(memory)
        self.precision = "float32" if known is False else "bfloat16"
        self._infer = start(self.precision)
        self._is_settled = known is not None

    def __call__(self, images: np.ndarray) -> Outputs:
        """The network's output in the precision that was chosen."""
        if not self._is_settled:
            with self._lock:
                if not self._is_settled:
                    self._settle(images)
        return self._infer(images)

    def _settle(self, images: np.ndarray) -> None:
        exact = self._start("float32")
        same = agree(self._infer(images), exact(images))
        if same is False:
            self.precision, self._infer = "float32", exact
            print("bfloat16 finds other boxes than float32: going on in float32")
        if same is not None:
            write_whole(self._memory, json.dumps({"agrees": same}) + "\n")
        # Without a box to look at it is left for the next start, and bfloat16 does no harm.
        self._is_settled = True


def _recall(memory: Path) -> bool | None:
    try:
        return bool(json.loads(memory.read_text(encoding="utf-8"))["agrees"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
