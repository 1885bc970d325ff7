"""Gives networks weights as a training might leave them."""

import numpy as np


def random_weights(model, seed=0):
    """Set weights with which activations neither vanish nor explode, and batch norm statistics."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        values = []
        for weight in layer.weights:
            shape = weight.shape
            if weight.name == "kernel":
                values.append(rng.normal(0, np.sqrt(1 / np.prod(shape[:3])), shape))
            elif weight.name in ("gamma", "moving_variance"):
                values.append(rng.uniform(0.5, 1.5, shape))
            else:
                values.append(rng.normal(0, 0.1, shape))
        layer.set_weights(values)
    return model
