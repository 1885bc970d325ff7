"""Makes `.h5` weights as users of Keras 2 have them: `python keras2_network.py FOLDER`.

Builds a YOLOv4 with an eighth of the channels and random weights in tf_keras, as the usual programs
of that time do, and does so twice in one process: the layer numbers of the second network continue
those of the first. Files in FOLDER:

- `first.h5`, `second.h5`: weights of each network; `first_model.h5`: the whole first model
- `nested.h5`: weights of a model in which the second network is a layer
- `stride8first.h5`: weights of a network whose outputs are in the opposite order
- `path_first.h5`: weights of a network that creates the residual blocks before the shortcut
- `logits.npz`: an image 0..255 and, by the names above, each network's logits at strides 8, 16, 32
"""

import sys
from pathlib import Path

import numpy as np
import tf_keras as keras
from tf_keras import layers

CLASSES = 3
SIZE = 64


def mish(x):
    return x * keras.backend.tanh(keras.backend.softplus(x))


def conv(x, filters, kernel, activation, stride=1):
    if stride == 2:
        x = layers.ZeroPadding2D(((1, 0), (1, 0)))(x)
    padding = "valid" if stride == 2 else "same"
    x = layers.Conv2D(filters, kernel, stride, padding=padding, use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    return layers.Activation(mish)(x) if activation == "mish" else layers.LeakyReLU(0.1)(x)


def stage(x, filters, split, path_first):
    path = filters // 2 if split else filters
    x = conv(x, filters, 3, "mish", stride=2)
    if path_first:
        main = conv(x, path, 1, "mish")
        short = conv(x, path, 1, "mish")
    else:
        short = conv(x, path, 1, "mish")
        main = conv(x, path, 1, "mish")
    inner = conv(main, path if split else filters // 2, 1, "mish")
    main = layers.Add()([main, conv(inner, path, 3, "mish")])
    joined = layers.Concatenate()([conv(main, path, 1, "mish"), short])
    return conv(joined, filters, 1, "mish")


def alternating(x, filters, count):
    for place in range(count):
        x = conv(x, 2 * filters, 3, "leaky") if place % 2 else conv(x, filters, 1, "leaky")
    return x


def head(x, filters):
    x = conv(x, filters, 3, "leaky")
    return layers.Conv2D(3 * (5 + CLASSES), 1)(x)


def network(path_first=False):
    """The logits at strides 32, 16 and 8, of pixels 0..1."""
    pixels = keras.Input((SIZE, SIZE, 3))
    x = conv(pixels, 8, 3, "mish")
    features = []
    for filters in (8, 16, 32, 64, 128):
        x = stage(x, filters, filters > 8, path_first)
        features.append(x)
    c3, c4, c5 = features[2:]
    n5 = alternating(c5, 64, 3)
    pools = [layers.MaxPooling2D(side, 1, padding="same")(n5) for side in (13, 9, 5)]
    n5 = alternating(layers.Concatenate()([*pools, n5]), 64, 3)
    up = layers.UpSampling2D(2)(conv(n5, 32, 1, "leaky"))
    n4 = alternating(layers.Concatenate()([conv(c4, 32, 1, "leaky"), up]), 32, 5)
    up = layers.UpSampling2D(2)(conv(n4, 16, 1, "leaky"))
    n3 = alternating(layers.Concatenate()([conv(c3, 16, 1, "leaky"), up]), 16, 5)
    p3 = head(n3, 32)
    n4 = alternating(layers.Concatenate()([conv(n3, 32, 3, "leaky", 2), n4]), 32, 5)
    p4 = head(n4, 64)
    n5 = alternating(layers.Concatenate()([conv(n4, 64, 3, "leaky", 2), n5]), 64, 5)
    p5 = head(n5, 128)
    return keras.Model(pixels, [p5, p4, p3])


def randomize(model, rng):
    """Randomize all weights such that the logits neither vanish nor explode."""
    ranges = {"gamma": (0.5, 1.5), "beta": (-0.5, 0.5), "mean": (-0.2, 0.2), "variance": (0.5, 1.5)}
    for variable in model.variables:
        kind = variable.name.split("/")[-1].split("_")[-1].split(":")[0]
        if kind in ranges:
            variable.assign(rng.uniform(*ranges[kind], variable.shape))
        else:
            spread = np.sqrt(2 / np.prod(variable.shape[:-1]))
            variable.assign(rng.normal(0, spread, variable.shape))


def main(folder):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (1, SIZE, SIZE, 3))
    first, second, path_first = network(), network(), network(path_first=True)
    for model in (first, second, path_first):
        randomize(model, rng)
    turned = keras.Model(second.inputs, second.outputs[::-1])
    outer = keras.Input((SIZE, SIZE, 3))
    models = {"first": first, "second": second, "path_first": path_first, "stride8first": turned}
    models["nested"] = keras.Model(outer, second(outer))
    found = {}
    for name, model in models.items():
        model.save_weights(folder / f"{name}.h5")
        logits = model(image.astype("float32") / 255)
        for output in logits:
            found[f"{name}_{SIZE // output.shape[1]}"] = output.numpy()
    first.save(folder / "first_model.h5")
    np.savez(folder / "logits.npz", image=image.astype("uint8"), **found)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
