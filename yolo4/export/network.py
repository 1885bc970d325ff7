"""The network that an export writes: from raw pixels to named outputs."""

from typing import Literal

import keras

from nets.outputs import BestClass, Decode
from yolo4.export.options import ExportOptions
from yolo4.formats.nms_layer import Suppress
from yolo4.inference.keras_network import load_network
from yolo4.run import Run

LOGITS = ("p3", "p4", "p5")


def exported_network(run: Run, options: ExportOptions) -> keras.Model:
    """A network of a run with the outputs that the options ask for, computing in float32.

    Returns:
        From `images` `[B, H, W, 3]` to logits `p3`, `p4`, `p5`; or to `boxes` `[B, N, 4]` (xyxy in
        input pixels), `scores` `[B, N]` and `labels` `[B, N]`; or, suppressed, to the same with
        `[B, K, ...]` and the `count` `[B]` of those that are meant.

    Raises:
        UserError: the run has no weights, or they do not fit its settings.
    """
    network, images = _network(run, options.batch_size, options.input_type)
    logits = network(images)
    if options.outputs == "logits":
        return keras.Model(images, dict(zip(LOGITS, logits, strict=True)))
    decoded = _decode(run)(logits)
    if not options.with_nms:
        return keras.Model(images, BestClass(name="best_class")(decoded))
    suppress = Suppress(options.score_threshold, options.nms_threshold, options.max_detections)
    return keras.Model(images, suppress(decoded))


def engine_network(run: Run) -> keras.Model:
    """A network of a run with what `Detector` needs: boxes, confidence and class scores.

    Raises:
        UserError: the run has no weights, or they do not fit its settings.
    """
    network, images = _network(run, None, "uint8")
    return keras.Model(images, _decode(run)(network(images)))


def _network(
    run: Run, batch_size: int | None, input_type: Literal["uint8", "float32"]
) -> tuple[keras.Model, keras.KerasTensor]:
    shape = (batch_size, *run.config().input_shape, 3)
    return load_network(run, "float32"), keras.Input(
        batch_shape=shape, dtype=input_type, name="images"
    )


def _decode(run: Run) -> Decode:
    return Decode(run.anchors().tolist(), run.config().scale_x_y, name="decode")
