"""The view of all runs: rows in a terminal, lines elsewhere."""

import pytest
from tqdm import tqdm

from tests.helpers.fake_training import job
from yolo4.compare.cluster import rows
from yolo4.compare.cluster.rows import Rows
from yolo4.train.state.progress import Progress

pytestmark = pytest.mark.quick


def test_without_a_terminal_each_epoch_is_a_line(capsys):
    view = Rows()
    a, b = job("a", epochs=2), job("b", epochs=2)
    view.update(a, "north", None)
    view.update(b, "south", Progress(epoch=1))
    view.update(b, "south", Progress(epoch=1, step=3))
    view.update(b, "south", Progress(epoch=2, best_map=0.25))
    view.remove(b)
    view.close()
    assert capsys.readouterr().out.splitlines() == [
        "b: epoch 1/2 on south",
        "b: epoch 2/2 mAP 0.250 on south",
    ]


def test_in_a_terminal_each_job_has_a_row_until_it_ends(capsys, monkeypatch):
    made = []

    def bar(**options):
        made.append(tqdm(**options | {"disable": False}))
        return made[-1]

    bar.write = tqdm.write
    monkeypatch.setattr(rows, "tqdm", bar)
    view = Rows()
    for name, epoch in (("a", 1), ("b", 0), ("a", 2)):
        view.update(job(name), "north", Progress(epoch=epoch, best_map=0.5))
    assert [(each.desc, each.n, each.pos) for each in made] == [("a", 2, 0), ("b", 0, 1)]
    view.remove(job("a"))
    view.close()
    assert made[0].disable
    assert made[1].disable, "closed"
    captured = capsys.readouterr()
    assert "a:  67%" in captured.err
    assert "mAP 0.500 on north" in captured.err
    assert captured.out == ""
