"""The network as a training begins: random weights, or those of a file."""

import keras

from nets.yolov4 import YOLOv4
from yolo4.build import build_model
from yolo4.train.setup import TrainingSetup


def seeded_model(setup: TrainingSetup) -> YOLOv4:
    """The network with random weights, which depend on the seed of the settings alone."""
    keras.utils.set_random_seed(setup.config.seed)
    return build_model(setup.config, len(setup.class_names))


def load_initial_weights(setup: TrainingSetup, model: YOLOv4) -> str:
    """Fill a network with the initial weights of its settings, if they name any.

    Args:
        setup: the setup of a run that has not started.
        model: from `seeded_model`; with `fresh_heads`, its heads stay as they are.

    Returns:
        Lines for the log; empty without initial weights.

    Raises:
        UserError: the weights are damaged or do not fit.
    """
    if setup.weights is None:
        return ""
    heads = {}
    if setup.config.fresh_heads:
        heads = {layer: layer.get_weights() for layer in heads_of(model)}
    lines = setup.weights.load_into(model)
    for layer, values in heads.items():
        layer.set_weights(values)
    return f"{lines}\nthe heads start fresh" if heads else lines


def heads_of(model: YOLOv4) -> list[keras.layers.Conv2D]:
    """The last convolutions, one for each level; they alone have a bias."""
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    return [layer for layer in convolutions if layer.use_bias]
