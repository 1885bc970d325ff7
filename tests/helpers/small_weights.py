"""A weights file of a run that no network reads."""

from pathlib import Path

import h5py
import numpy as np

from utils.files.intact import append_checksum


def write_weights(path: Path) -> bytes:
    """Write a layer, its numbers and the checksum of a file; returns its bytes."""
    with h5py.File(path, "w") as stored:
        stored["layers/batch_norm/vars/0"] = np.zeros(9)
    append_checksum(path)
    return path.read_bytes()
