"""The page of a training that ends before its last epoch says how."""

import re
from datetime import datetime

import pytest

from tests.helpers.report_page import Page
from tests.yolo4.train.page.made_moment import CAT, RIGHT_CAT, made_moment
from utils.errors import UserError
from yolo4.train.page.page import render
from yolo4.train.page.state import change_state, end_on_page

pytestmark = pytest.mark.quick


@pytest.fixture
def written(tmp_path):
    """Writes the page of a training; returns its run."""

    def write(**changes):
        moment = made_moment(tmp_path, [([RIGHT_CAT], [CAT])], **changes)
        run = moment.setup.run
        run.folder.mkdir(exist_ok=True)
        run.progress_page.write_text(render(moment), encoding="utf-8")
        return run

    return write


def lead(run):
    """The state on the page, with its time as "now"."""
    text = Page(run.progress_page.read_text(encoding="utf-8")).text
    found = re.search(r"from random weights (.*?) (?:The next|Epoch)", text)[1]
    for time in re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d", found):
        assert abs((datetime.now() - datetime.fromisoformat(time)).total_seconds()) < 120
        found = found.replace(time, "now")
    return found


def test_only_the_state_changes_and_may_change_again(written):
    run = written(resumed=["the start"])
    before = run.progress_page.read_text(encoding="utf-8")
    for state in ("Interrupted", "Resumed"):
        change_state(run, state, "; <x> \\1\n.")
        assert lead(run) == rf"{state} at now; <x> \1\n."
        after = run.progress_page.read_text(encoding="utf-8")
        for text in (before.split('<p class="lead"')[0], before.split("from the start.</p>")[1]):
            assert text in after


@pytest.mark.parametrize("changes", [{"epoch": 8}, {"stopped_early": True, "best_epoch": 1}])
def test_a_training_that_has_finished_stays_finished(written, changes):
    run = written(**changes)
    before = run.progress_page.read_bytes()
    change_state(run, "Interrupted", ".")
    assert run.progress_page.read_bytes() == before


def test_a_page_that_is_missing_or_damaged_is_left_alone(written):
    run = written()
    for content in (b"\xff\xfe", b"", None):
        run.progress_page.unlink()
        if content is not None:
            run.progress_page.write_bytes(content)
        change_state(run, "Interrupted", ".")
        found = run.progress_page.read_bytes() if run.progress_page.exists() else None
        assert found == content


def test_an_error_that_ends_a_training_is_on_its_page(written):
    run = written()
    with pytest.raises(UserError), end_on_page(run):
        raise UserError("the <b>disk</b> is full")
    assert lead(run) == "Ended by an error at now: the <b>disk</b> is full"


def test_a_training_that_diverged_has_failed(written):
    run = written()
    run.failure_file.write_text('{"reason": "the box loss is nan"}')
    with pytest.raises(UserError), end_on_page(run):
        raise UserError("the box loss is nan")
    assert lead(run) == "Failed at now: the box loss is nan"


def test_a_training_that_a_callback_stopped_has_ended(written):
    run = written()
    with end_on_page(run):
        pass
    assert lead(run) == "Ended at now, before its last epoch."
