"""The page of an evaluation, which opens anywhere and needs no other file."""

from pathlib import Path

from utils.files.writing import write_atomically
from utils.metrics.errors.outcomes import find_outcomes
from utils.page.html import FRAMES_SCRIPT, clean, render_html
from yolo4.evaluate.report import figures
from yolo4.evaluate.report.against import compare
from yolo4.evaluate.report.evaluation import Evaluation
from yolo4.evaluate.report.gallery import add_pictures, make_gallery
from yolo4.evaluate.report.summary import starting_threshold, summarize

_HERE = Path(__file__).parent
_CONTENTS = (
    ("classes", "Classes"),
    ("confusion", "Confusion matrix"),
    ("curves", "Curves"),
    ("errors-and-sizes", "Errors and sizes"),
    ("gallery", "Images"),
)


def write_report(evaluation: Evaluation, folder: Path, other: Evaluation | None = None) -> Path:
    """Write `report.html`, and larger copies of its pictures in `report_images/`.

    Args:
        evaluation: what was measured.
        folder: of both.
        other: another detector on the same images, to be compared with.

    Returns:
        The path of the page, which works without the copies.
    """
    outcomes = find_outcomes(evaluation.detections, evaluation.records, evaluation.class_names)
    threshold, _ = starting_threshold(evaluation)
    summary = summarize(evaluation, outcomes)
    entries = make_gallery(evaluation, outcomes, threshold)
    add_pictures(entries, evaluation, threshold, folder)
    summary["gallery"] = entries
    summary["against"] = other and compare(evaluation, other, outcomes)
    summary = clean(summary)
    boxes = [
        {key: entry[key] for key in ("size", "objects", "detections")}
        for entry in summary["gallery"]
    ]
    found = [entry["found"] for entry in summary["sizes"]]
    plots = (
        figures.precision_recall(evaluation),
        figures.error_costs(summary),
        figures.calibration(summary),
    )
    html = render_html(
        _HERE / "report.html.jinja",
        _HERE / "report.css",
        [FRAMES_SCRIPT, _HERE / "report.js"],
        contents=[*_CONTENTS, *([("against", "Side by side")] if other else [])],
        report=summary,
        live=summary["live"] | {"found": found, "gallery": boxes},
        plots={plot.name: plot for plot in plots},
    )
    page = folder / "report.html"
    write_atomically(page, html)
    return page
