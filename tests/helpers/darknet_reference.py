"""yolov4.cfg of Darknet (public domain) in short, and files that OpenCV's importer reads.

Facts of https://github.com/AlexeyAB/darknet/blob/master/cfg/yolov4.cfg, in its order of sections:
`c64x3m/2` is a convolution with 64 filters of 3x3, Mish (`l` leaky), stride 2; `r-1,-7` a route,
`s-3` a shortcut, `p5` a max pool of 5x5, `u` an upsample, `y` a detection layer.
"""

import re

import numpy as np

SECTIONS = """
c32x3m c64x3m/2 c64x1m r-2 c64x1m c32x1m c64x3m s-3 c64x1m r-1,-7 c64x1m c128x3m/2 c64x1m r-2
c64x1m c64x1m c64x3m s-3 c64x1m c64x3m s-3 c64x1m r-1,-10 c128x1m c256x3m/2 c128x1m r-2 c128x1m
c128x1m c128x3m s-3 c128x1m c128x3m s-3 c128x1m c128x3m s-3 c128x1m c128x3m s-3 c128x1m c128x3m
s-3 c128x1m c128x3m s-3 c128x1m c128x3m s-3 c128x1m c128x3m s-3 c128x1m r-1,-28 c256x1m
c512x3m/2 c256x1m r-2 c256x1m c256x1m c256x3m s-3 c256x1m c256x3m s-3 c256x1m c256x3m s-3
c256x1m c256x3m s-3 c256x1m c256x3m s-3 c256x1m c256x3m s-3 c256x1m c256x3m s-3 c256x1m c256x3m
s-3 c256x1m r-1,-28 c512x1m c1024x3m/2 c512x1m r-2 c512x1m c512x1m c512x3m s-3 c512x1m c512x3m
s-3 c512x1m c512x3m s-3 c512x1m c512x3m s-3 c512x1m r-1,-16 c1024x1m c512x1l c1024x3l c512x1l p5
r-2 p9 r-4 p13 r-1,-3,-5,-6 c512x1l c1024x3l c512x1l c256x1l u r85 c256x1l r-1,-3 c256x1l
c512x3l c256x1l c512x3l c256x1l c128x1l u r54 c128x1l r-1,-3 c128x1l c256x3l c128x1l c256x3l
c128x1l c256x3l c255x1 y r-4 c256x3l/2 r-1,-16 c256x1l c512x3l c256x1l c512x3l c256x1l c512x3l
c255x1 y r-4 c512x3l/2 r-1,-37 c512x1l c1024x3l c512x1l c1024x3l c512x1l c1024x3l c255x1 y
""".split()  # noqa: SIM905
ANCHORS = "12,16, 19,36, 40,28, 36,75, 76,55, 72,146, 142,110, 192,243, 459,401"
_ACTIVATIONS = {"m": "mish", "l": "leaky", "": "linear"}
_CONVOLUTION = re.compile(r"c(\d+)x(\d)([ml]?)(/2)?$")


def convolutions() -> list[tuple[int, int, int]]:
    """Filters, kernel and stride of each convolution."""
    found = (_CONVOLUTION.match(section) for section in SECTIONS)
    return [(int(m[1]), int(m[2]), 2 if m[4] else 1) for m in found if m]


def convolution_sections() -> list[int]:
    """Which section each convolution is, counted from 0."""
    return [i for i, section in enumerate(SECTIONS) if _CONVOLUTION.match(section)]


def cfg(size: int) -> str:
    """A cfg file for square images of `size` pixels."""
    levels = iter((("0,1,2", 1.2), ("3,4,5", 1.1), ("6,7,8", 1.05)))
    lines = ["[net]", f"width={size}", f"height={size}", "channels=3"]
    for section in SECTIONS:
        if match := _CONVOLUTION.match(section):
            filters, kernel, activation, stride = match.groups()
            lines += ["[convolutional]", f"filters={filters}", f"size={kernel}", "pad=1"]
            lines += [f"stride={2 if stride else 1}", f"activation={_ACTIVATIONS[activation]}"]
            lines += ["batch_normalize=1"] if activation else []
        elif section[0] == "r":
            lines += ["[route]", f"layers={section[1:]}"]
        elif section[0] == "s":
            lines += ["[shortcut]", f"from={section[1:]}", "activation=linear"]
        elif section[0] == "p":
            lines += ["[maxpool]", "stride=1", f"size={section[1:]}"]
        elif section == "u":
            lines += ["[upsample]", "stride=2"]
        else:
            mask, scale = next(levels)
            lines += ["[yolo]", f"mask={mask}", f"anchors={ANCHORS}", "classes=80", "num=9"]
            lines += [f"scale_x_y={scale}"]
    return "\n".join(lines) + "\n"


def weights(model) -> bytes:
    """The weights of a network as a Darknet file."""
    by_name = {layer.name: layer for layer in model.layers}
    parts = []
    for layer in model.convolutions():
        norm = by_name.get(f"{layer.name}_norm")
        if norm is None:
            parts.append(layer.bias)
        else:
            parts += [norm.beta, norm.gamma, norm.moving_mean, norm.moving_variance]
        parts.append(np.transpose(layer.kernel, (3, 2, 0, 1)))
    header = np.array([0, 2, 5], "<i4").tobytes() + np.array([0], "<i8").tobytes()
    return header + b"".join(np.asarray(part, "<f4").tobytes() for part in parts)
