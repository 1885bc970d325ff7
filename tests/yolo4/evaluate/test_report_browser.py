"""The report in a browser: the slider's numbers are Python's, nothing overflows or is requested."""

import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.browser import SCREENS, assert_fits
from tests.helpers.made_evaluation import made_evaluation
from utils.metrics.errors.confusion import Confusion
from utils.metrics.errors.outcomes import find_outcomes
from utils.metrics.score_curve import percent
from utils.metrics.summary import evaluate
from utils.records import Detections
from yolo4.evaluate.report.page import write_report
from yolo4.evaluate.report.summary import threshold_grid

START = 0.4375
SET = "(e, value) => { e.value = value; e.dispatchEvent(new Event('input')); }"
FRAME = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return made_evaluation(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def outcomes(made):
    return find_outcomes(made.detections, made.records, made.class_names)


@pytest.fixture(scope="module")
def page_file(made, tmp_path_factory):
    """A page with a second detector and long names, whose folder of copies is gone."""
    folder = tmp_path_factory.mktemp("page")
    names = [f"a_long_name_of_a_class_without_a_space_{name}" for name in made.class_names]
    made = replace(made, class_names=names, name="/a/long/folder" * 9)
    blind = [Detections(e.boxes[:1], e.scores[:1], e.labels[:1]) for e in made.detections]
    metrics = evaluate(blind, made.records, names)
    write_report(made, folder, replace(made, name="<b>other", detections=blind, metrics=metrics))
    shutil.rmtree(folder / "report_images")
    return folder / "report.html"


def rows_of(page, selector):
    script = "rows => rows.map(row => [...row.cells].map(cell => cell.textContent.trim()))"
    return page.locator(selector).evaluate_all(script)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
def test_nothing_overflows_and_every_picture_is_there(open_page, screen, scheme):
    assert_fits(open_page(screen, scheme), least_pictures=4)


@pytest.mark.parametrize("wanted", [START, 0.0, 0.25, 0.8, 1.0])
def test_the_sliders_numbers_are_those_computed_in_python(open_page, made, outcomes, wanted):
    thresholds = threshold_grid(outcomes, START)
    index = int(np.argmin(np.abs(thresholds - wanted)))
    threshold = thresholds[index]
    page = open_page()
    if wanted != START:
        page.locator("#threshold").evaluate(SET, str(index))
        page.evaluate(FRAME)
    curves = made.metrics.voc.main
    points = [curve.point(threshold) for curve in (*curves.classes, curves.overall)]
    expected = [[percent(p.precision), percent(p.recall), percent(p.f1)] for p in points]
    rows = rows_of(page, "#class-rows tr, tr[data-label=all]")
    assert [[cell.replace("–", "-") for cell in row[5:]] for row in rows] == expected
    matrix = Confusion.of(outcomes).at(threshold)
    shown = [row[1:] for row in rows_of(page, "#matrix tbody tr")]
    shown[-1][-1] = "0"
    assert [[int(cell) for cell in row] for row in shown] == matrix.tolist()
    assert [int(row[4]) for row in rows[:-1]] == matrix[:, :-1].sum(axis=0).tolist()
    found = (outcomes.found >= threshold).sum()
    assert sum(int(row[3]) for row in rows_of(page, "#size-rows tr")) == found


def test_pictures_are_filtered_by_class_and_error_at_the_threshold(open_page, made, outcomes):
    page = open_page()
    shown = page.locator("#pictures li:visible")
    is_counted = outcomes.score >= START
    for kind in ("background", "class", "localization", "missed"):
        page.locator("#of-kind").select_option(kind)
        if kind == "missed":
            images = outcomes.object_image[outcomes.missed(START)]
        else:
            images = outcomes.image[is_counted & (outcomes.kind == kind)]
        assert shown.count() == len(np.unique(images)), kind
        words = " ".join(shown.locator(".errors").all_text_contents())
        assert sum(map(int, re.findall(rf"(\d+) {kind}", words))) == len(images)
    page.locator("#of-kind").select_option("background")
    page.locator("#of-class").select_option("0")
    of_class = is_counted & (outcomes.kind == "background") & (outcomes.label == 0)
    assert shown.count() == len(np.unique(outcomes.image[of_class]))
    boxes = page.locator("#pictures li:visible rect.wrong:not(.faded)")
    assert boxes.count() >= of_class.sum() > 0


def test_a_right_box_becomes_an_object_not_found_when_the_threshold_passes_it(open_page, outcomes):
    page = open_page()
    right = page.locator("#pictures rect.right")
    assert right.count() > 0
    last = len(threshold_grid(outcomes, START)) - 1
    page.locator("#threshold").evaluate(SET, str(last))
    page.evaluate(FRAME)
    assert right.count() == 0
    assert page.locator("#pictures rect.missed").count() > 0
    page.locator("#back").click()
    assert right.count() > 0
    assert page.locator("#threshold-value").text_content() == "0.438"


def test_a_click_opens_the_larger_copy(browser, made, tmp_path):
    page_file = write_report(made, tmp_path)
    context = browser.new_context()
    page = context.new_page()
    page.goto(page_file.as_uri())
    with context.expect_page() as opened:
        page.locator("#pictures li a").first.click()
    copy = opened.value
    copy.wait_for_load_state()
    assert copy.url.startswith((tmp_path / "report_images").as_uri())
    assert copy.evaluate("document.images[0].naturalWidth") == 2 * made.records[0].size[0]
    context.close()
