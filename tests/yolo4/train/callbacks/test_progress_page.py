"""When the page of a training is written, and that no training ends for it."""

from types import SimpleNamespace

import pytest

from tests.helpers.report_page import Page
from tests.yolo4.train.page.made_moment import CAT, FALSE_CAT, RIGHT_CAT, made_moment
from utils.metrics.calibration import ScoreChoice
from yolo4.train.callbacks import progress_page
from yolo4.train.callbacks.progress_page import ProgressPage
from yolo4.train.validation import Measurement


@pytest.fixture
def callback(tmp_path):
    moment = made_moment(tmp_path, [([RIGHT_CAT, FALSE_CAT], [CAT])])
    moment.setup.run.folder.mkdir()
    ScoreChoice(0.75, 1.0).save(moment.setup.run.score_choice_file)
    measured = Measurement({}, moment.voc, list(moment.detections))
    history = SimpleNamespace(progress=moment.progress, seconds_left=60.0)
    return ProgressPage(moment.setup, SimpleNamespace(latest=measured), history)


@pytest.fixture
def page(callback):
    return callback.setup.run.progress_page


def test_it_is_written_after_a_validation_at_the_stored_threshold(callback, page):
    callback.on_epoch_end(2, {})
    text = Page(page.read_text(encoding="utf-8")).text
    assert "1 of 1 and 1 false alarm, at score 0.75" in text
    assert "Time left 1 min 00 s" in text
    assert [path.name for path in page.parent.iterdir() if path.name.startswith(".")] == []


def test_it_stays_in_epochs_that_are_not_measured(callback, page):
    callback.validation.latest = None
    callback.on_epoch_end(2, {})
    assert not page.exists()


def test_a_page_that_cannot_be_made_is_a_line(callback, page, monkeypatch, capsys):
    page.write_text("the one before")

    def broken(moment):
        raise ZeroDivisionError("a mistake")

    monkeypatch.setattr(progress_page, "render", broken)
    callback.on_epoch_end(2, {})
    assert capsys.readouterr().out == f"{page}: not written: ZeroDivisionError: a mistake\n"
    assert page.read_text() == "the one before"


def test_a_full_disk_is_an_error_as_for_the_other_files(callback, page, monkeypatch):
    def full(*arguments, **named):
        raise OSError(28, "No space left on device", str(page))

    monkeypatch.setattr(progress_page, "write_atomically", full)
    with pytest.raises(OSError, match="No space left"):
        callback.on_epoch_end(2, {})
