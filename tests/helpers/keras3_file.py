"""Writes the weights of a network as another program of Keras 3 would, and changes such files."""

import h5py

from yolo4.build import save_weights


def write_keras3(model, path):
    """As the same graph of Keras's own layers would be saved, its outputs in the same order."""
    save_weights(model, path)
    rename(path, lambda name: name.replace("batch_norm", "batch_normalization"))
    return path


def rename(path, new_name):
    """Rename the layers of a file."""
    with h5py.File(path, "a") as file:
        layers = file["layers"]
        for name in list(layers):
            layers.move(name, f"{name} ")  # so that no new name is in use
        for name in list(layers):
            layers.move(name, new_name(name.strip()))
