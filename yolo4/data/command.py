"""The command behind `python -m yolo4 data`."""

import dataclasses
from pathlib import Path

from utils.annotations import load_dataset
from utils.errors import UserError
from utils.files.writing import make_output, writing_to
from utils.inspection.leaks import find_leaks
from utils.inspection.objects import Objects
from utils.printable import printable
from utils.text import chosen_class_names
from yolo4.data.options import DataOptions
from yolo4.data.page import render
from yolo4.data.pictures import add_pictures
from yolo4.data.summary import summarize
from yolo4.data.table import describe
from yolo4.sample_data.make import SAMPLE_DATA, make_sample_data


def show_data(options: DataOptions) -> None:
    """Write a page about a data set, and print its main numbers.

    Raises:
        UserError: no data set of a known format, no usable object, or the page cannot be written.
    """
    data = options.data or (str(make_sample_data(SAMPLE_DATA)),)
    config = dataclasses.replace(options.settings(), data=data)
    names = chosen_class_names(options.classes) if options.classes else None
    page = Path(options.output)
    make_output(page.parent)
    dataset = load_dataset(data, names, seed=options.split_seed)
    objects = Objects.of(dataset.splits, config.input_shape, config.resize)
    if not len(objects):
        raise UserError(f"{', '.join(data)}: all objects are marked difficult; expected others too")
    summary = summarize(dataset, objects, config, find_leaks(dataset.splits))
    print(*map(printable, describe(summary)), sep="\n")
    add_pictures(summary, objects, dataset.class_names)
    with writing_to(page.parent):
        render(summary, objects, page)
    print(f"page: {page}")
