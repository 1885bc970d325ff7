"""Exports the network of a run, tries what was written, and says how far it is from Keras."""

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from utils.errors import UserError
from utils.files import make_output
from yolo4.export.options import ExportOptions
from yolo4.run import Run, open_run

if TYPE_CHECKING:
    import keras

    from utils.records import Record

Splits = dict[str, "list[Record]"]


def export(options: ExportOptions) -> None:
    """Write a model; it takes its place only after it was tried and found to agree with Keras.

    Raises:
        UserError: no such run, a library is missing, the output folder cannot be written, or the
            model differs from Keras by more than its format and precision should.
    """
    run = open_run(options.run)
    splits = _splits(run, options)
    image, whose = _image(run, options.image, splits)
    output = make_output(Path(options.output or run.folder / "export" / options.format))
    if options.format == "saved_model":
        _insist_on_model(output / "saved_model")
    from yolo4.quiet import quiet_start

    with quiet_start():
        import keras  # noqa: F401

    with tempfile.TemporaryDirectory(dir=output, prefix=".") as passing:
        made = Path(passing)
        print(f"exporting {run.folder} to {options.format}, {options.precision}")
        if options.format == "darknet":
            from yolo4.export.darknet import export_darknet

            print(export_darknet(run, made, image))
        else:
            _export_model(run, options, made, splits, image, whose)
        for file in sorted(made.iterdir()):
            target = output / file.name
            if target.is_dir():
                shutil.rmtree(target)
            file.replace(target)
            print(f"wrote {target}")


def _insist_on_model(folder: Path) -> None:
    """Refuse to replace a folder of something else.

    Raises:
        UserError: it is one.
    """
    in_use = folder.is_dir() and any(folder.iterdir())
    if in_use and not (folder / "saved_model.pb").is_file():
        raise UserError(f"{folder} is no SavedModel, and would be replaced: name another --output")


def _export_model(
    run: Run, options: ExportOptions, folder: Path, splits: Splits, image: np.ndarray, whose: str
) -> None:
    from yolo4.export.check import compare, insist
    from yolo4.export.description import describe
    from yolo4.export.network import exported_network
    from yolo4.export.precision import lower_precision
    from yolo4.formats.runtimes import OPEN, open_fast
    from yolo4.formats.write import write_model

    model = exported_network(run, options)
    path = write_model(model, options.format, folder)
    if options.precision != "float32":
        lower_precision(model, path, run, options, splits)
    images = np.repeat(image[None], options.batch_size or 1, axis=0).astype(options.input_type)
    wanted = _outputs(model, images)
    is_int8 = options.precision == "int8"
    runtime = open_fast(options.format, path) if is_int8 else OPEN[options.format](path)
    found = runtime(images)
    side = max(run.config().input_shape)
    differences = compare(found, wanted, side, options.precision, options.score_threshold)
    print(f"difference from Keras on {whose}: {', '.join(map(str, differences))}")
    insist(differences)
    describe(run, options, found, folder)


def _outputs(model: "keras.Model", images: np.ndarray) -> dict[str, np.ndarray]:
    import keras

    found = model(images, training=False)
    return {name: keras.ops.convert_to_numpy(value) for name, value in found.items()}


def _splits(run: Run, options: ExportOptions) -> Splits:
    """The records of the data set; none where it is missing, and nothing has to be measured."""
    from utils.annotations import load_dataset
    from yolo4.inference.records import choose_records

    if options.image and options.precision == "float32":
        return {}
    config = run.config()
    try:
        data = options.data or config.data
        splits = load_dataset(data, run.class_names(), "skip", config.split_seed).splits
        choose_records(splits, None)
    except UserError as error:
        if options.precision == "float32" and not options.data:
            return {}
        raise UserError(f"{error}; --data names one to measure {options.precision} on") from None
    return splits


def _image(run: Run, named: str | None, splits: Splits) -> tuple[np.ndarray, str]:
    """The picture that the model is tried on, fitted to the input, and what to call it."""
    from utils.image import letterbox, read_image
    from yolo4.inference.records import choose_records

    size = run.config().input_shape
    path = Path(named) if named else None
    if path is None and splits:
        path = choose_records(splits, None)[1][0].image
    if path is not None:
        return letterbox(read_image(path), size)[0], str(path)
    from yolo4.sample_data.scene import draw_scene

    picture, _ = draw_scene(np.random.default_rng(0), max(size))
    return letterbox(picture, size)[0], "a drawn picture"
