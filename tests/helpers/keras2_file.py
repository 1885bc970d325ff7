"""Writes the weights of a network in the layout of Keras 2."""

import h5py
import keras
import numpy as np


def write_keras2(model, path):
    """As `model.save_weights` of Keras 2 would; test_keras2.py tests its order against tf_keras."""
    listed = keras.Model(model.inputs, model.outputs[::-1]).layers
    layers = [layer for layer in listed if layer.weights]
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name for layer in layers]
        for layer in layers:
            group = file.create_group(layer.name)
            group.attrs["weight_names"] = [f"{layer.name}/{v.name}:0" for v in layer.variables]
            for variable in layer.variables:
                group[f"{layer.name}/{variable.name}:0"] = np.asarray(variable)
    return path
