"""The training history: what is read, what is refused, what the picture shows."""

import warnings

import cv2
import numpy as np
import pytest

from utils.errors import UserError
from utils.metrics import history
from utils.metrics.history import best_epoch, plot_history, read_history

pytestmark = pytest.mark.quick

TABLE = """epoch,loss,box,lr,val_loss,val_box,map50
1,100.0,3.5,0.001,,,
2,9.0,3.0,0.001,8.0,2.9,0.25
3,1.5,2.5,0.0005,,,
4,1.0,2.25,0.0001,2.0,2.5,0.2
"""


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text(TABLE)
    return path


def test_reads_columns_with_gaps(table):
    columns = read_history(table)
    assert list(columns) == ["epoch", "loss", "box", "lr", "val_loss", "val_box", "map50"]
    np.testing.assert_array_equal(columns["loss"], [100, 9, 1.5, 1])
    np.testing.assert_array_equal(columns["map50"], [np.nan, 0.25, np.nan, 0.2])


NAN = float("nan")


@pytest.mark.parametrize(
    ("scores", "losses", "expected"),
    [
        ([0.1, 0.3, 0.2], [3, 2, 1], 2),
        ([0.1, 0.3, 0.3], [3, 2, 1], 3),
        ([0.3, 0.1, 0.3], [1, 2, 3], 1),
        ([0.3, 0.3, 0.3], [2, 1, 1], 2),
        ([0.0, 0.0, NAN], [9, 8, NAN], 2),
        ([NAN, 0.0, NAN], [NAN, 8, NAN], 2),
        ([NAN, NAN, NAN], [NAN, NAN, NAN], None),
        ([], [], None),
    ],
)
def test_the_best_epoch_has_the_highest_map_then_the_lowest_loss_then_is_first(
    scores, losses, expected
):
    columns = {"epoch": np.arange(1, 1 + len(scores)), "map50": scores, "val_loss": losses}
    assert best_epoch({name: np.array(values) for name, values in columns.items()}) == expected


def test_the_picture_marks_the_best_epoch(table, monkeypatch):
    table.write_text("epoch,val_loss,map50\n1,3,0.5\n2,1,0.5\n3,2,0.25\n")
    figures = []
    monkeypatch.setattr(history, "save_figure", lambda figure, path: figures.append(figure))
    plot_history(table, "x.png")
    star = figures[0].axes[0].get_lines()[1]
    assert star.get_xdata() == best_epoch(read_history(table)) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such file"),
        ("", r"columns \[\], but no 'epoch'"),
        ("a,b\n1,2\n", r"columns \['a', 'b'\], but no 'epoch'"),
        ("epoch,loss\n1,2\n2,x\n", r"history.csv:3: 'x' is not a number"),
        ("epoch,loss\n1\n", r"history.csv:2: 1 cells under 2 names"),
    ],
)
def test_refuses_in_one_line(tmp_path, text, message):
    path = tmp_path / "history.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        read_history(path)
    assert "\n" not in str(caught.value)


def test_panels_pair_training_with_validation(table, monkeypatch):
    figures = []
    monkeypatch.setattr(history, "save_figure", lambda figure, path: figures.append(figure))
    plot_history(table, "x.png")
    panels = {axes.get_title(loc="left"): axes for axes in figures[0].axes if axes.axison}
    assert list(panels) == ["validation mAP", "loss", "box loss", "learning rate"]
    training, validation = panels["box loss"].get_lines()
    np.testing.assert_array_equal(training.get_ydata(), [3.5, 3, 2.5, 2.25])
    np.testing.assert_array_equal(validation.get_xydata(), [[2, 2.9], [4, 2.5]])
    assert panels["loss"].get_yscale() == "log"
    assert panels["box loss"].get_yscale() == "linear"
    best = panels["validation mAP"].get_lines()[1]
    np.testing.assert_array_equal(best.get_xydata(), [[2, 0.25]])


@pytest.mark.parametrize(
    "text",
    [
        TABLE,
        "epoch,loss,map50\n",
        "epoch,loss,map50\n1,5.0,\n",
        "epoch,loss,map50\n1,nan,0.0\n2,inf,0.0\n",
        "epoch\n1\n",
    ],
    ids=["usual", "no epoch yet", "one epoch", "not finite", "epochs only"],
)
def test_a_picture_comes_out_without_a_warning(tmp_path, text):
    (tmp_path / "history.csv").write_text(text)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("error", RuntimeWarning)
        plot_history(tmp_path / "history.csv", tmp_path / "curves.png")
    assert min(cv2.imread(str(tmp_path / "curves.png")).shape[:2]) > 100
