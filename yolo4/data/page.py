"""The page of a data set, which opens anywhere and needs no other file."""

import csv
import dataclasses
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.files.writing import write_atomically
from utils.inspection.leaks import Leak
from utils.inspection.objects import Objects
from utils.inspection.perceptual_hash import BITS
from utils.page.html import clean, render_html
from yolo4.data import figures
from yolo4.data.summary import Summary

_HERE = Path(__file__).parent
_CONTENTS = (
    ("advice", "Advice"),
    ("classes", "Classes"),
    ("sizes", "Sizes"),
    ("anchors", "Shapes and anchors"),
    ("images", "Images"),
    ("leaks", "In two splits"),
    ("report", "Skipped or changed"),
    ("sheets", "Images by class"),
    ("odd", "Odd boxes"),
)


def render(summary: Summary, objects: Objects, page: Path) -> None:
    """Write the page.

    Args:
        summary: from `yolo4.data.summary.summarize`, with the pictures added.
        objects: all objects of the data set.
        page: the file to write.
    """
    summary = clean(summary)
    plots = (
        figures.class_counts(summary),
        figures.object_sizes(summary, objects),
        figures.shapes(summary, objects),
        figures.anchor_counts(summary),
        figures.objects_per_image(objects),
        figures.image_sizes(summary, objects),
    )
    html = render_html(
        _HERE / "data.html.jinja",
        _HERE / "data.css",
        contents=_CONTENTS,
        data=summary,
        bits=BITS,
        leaks_csv=_as_csv(summary["leaks"]["pairs"]),
        plots={plot.name: plot for plot in plots if plot},
    )
    write_atomically(page, html)


def _as_csv(pairs: Sequence[Mapping[str, Any]]) -> str:
    """All images in two splits, without their pictures."""
    text = io.StringIO()
    names = [field.name for field in dataclasses.fields(Leak)]
    table = csv.DictWriter(text, names, extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    table.writerows(pairs)
    return text.getvalue()
