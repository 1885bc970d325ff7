"""The plots show the numbers of the evaluation, also in edge cases."""

import subprocess
import sys
import warnings

import cv2
import numpy as np
import pytest

from utils.metrics import plots
from utils.metrics.score_curve import ScoreCurve
from utils.metrics.voc_map import VocScores

ALL = (plots.plot_precision_recall, plots.plot_score_thresholds, plots.plot_average_precision)


def scores_of(*curves):
    """Scores of (pattern, objects) classes, "TFT" best score first."""
    made = []
    for pattern, objects in curves:
        is_tp = np.array([letter == "T" for letter in pattern], bool)
        made.append(ScoreCurve(np.linspace(0.9, 0.3, len(pattern)), is_tp, objects))
    joined = np.concatenate([c.scores for c in made]) if made else np.zeros(0)
    order = np.argsort(-joined, kind="stable")
    is_tp = np.concatenate([c.is_tp for c in made])[order]
    total = sum(c.num_gt for c in made)
    return VocScores(0.5, tuple(made), ScoreCurve(joined[order], is_tp, total))


@pytest.fixture
def drawn(monkeypatch):
    """Figures instead of files."""
    figures = []
    monkeypatch.setattr(plots, "save_figure", lambda figure, path: figures.append(figure))
    return figures


EXAMPLE = scores_of(("TFTT", 4), ("F", 0), ("TT", 2))
NAMES = ("cat", "dog", "emu")


@pytest.mark.quick
def test_the_area_of_the_drawn_curve_is_the_average_precision(drawn):
    plots.plot_precision_recall(EXAMPLE, NAMES, "x.png")
    axes = drawn[0].axes[0]
    areas = []
    for line in axes.get_lines():
        recall, precision = line.get_data()
        assert line.get_drawstyle() == "steps-pre"
        areas.append(float((np.diff(recall) * precision[1:]).sum()))
    assert areas == pytest.approx([0.625, 1.0])
    texts = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert texts == ["cat  62.5%", "emu  100.0%"]
    assert "mAP 81.2%" in axes.get_title(loc="left")


@pytest.mark.quick
def test_threshold_curves_and_the_best_f1(drawn):
    plots.plot_score_thresholds(EXAMPLE, NAMES, "x.png")
    panels = [axes for axes in drawn[0].axes if axes.get_title(loc="left")]
    titles = [axes.get_title(loc="left") for axes in panels]
    assert [title.split(":")[0] for title in titles] == ["all classes", "cat", "emu"]
    assert titles[1] == "cat: best F1 0.750 at 0.3"
    thresholds, recall = panels[1].get_lines()[1].get_data()
    assert recall[np.searchsorted(thresholds, 0.6)] == 0.25
    assert recall[0] == 0.75
    assert panels[2].get_lines()[2].get_ydata()[0] == 1


@pytest.mark.quick
def test_bars_are_sorted_and_classes_without_objects_are_marked(drawn):
    plots.plot_average_precision(EXAMPLE, NAMES, "x.png")
    axes = drawn[0].axes[0]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([0, 0.625, 1])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["dog", "cat", "emu"]
    assert [text.get_text() for text in axes.texts] == ["no objects", "62.5%", "100.0%"]


@pytest.mark.quick
@pytest.mark.parametrize("plot", [plots.plot_precision_recall, plots.plot_average_precision])
def test_of_many_classes_those_with_the_most_objects_are_drawn(drawn, plot):
    objects = [1 + (number * 7) % 300 for number in range(300)]
    plot(scores_of(*(("T", count) for count in objects)), [*map(str, range(300))], "x.png")
    if drawn[0].legends:
        names = [text.get_text().split()[0] for text in drawn[0].legends[0].get_texts()]
    else:
        names = [text.get_text() for text in drawn[0].axes[0].get_yticklabels()]
    assert {objects[int(name)] for name in names} == {*range(201, 301)}


@pytest.mark.parametrize("plot", ALL)
@pytest.mark.parametrize(
    "scores",
    [
        EXAMPLE,
        scores_of(("", 0)),
        scores_of(("", 3)),
        scores_of(("FF", 0)),
        scores_of(*[("TF" * (i % 4), i % 9) if i % 9 > 3 else ("F", 0) for i in range(30)]),
    ],
    ids=["example", "nothing", "no detections", "no objects", "30 classes"],
)
def test_a_complete_png_is_written_without_a_warning(plot, scores, tmp_path):
    names = ["$a$", "_b_", "c d" * 12, *map(str, range(30))][: len(scores.classes)]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("error", RuntimeWarning)
        plot(scores, names, tmp_path / "sub" / "plot.png")
    image = cv2.imread(str(tmp_path / "sub" / "plot.png"))
    assert min(image.shape[:2]) > 100
    assert image.std() > 5
    assert len(list((tmp_path / "sub").iterdir())) == 1


@pytest.mark.quick
def test_scores_above_one_widen_the_axis(drawn):
    curve = ScoreCurve(np.array([90.0, 10.0]), np.array([True, False]), 1)
    plots.plot_score_thresholds(VocScores(0.5, (curve,), curve), ["a"], "x.png")
    assert drawn[0].axes[0].get_xlim() == (0, 90)


def test_no_global_plotting_state():
    """pyplot would keep figures alive and ask for a screen."""
    modules = "utils.metrics.plots, utils.metrics.history"
    code = f"import sys, {modules}; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_lowest_panel_of_each_column_names_its_thresholds(drawn):
    plots.plot_score_thresholds(EXAMPLE, NAMES, "x.png")
    panels = [axes for axes in drawn[0].axes if axes.axison]
    assert len(panels) == 3  # two columns, the second of one panel
    named = [axes.get_xlabel() != "" for axes in panels]
    ticked = [axes.xaxis.get_tick_params()["labelbottom"] for axes in panels]
    assert named == ticked == [False, True, True]


def test_the_mark_of_the_best_f1_is_whole_at_the_edge_too(drawn):
    plots.plot_score_thresholds(EXAMPLE, NAMES, "x.png")
    marks = [line for line in drawn[0].axes[0].get_lines() if line.get_marker() == "o"]
    assert [mark.get_clip_on() for mark in marks] == [False]
