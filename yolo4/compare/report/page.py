"""The report of a comparison: one page that opens anywhere, and the numbers of its figures."""

from pathlib import Path

from utils.files.writing import write_atomically
from utils.page.html import clean, render_html
from yolo4.compare.report.figures import detections, loss, loss_history, outcome, verdict
from yolo4.compare.report.figures.common import Report

_HERE = Path(__file__).parent
_FIGURES = (
    verdict.differences,
    verdict.looks,
    outcome.runs,
    verdict.co_outcome,
    verdict.secondary,
    outcome.classes,
    outcome.coco_scores,
    outcome.validation,
    detections.precision_recall,
    detections.thresholds,
    detections.calibration,
    detections.errors,
    loss.loss_curves,
    loss.cumulative_loss,
    loss_history.gradient_shares,
    loss_history.loss_size,
    loss_history.ignored,
    loss.confidences,
)
_CONTENTS = (
    ("verdict", "Verdict"),
    ("compared", "What was compared"),
    ("differences-of-arms", "The differences"),
    ("the-co-outcome", "The co-outcome"),
    ("secondary-outcomes", "Secondary outcomes"),
    ("scores", "Scores"),
    ("each-run", "Every run"),
    ("detections", "How the arms detect"),
    ("why", "What explains the result"),
    ("pictures", "Images that differ"),
    ("hardest", "Hardest negatives"),
    ("method", "Method"),
    ("record", "Record"),
)


def render(report: Report, folder: Path) -> Path:
    """Write `report.html`, and `data/<figure>.csv` with the numbers of each figure.

    Args:
        report: from `yolo4.compare.report.summary.summarize`, with the pictures added.
        folder: the study's folder.

    Returns:
        The path of the page. The page needs no other file.
    """
    report = clean(report)
    plots = {plot.name: plot for draw in _FIGURES if (plot := draw(report))}
    for plot in plots.values():
        write_atomically(folder / "data" / f"{plot.name}.csv", plot.csv)
    html = render_html(
        _HERE / "report.html.jinja",
        _HERE / "report.css",
        contents=_CONTENTS,
        report=report,
        plots=plots,
        sentence_verdicts={c["sentence"]: c["verdict"] for c in report["contrasts"]},
        unfinished=[
            (arm["name"], run)
            for arm in report["arms"]
            for run in arm["runs"]
            if run["status"] != "done"
        ],
    )
    page = folder / "report.html"
    write_atomically(page, html)
    return page
