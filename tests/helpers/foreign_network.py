"""Makes weights as users of other programs have them: `python foreign_network.py FOLDER LIBRARY`.

Builds YOLOv4 and YOLOv4-tiny with an eighth of the channels and random weights in LIBRARY, tf_keras
(Keras 2) or keras (Keras 3), as the usual programs do, and does so twice in one process: the layer
numbers of the second network continue those of the first. Networks:

- `first`, `second`: YOLOv4, its outputs at strides 32, 16 and 8
- `nested`: a model in which the second network is a layer
- `stride8first`, `stride16first`: the second network with its outputs in another order
- `path_first`: YOLOv4 that creates the residual blocks before the shortcut
- `tiny`, `tiny_stride16first`: YOLOv4-tiny, its outputs at strides 32 and 16, or 16 and 32
- `se`, `cbam`, `eca`: YOLOv4-tiny with attention blocks

FOLDER gets the weights of some as `NAME.weights.h5`, those of all as `NAME.h5` if LIBRARY is
tf_keras, the whole first model as `first_model.h5` and `first.keras`, and `logits.npz`: an image
0..255 and, as `NAME_STRIDE`, the logits of each network without attention.
"""

import importlib
import sys
from pathlib import Path

import numpy as np

LIBRARY = sys.argv[2]
keras = importlib.import_module(LIBRARY)
layers = keras.layers

CLASSES = 3
SIZE = 64


def mish(x):
    return x * keras.activations.tanh(keras.activations.softplus(x))


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
    """YOLOv4: the logits at strides 32, 16 and 8, of pixels 0..1."""
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


def tiny_stage(x, filters):
    x = route = conv(x, filters, 3, "leaky")
    half = layers.Lambda(lambda x: x[..., filters // 2 :])(x)
    inner = conv(half, filters // 2, 3, "leaky")
    joined = layers.Concatenate()([conv(inner, filters // 2, 3, "leaky"), inner])
    lateral = conv(joined, filters, 1, "leaky")
    return layers.MaxPooling2D(2)(layers.Concatenate()([route, lateral])), lateral


def tiny(attention=lambda x: x):
    """YOLOv4-tiny: the logits at strides 32 and 16, of pixels 0..1."""
    pixels = keras.Input((SIZE, SIZE, 3))
    x = conv(conv(pixels, 8, 3, "leaky", 2), 8, 3, "leaky", 2)
    for filters in (8, 16, 32):
        x, c4 = tiny_stage(x, filters)
    c4, c5 = attention(c4), attention(conv(x, 64, 3, "leaky"))
    n5 = conv(c5, 32, 1, "leaky")
    p5 = head(n5, 64)
    up = attention(layers.UpSampling2D(2)(conv(n5, 16, 1, "leaky")))
    p4 = head(layers.Concatenate()([up, c4]), 32)
    return keras.Model(pixels, [p5, p4])


def squeeze_and_excitation(x, pools=(layers.GlobalAveragePooling2D,)):
    """Weights the channels by a sigmoid (Hu et al. 2018); with several pools, by that of a sum."""
    channels = x.shape[-1]
    narrow = layers.Dense(channels // 8, "relu", use_bias=False)
    wide = layers.Dense(channels, use_bias=False)
    weights = [wide(narrow(layers.Reshape((1, 1, channels))(pool()(x)))) for pool in pools]
    total = layers.Add()(weights) if len(weights) > 1 else weights[0]
    return layers.Multiply()([x, layers.Activation("sigmoid")(total)])


def cbam(x):
    """Attention to channels, then to places (Woo et al. 2018)."""
    x = squeeze_and_excitation(x, (layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D))
    two = layers.Lambda(lambda x: x[..., :2])(x)  # stands for mean and maximum of the channels
    place = layers.Conv2D(1, 7, padding="same", use_bias=False)(two)
    return layers.Multiply()([x, layers.Activation("sigmoid")(place)])


def eca(x):
    """Weights the channels by a convolution over them (Wang et al. 2020)."""
    line = layers.Reshape((-1, 1))(layers.GlobalAveragePooling2D()(x))
    line = layers.Conv1D(1, 3, padding="same", use_bias=False)(line)
    weights = layers.Reshape((1, 1, x.shape[-1]))(layers.Activation("sigmoid")(line))
    return layers.Multiply()([x, weights])


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
    plain = {"first": network(), "second": network(), "path_first": network(path_first=True)}
    plain["tiny"] = small = tiny()
    logits = {"image": image.astype("uint8")}
    for name, model in plain.items():
        randomize(model, rng)
        for output in model(image.astype("float32") / 255):
            logits[f"{name}_{SIZE // output.shape[1]}"] = np.asarray(output)
    first, second = plain["first"], plain["second"]
    second.compile("adam", "mse")  # files of compiled models hold the optimizer's state, too
    p5, p4, p3 = second.outputs
    outer = keras.Input((SIZE, SIZE, 3))
    in_both_formats = {
        "first": first,
        "nested": keras.Model(outer, second(outer)),
        "stride16first": keras.Model(second.inputs, [p4, p5, p3]),
        "tiny": small,
        **{"se": tiny(squeeze_and_excitation), "cbam": tiny(cbam), "eca": tiny(eca)},
    }
    others = {
        **plain,
        "stride8first": keras.Model(second.inputs, [p3, p4, p5]),
        "tiny_stride16first": keras.Model(small.inputs, small.outputs[::-1]),
    }
    for name, model in in_both_formats.items():
        model.save_weights(folder / f"{name}.weights.h5")
    if LIBRARY == "tf_keras":
        for name, model in {**in_both_formats, **others}.items():
            model.save_weights(folder / f"{name}.h5")
    first.save(folder / "first_model.h5")
    first.save(folder / "first.keras")
    np.savez(folder / "logits.npz", **logits)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
