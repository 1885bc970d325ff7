"""The report of a comparison: one page that opens anywhere, and the numbers of its figures."""

import base64
import hashlib
import math
import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from utils.files import write_atomically
from utils.page.plot import Plot, Report
from yolo4.compare.report import detection_figures, loss_figures, outcome_figures

_HERE = Path(__file__).parent
_FIGURES = (
    outcome_figures.differences,
    outcome_figures.runs,
    outcome_figures.classes,
    outcome_figures.sizes,
    outcome_figures.validation,
    detection_figures.precision_recall,
    detection_figures.thresholds,
    detection_figures.reliability,
    detection_figures.errors,
    loss_figures.loss_curves,
    loss_figures.cumulative_loss,
    loss_figures.gradient_shares,
    loss_figures.sizes,
    loss_figures.ignored,
    loss_figures.confidences,
)
# Control characters, and halves of letters that are no UTF-8: paths may hold both.
_UNWRITABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_NOTHING = "–"


def render(report: Report, folder: Path) -> Path:
    """Write `report.html`, and `data/<figure>.csv` with the numbers of each figure.

    Args:
        report: what `yolo4.compare.report.summary` makes, with the pictures in it.
        folder: of the study.

    Returns:
        The page. It needs no other file.
    """
    report = _clean(report)
    plots = {plot.name: plot for draw in _FIGURES if (plot := draw(report))}
    for plot in plots.values():
        write_atomically(folder / "data" / f"{plot.name}.csv", plot.csv)
    page = folder / "report.html"
    write_atomically(page, _page(report, plots))
    return page


def _page(report: Report, plots: dict[str, Plot]) -> str:
    environment = Environment(
        autoescape=True,
        loader=FileSystemLoader(_HERE),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "points": _points,
        "signed": lambda value: _points(value, "+z.1f"),
        "number": _number,
        "words": lambda name: str(name).replace("_", " "),
        "data_uri": _data_uri,
    }
    script = (_HERE / "report.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template("report.html.jinja").render(
        report=report,
        plots=plots,
        style=Markup((_HERE / "report.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_digest=digest,
        sentence_verdicts={c["sentence"]: c["verdict"] for c in report["contrasts"]},
        sides=("image_interval", "interval"),
    )


def _clean(value: Any) -> Any:
    """Plain values with names as texts, None for what is no number, and only letters in texts."""
    if isinstance(value, dict):
        return {_clean(str(key)): _clean(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return _UNWRITABLE.sub("\ufffd", value) if isinstance(value, str) else value


def _points(fraction: float | None, form: str = "z.1f") -> str:
    """A fraction in hundredths, with a true minus sign."""
    return _number(fraction if fraction is None else 100 * fraction, form)


def _number(value: float | None, form: str = ".3g") -> str:
    return _NOTHING if value is None else format(value, form).replace("-", "−")


def _data_uri(text: str) -> str:
    return "data:text/csv;charset=utf-8;base64," + base64.b64encode(text.encode()).decode()
