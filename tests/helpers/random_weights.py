"""Networks with weights as they might be after a training."""

import numpy as np


def random_weights(model, seed=0):
    """Weights under which activations neither vanish nor explode, batch norm statistics too."""
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
