"""The matched protocol: the initial gradient of the confidence loss is as large as BCE's."""

import dataclasses
import math

import keras
import numpy as np

from yolo4 import build as models
from yolo4.train.data import training_set
from yolo4.train.phases import load_initial_weights, seeded_model
from yolo4.train.setup import TrainingSetup

_BATCHES = 4


def matched_gain(setup: TrainingSetup) -> float:
    """The confidence gain with which the initial gradient is as large as BCE's.

    With it, the norm of the confidence term's gradient with respect to all trainable weights, at
    the initial weights and averaged over the first training batches, equals that of BCE with
    the `confidence_gain` of the settings.

    Args:
        setup: the setup of a run that has not started.
    """
    config = setup.config
    if config.confidence_loss == "bce":
        return config.confidence_gain
    bce = dataclasses.replace(config, confidence_loss="bce")
    bce_norm = gradient_norm(dataclasses.replace(setup, config=bce))
    return config.confidence_gain * bce_norm / gradient_norm(setup)


def gradient_norm(setup: TrainingSetup) -> float:
    """Mean norm of the confidence term's gradient over the first batches, at initial weights."""
    config = setup.config
    models.set_precision(config)
    model = seeded_model(setup)
    load_initial_weights(setup, model)
    alone = dataclasses.replace(config, box_gain=0.0, class_gain=0.0)
    model.criterion = models.build_criterion(alone, setup.anchors)
    # One step of plain gradient descent at rate 1 subtracts the gradient, on any backend.
    model.compile(
        keras.optimizers.SGD(1.0),
        jit_compile=False,  # pyright: ignore[reportArgumentType] Keras documents False too
    )
    batch_size = config.freeze_batch_size if config.freeze_epochs else config.batch_size
    dataset, initial = training_set(config, setup.train), model.get_weights()
    norms = []
    for step in range(min(_BATCHES, dataset.steps(batch_size))):
        model.set_weights(initial)
        before = [np.array(variable) for variable in model.trainable_variables]
        model.train_on_batch(*dataset.batch(step, 0, batch_size))
        pairs = zip(before, model.trainable_variables, strict=True)
        norms.append(math.sqrt(sum(float(np.sum((a - np.array(b)) ** 2)) for a, b in pairs)))
    return float(np.mean(norms))
