"""Writes a model and tries it on an image, for which it needs Keras."""

from pathlib import Path

import numpy as np

from utils.records import Record
from yolo4.export.check import CheckImage, compare, refuse_differences
from yolo4.export.description import describe
from yolo4.export.model import exported_model
from yolo4.export.options import ExportOptions
from yolo4.export.precision import lower_precision
from yolo4.formats.format import ModelFormat, NetworkFormat
from yolo4.inference.keras_network import load_network, to_arrays
from yolo4.run import Run


def write_model(
    run: Run,
    options: ExportOptions,
    export_format: ModelFormat,
    folder: Path,
    splits: dict[str, list[Record]],
    image: CheckImage,
) -> None:
    """Write a whole model and its description, and print how far it is from Keras.

    Args:
        run: a run with weights.
        options: what the model takes and gives.
        export_format: the format.
        folder: where to write.
        splits: the data set that a lower precision is calibrated and measured on.
        image: what the model is tried on.

    Raises:
        UserError: a library is missing, the weights do not fit the run, or the model differs from
            Keras by more than its format and precision allow.
    """
    model = exported_model(run, options)
    path = folder / export_format.file
    export_format.write(model, path)
    if options.precision != "float32":
        lower_precision(model, path, run, options, splits)
    images = np.repeat(image.pixels[None], options.batch_size or 1, axis=0)
    images = images.astype(options.input_type)
    is_int8 = options.precision == "int8"
    runtime = export_format.open_fastest(path) if is_int8 else export_format.open(path)
    outputs = runtime(images)
    differences = compare(
        outputs,
        to_arrays(model(images, training=False)),
        max(run.config().input_shape),
        options.precision,
        options.score_threshold,
    )
    print(f"difference from Keras on {image.name}: {', '.join(map(str, differences))}")
    refuse_differences(differences)
    describe(run, options, outputs, folder)


def write_network(run: Run, export_format: NetworkFormat, folder: Path, image: CheckImage) -> None:
    """Write the network alone, as the format does it, and print how far it is from Keras.

    Raises:
        UserError: the weights do not fit the run, or the files differ from the network.
    """
    print(export_format.export(load_network(run, "float32"), run, folder, image.pixels))
