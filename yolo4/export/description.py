"""Describes an exported model's input and outputs for the program that will run it."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from nets.networks import NetworkSpec
from utils.files.writing import write_atomically
from yolo4.export.options import ExportOptions
from yolo4.run import Run

_MEANINGS = {
    "boxes": "x1, y1, x2, y2 in pixels of the input",
    "scores": "confidence times the score of the class",
    "labels": "index of the class, from 0, in class_names",
    "count": "number of detections in each image; the rest is padded with zeros",
}


def describe(
    run: Run, options: ExportOptions, outputs: Mapping[str, np.ndarray], folder: Path
) -> None:
    """Write `model.json`: names, types, shapes and meanings, resizing, class names, anchors."""
    config = run.config()
    batch = options.batch_size
    description = {
        "input": {
            "name": "images",
            "type": options.input_type,
            "shape": [batch, *config.input_shape, 3],
            "meaning": "RGB, 0..255; null: any number of images",
        },
        "outputs": {
            name: {
                "type": outputs[name].dtype.name,
                "shape": [batch, *outputs[name].shape[1:]],
                "meaning": meaning,
            }
            for name, meaning in _meanings(run.network()).items()
            if name in outputs
        },
        "resize": config.resize,
        "class_names": run.class_names(),
        "anchors": run.anchors().tolist(),
        "scale_x_y": config.grid_sensitivity,
        "precision": options.precision,
    }
    text = json.dumps(description, indent=2, ensure_ascii=False) + "\n"
    write_atomically(folder / "model.json", text)


def _meanings(network: NetworkSpec) -> dict[str, str]:
    """The meaning of every output that a model can have, by name."""
    axes = "rows, columns, anchors, (tx, ty, tw, th, confidence, classes)"
    levels = zip(network.logit_names, network.strides, strict=True)
    return {**{name: f"logits at stride {stride}: {axes}" for name, stride in levels}, **_MEANINGS}
