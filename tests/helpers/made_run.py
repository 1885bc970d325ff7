"""A run folder with an untrained network, for tests of what is done with trained ones."""

import dataclasses
import functools
import shutil
import tempfile
from pathlib import Path

import keras
import numpy as np

from utils.anchors import format_anchors
from yolo4.build import build_model, save_weights
from yolo4.config import Config
from yolo4.run import Run, open_run

NAMES = ("apple", "leaf", "key")
SIZE = (64, 96)


def write_run(folder, names=NAMES, seed=0, **settings) -> Run:
    """A tiny network whose heads are random enough for scores to differ from box to box."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = {"width": 0.0625, "depth": 0.2, "input_size": SIZE, "precision": "float32"}
    config = Config(**{**chosen, **settings})
    (folder / "config.json").write_text(config.to_json(), encoding="utf-8")
    (folder / "classes.txt").write_text("".join(f"{n}\n" for n in names), encoding="utf-8")
    (folder / "anchors.txt").write_text(
        format_anchors(np.array(config.network_spec.anchors)), encoding="utf-8"
    )
    network = dataclasses.replace(config, data=(), resize=Config.resize)
    (folder / "best.weights.h5").write_bytes(_weights(network, len(names), seed))
    return open_run(folder)


@functools.cache
def _weights(config, class_count, seed) -> bytes:
    """The weights file of a run. Many tests make the same run, and building takes a second."""
    keras.utils.set_random_seed(seed)
    model = build_model(config, class_count)
    rng = np.random.default_rng(seed)
    for layer in model.convolutions():
        if layer.use_bias:
            kernel = rng.normal(0, 1, layer.kernel.shape)
            layer.set_weights([kernel, rng.normal(0, 1, layer.bias.shape)])
    with tempfile.TemporaryDirectory() as folder:
        save_weights(model, Path(folder) / "best.weights.h5")
        return (Path(folder) / "best.weights.h5").read_bytes()


def write_copy(run, folder, **settings) -> Run:
    """A copy of a run with other settings, which its weights need not fit."""
    shutil.copytree(run.folder, folder, ignore=shutil.ignore_patterns("engines"))
    config = dataclasses.replace(run.config(), **settings)
    (folder / "config.json").write_text(config.to_json(), encoding="utf-8")
    return open_run(folder)


def some_images(count, seed=0, size=SIZE) -> np.ndarray:
    """Random pixels, uint8 `[count, H, W, 3]`."""
    return np.random.default_rng(seed).integers(0, 256, (count, *size, 3), np.uint8)
