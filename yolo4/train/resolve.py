"""Settings of a training that follow from its data and its initial weights."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from utils.anchors import box_sizes, format_anchors, kmeans_anchors, mean_best_iou, read_anchors
from utils.records import Record
from yolo4.config import Config
from yolo4.options import flag
from yolo4.quiet import quiet_start
from yolo4.train.data import training_set
from yolo4.weights.source import WeightsSource


def fitted_to_weights(config: Config, weights: WeightsSource) -> Config:
    """The settings, changed to those that the initial weights were trained with."""
    trained = weights.settings()
    changed = {name: value for name, value in trained.items() if getattr(config, name) != value}
    if changed:
        flags = ", ".join(f"{flag(name)} {value}" for name, value in changed.items())
        print(f"{flags}: what {weights.name} was trained with")
    return dataclasses.replace(config, **changed)


def choose_anchors(config: Config, records: Sequence[Record]) -> np.ndarray:
    """The anchors that the settings ask for, float32 `[L * A, 2]`, and a line on how they fit.

    Args:
        config: its `anchors` are "coco", "auto" or a file.
        records: the training images, whose boxes the anchors should fit.

    Raises:
        UserError: the file of anchors cannot be read.
    """
    coco = np.array(config.network_spec.anchors, np.float32)
    sizes = box_sizes(records, config.input_shape, config.resize)
    fit = f"anchors: mean best IoU with the training boxes {mean_best_iou(sizes, coco):.3f}"
    if config.anchors == "coco":
        print(f"{fit} (COCO's; --anchors auto may fit better)")
        return coco
    if config.anchors == "auto":
        anchors = kmeans_anchors(sizes, len(coco), config.seed)
    else:
        anchors = read_anchors(config.anchors, len(coco))
    print(f"{fit} for COCO's, {mean_best_iou(sizes, anchors):.3f} for {config.anchors}:")
    print(f"  {format_anchors(anchors)}")
    return anchors


def with_positives_per_image(
    config: Config, records: Sequence[Record], anchors: np.ndarray
) -> Config:
    """The settings with the divisor of the loss, which is counted if they have none."""
    if config.positives_per_image is not None:
        return config
    with quiet_start():
        from yolo4.train.devices.opening import open_devices

        open_devices(config)
        from yolo4.train.positives import blank_image, count_positives_per_image

    # Neither pixels nor colors matter, and they would take most of the time.
    colorless = dataclasses.replace(config, hue=0.0, saturation=0.0, value=0.0)
    dataset = training_set(colorless, records, blank_image)
    count = float(f"{count_positives_per_image(dataset, config, anchors):.4g}")
    print(f"positives per image: {count:g} on average, by which the loss is divided")
    return dataclasses.replace(config, positives_per_image=count)
