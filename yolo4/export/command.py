"""Exports the network of a run, runs the exported model, and reports how far it is from Keras."""

import shutil
from pathlib import Path

import numpy as np

from utils.annotations import load_dataset
from utils.errors import UserError
from utils.files.lock import output_folder
from utils.files.space import written_by_library
from utils.files.writing import temporary_folder
from utils.image import read_image
from utils.letterbox import fit_image
from utils.records import Record
from yolo4.export.check import CheckImage
from yolo4.export.options import ExportOptions
from yolo4.formats import FORMATS
from yolo4.formats.format import Format, ModelFormat, NetworkFormat
from yolo4.inference.records import choose_records
from yolo4.quiet import quiet_start
from yolo4.run import Run, open_run
from yolo4.sample_data.scene import draw_scene
from yolo4.weights.own import require_network

Splits = dict[str, list[Record]]


def export(options: ExportOptions) -> None:
    """Write a model; it replaces the last one only if it agrees with Keras.

    Raises:
        UserError: there is no such run, a library is missing, the output folder cannot be written,
            or the model differs from Keras by more than its format and precision allow.
    """
    run = open_run(options.run)
    require_network(run)
    splits = _load_splits(run, options)
    image = _choose_image(run, options.image, splits)
    path = Path(options.output or run.folder / "export" / options.format)
    export_format = FORMATS[options.format]
    with output_folder(path) as output, temporary_folder(output) as folder:
        _check_replaceable(export_format, output)
        with quiet_start():
            from yolo4.export.writing import write_model, write_network
        print(f"exporting {run.folder} to {options.format}, {options.precision}")
        if isinstance(export_format, ModelFormat):
            with written_by_library(folder, output / export_format.file):
                write_model(run, options, export_format, folder, splits, image)
        elif isinstance(export_format, NetworkFormat):
            write_network(run, export_format, folder, image)
        _move_files(folder, output)


def _check_replaceable(export_format: Format, output: Path) -> None:
    """Refuse to replace a folder that is no export.

    Raises:
        UserError: it is none.
    """
    folder, contents = output / export_format.file, export_format.folder_contents
    if contents and folder.is_dir() and any(folder.iterdir()) and not (folder / contents).is_file():
        raise UserError(
            f"{folder} would be replaced, but has no {contents}, so that it is no "
            f"{export_format.name}: name another --output"
        )


def _move_files(folder: Path, output: Path) -> None:
    for file in sorted(folder.iterdir()):
        target = output / file.name
        if target.is_dir():
            shutil.rmtree(target)
        file.replace(target)
        print(f"wrote {target}")


def _load_splits(run: Run, options: ExportOptions) -> Splits:
    """The records of the data set; none if it is missing and nothing has to be measured."""
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
        raise UserError(
            f"{error}; --data names a data set to measure {options.precision} on"
        ) from None
    return splits


def _choose_image(run: Run, image: str | None, splits: Splits) -> CheckImage:
    """The named image, else the first of the data set, else a drawn one; all fitted to the input.

    Raises:
        ImageError: the image cannot be read.
    """
    config = run.config()
    size, resize = config.input_shape, config.resize
    path = Path(image) if image else None
    if path is None and splits:
        path = choose_records(splits, None)[1][0].image
    if path is not None:
        return CheckImage(fit_image(read_image(path), size, resize)[0], str(path))
    scene, _ = draw_scene(np.random.default_rng(0), max(size))
    return CheckImage(fit_image(scene, size, resize)[0], "a drawn image")
