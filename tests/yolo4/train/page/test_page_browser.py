"""The page of a training in a browser: nothing overflows, and the boxes are those of the counts."""

import dataclasses

import cv2
import numpy as np
import pytest

from tests.helpers.browser import SCREENS, assert_fits
from tests.helpers.made_evaluation import made_evaluation
from tests.yolo4.train.page.made_moment import made_moment
from yolo4.run import Run
from yolo4.train.page.page import render
from yolo4.train.page.pictures import validation_images
from yolo4.train.page.state import change_state


@pytest.fixture(scope="module")
def moment(tmp_path_factory):
    """A training with long names, resumed in the middle of an epoch."""
    folder = tmp_path_factory.mktemp("made")
    made = made_evaluation(folder)
    names = [f"a_long_name_of_a_class_without_a_space_{name}" for name in made.class_names]
    pairs = list(zip(made.detections, made.records, strict=True))
    config = {"data": ("/a/very/long/folder" * 9,), "weights": "a_long_name_of_weights" * 9}
    moment = made_moment(
        folder, pairs, names, 0.4, period=2, config=config, resumed=["step 999 of epoch 999"]
    )
    run = Run(folder / ("a_long_name_of_a_run" * 9))
    run.folder.mkdir()
    ok, picture = cv2.imencode(".png", np.full((1680, 1680, 3), 90, np.uint8))
    assert ok
    run.batch_picture.write_bytes(picture.tobytes())
    return dataclasses.replace(moment, setup=dataclasses.replace(moment.setup, run=run))


@pytest.fixture(scope="module")
def page_file(moment):
    file = moment.setup.run.progress_page
    file.write_text(render(moment), encoding="utf-8")
    return file


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
def test_nothing_overflows_and_every_picture_is_there(open_page, screen, scheme):
    assert_fits(open_page(screen, scheme), least_pictures=7)


def test_each_image_has_as_many_boxes_as_its_line_counts(open_page, moment):
    page = open_page()
    images = validation_images(moment)
    assert sum(image["hits"] for image in images) > 0
    for look, count in (("right", "hits"), ("missed", "misses"), ("wrong", "false_alarms")):
        drawn = page.locator("#pictures li").evaluate_all(
            f"items => items.map(item => item.querySelectorAll('rect.{look}').length)"
        )
        assert drawn == [image[count] for image in images]


def test_a_page_is_overdue_once_the_next_validation_is_late(open_page):
    late = int(open_page().locator("#state").get_attribute("data-latest"))
    assert open_page(seconds=late - 1).locator("#overdue").is_hidden()
    assert open_page(seconds=late + 1).locator("#overdue").is_visible()


def test_a_training_that_was_interrupted_has_no_time_left(moment, open_page, page_file):
    assert open_page().locator(".left").is_visible()
    change_state(moment.setup.run, "Interrupted", ".")
    page = open_page()
    assert page.locator(".left").is_hidden()
    assert page.locator("#overdue").is_hidden()


def test_classes_sort_by_their_ap(open_page, moment):
    page = open_page()
    page.locator('[aria-label="Classes"] thead th').nth(2).locator("button").click()
    script = "rows => rows.map(row => Number(row.cells[2].dataset.value))"
    shown = page.locator('[aria-label="Classes"] tbody tr').evaluate_all(script)
    assert shown == sorted(moment.voc.main.ap.tolist())
