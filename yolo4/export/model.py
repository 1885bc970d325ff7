"""The model that an export writes: from raw pixels to named outputs."""

import keras

from nets.outputs import BestClass
from yolo4.export.options import ExportOptions
from yolo4.formats.nms_layer import NonMaxSuppression
from yolo4.inference.keras_network import decode_layer, image_input, load_network
from yolo4.run import Run


def exported_model(run: Run, options: ExportOptions) -> keras.Model:
    """A model of a run's network with the outputs that the options ask for, in float32.

    Returns:
        From `images` `[B, H, W, 3]` to the logits of each level; or to `boxes` `[B, N, 4]` (xyxy in
        input pixels), `scores` `[B, N]` and `labels` `[B, N]`; or, with non-maximum suppression, to
        the same of shape `[B, K, ...]` and their `count` `[B]`, padded with zeros.

    Raises:
        UserError: the run has no weights, or they do not fit its settings.
    """
    network = load_network(run, "float32")
    images = image_input(run, options.batch_size, options.input_type)
    logits = network(images)
    if options.outputs == "logits":
        return keras.Model(images, dict(zip(run.network().logit_names, logits, strict=True)))
    decoded = decode_layer(run)(logits)
    if not options.with_nms:
        return keras.Model(images, BestClass(name="best_class")(decoded))
    nms = NonMaxSuppression(options.score_threshold, options.nms_threshold, options.max_detections)
    return keras.Model(images, nms(decoded))
