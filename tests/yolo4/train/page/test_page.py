"""The page of a training: its numbers by hand, its words, its curves, and what it leaves alone."""

import dataclasses
import json
import random
from datetime import timedelta

import cv2
import numpy as np
import pytest

from tests.helpers.made_evaluation import made_evaluation
from tests.helpers.report_page import Page
from tests.yolo4.train.page.made_moment import (
    CAT,
    DOG,
    FALSE_CAT,
    HARD,
    LATE_DOG,
    NAMES,
    NOW,
    RIGHT_CAT,
    RIGHT_DOG,
    made_history,
    made_moment,
)
from yolo4.train.page import figures
from yolo4.train.page.page import render
from yolo4.train.page.pictures import validation_images
from yolo4.train.page.summary import summarize

pytestmark = pytest.mark.quick

IMAGES = [
    ([RIGHT_CAT, FALSE_CAT, RIGHT_DOG], [CAT, DOG]),
    ([LATE_DOG], [CAT, DOG, HARD]),
    ([], []),
]


@pytest.fixture
def moment(tmp_path):
    return lambda images=IMAGES, **changes: made_moment(tmp_path, images, **changes)


class TestNumbers:
    def test_objects_found_and_false_alarms_at_the_threshold(self, moment):
        found = summarize(moment())["found"]
        assert found == {"objects": 4, "hits": 2, "false_alarms": 1}
        # A score at the threshold counts.
        assert summarize(moment(threshold=0.25))["found"]["hits"] == 3
        assert summarize(moment(threshold=0.8))["found"] == {
            "objects": 4,
            "hits": 0,
            "false_alarms": 1,
        }

    def test_without_a_threshold_nothing_is_detected(self, moment):
        summary = summarize(moment(threshold=None))
        assert summary["found"] == {"objects": 4, "hits": 0, "false_alarms": 0}

    def test_the_images_add_up_to_all_objects_and_false_alarms(self, tmp_path):
        """Two ways to count: the score curve of all images, and what became of each box."""
        made = made_evaluation(tmp_path)
        pairs = list(zip(made.detections, made.records, strict=True))
        for threshold in (0.0, 0.4, 0.7, 1.1):
            moment = made_moment(tmp_path, pairs, made.class_names, threshold)
            images, found = validation_images(moment), summarize(moment)["found"]
            assert len(images) == len(made.records)
            assert sum(image["hits"] for image in images) == found["hits"]
            assert sum(image["false_alarms"] for image in images) == found["false_alarms"]
            missed = sum(image["misses"] for image in images)
            assert missed == found["objects"] - found["hits"]

    def test_ap_of_each_class_now_before_and_at_the_best_epoch(self, moment):
        cat, dog, owl = summarize(moment(best_epoch=2))["classes"]
        # One of two cats behind a false alarm; both dogs.
        assert (cat["ap"], dog["ap"]) == (0.25, 1)
        assert (cat["change"], cat["best"]) == (0.125, 0.125)
        assert (owl["objects"], owl["best"], owl["change"], owl["spark"]) == (0, None, None, "")
        # AP 1/2 twice and then 1, at epochs 1 to 3 of 8; upward is less.
        assert dog["spark"] == "12.5,10.0 25.0,10.0 37.5,0.0"

    def test_the_first_validation_has_no_change(self, moment):
        summary = summarize(moment(epoch=1))
        assert summary["change"] is None
        assert summarize(moment())["change"] == pytest.approx(1 / 16)
        # Of those that were measured.
        assert summarize(moment(period=2))["change"] == pytest.approx(3 / 16 - 2 / 16)

    def test_a_long_training_has_short_small_curves(self, moment):
        rows = [[epoch, 0.5, 0.5, None] for epoch in range(1, 1001)]
        summary = summarize(moment(class_ap=rows, config={"epochs": 1000}))
        points = summary["classes"][0]["spark"].split()
        assert len(points) == 60
        assert (points[0], points[-1]) == ("0.1,10.0", "100.0,10.0")


class TestWords:
    def text(self, moment):
        return Page(render(moment)).text

    def test_the_data_the_network_and_the_loss_in_one_line(self, moment):
        config = {"confidence_loss": "focal_star", "weights": "w/yolov4-tiny.weights"}
        assert (
            "bccd: 6 training and 3 validation images · yolov4-tiny at 288 · "
            "focal star confidence loss · from yolov4-tiny.weights"
        ) in self.text(moment(config=config))
        assert "· from random weights" in self.text(moment())

    def test_the_time_left_and_the_end_with_the_day_if_it_is_another(self, moment):
        text = self.text(moment())
        assert "3 of 8" in text
        assert "Training . The next" in text
        assert "Time left 1 h 02 min until about 22:32" in text
        late = dataclasses.replace(moment(), seconds_left=timedelta(hours=30).total_seconds())
        assert "until about 2026-05-06 03:30" in self.text(late)

    def test_the_next_validation_is_expected_after_its_share_of_the_time_left(self, moment):
        made = moment(config={"eval_period": 2})  # after epochs 4, 6 and 8; this is after epoch 3
        (lead,) = [tag for tag in Page(render(made)).tags("p") if tag.get("id") == "state"]
        # A fifth of the time left, 745 s; three times that and a minute are late.
        assert int(lead["data-latest"]) - NOW.timestamp() == 3 * 745 + 60
        assert "expected at about 21:42, but" in self.text(made)
        # The last epoch is measured.
        last = dataclasses.replace(moment(config={"eval_period": 100}), seconds_left=600.0)
        assert "expected at about 21:40, but" in self.text(last)

    def test_a_training_that_has_ended_has_no_time_left(self, moment):
        text = self.text(moment(epoch=8))
        assert "Finished ." in text
        assert "Time left" not in text
        assert "expected" not in text
        text = self.text(moment(stopped_early=True, best_epoch=2))
        assert "Stopped early: no better mAP since epoch 2 ." in text
        assert "Time left" not in text

    def test_a_resumed_training_says_from_where(self, moment):
        assert "; resumed" not in self.text(moment())
        text = self.text(moment(resumed=["the end of epoch 1"]))
        assert "Training ; resumed from the end of epoch 1." in text
        text = self.text(moment(resumed=["the start", "step 7 of epoch 3"]))
        assert "; resumed 2 times, last from step 7 of epoch 3." in text

    def test_while_nothing_is_right_no_detection_is_drawn(self, moment):
        text = self.text(moment([([FALSE_CAT], [CAT])], threshold=None, best_epoch=3))
        assert "no detection is right yet" in text
        assert "0 hits, 1 miss, 0 false alarms" in text

    def test_hits_misses_and_false_alarms_of_each_image(self, moment):
        text = self.text(moment())
        assert "2 hits, 0 misses, 1 false alarm" in text
        assert "0 hits, 2 misses, 0 false alarms" in text


class TestCurves:
    def test_the_losses_have_gaps_where_nothing_was_measured(self):
        plot = figures.losses(made_history(5, period=2))
        assert len(plot.panels) == 4
        assert [row[0] for row in plot.rows] == [1, 2, 3, 4, 5]
        column = plot.head.index("val_box")
        assert [row[column] is not None for row in plot.rows] == [False, True, False, True, True]
        assert plot.rows[1][plot.head.index("box")] == 0.5

    def test_a_curve_that_falls_far_has_a_logarithmic_scale(self):
        near, far = (figures.losses(made_history(epochs)).panels[1] for epochs in (3, 9))
        # Its ticks are 10⁻³, 10⁻², 10⁻¹, 1 and 10.
        assert (near.count("−"), far.count("−")) == (0, 3)

    def test_ap_is_drawn_of_the_classes_with_objects(self, moment):
        plot = figures.average_precision(moment())
        assert [key.words for key in plot.legend] == ["mAP", "cat", "dog"]
        assert ("dog", 3, 1.0) in plot.rows
        only = figures.average_precision(moment([([RIGHT_CAT], [CAT])]))
        assert [key.words for key in only.legend] == ["mAP"], "of one class it is the same curve"

    def test_of_many_classes_those_with_the_most_objects_are_drawn(self, moment):
        names = [f"class {i}" for i in range(12)]
        objects = [(label, 0, 0, 9, 9, False) for label in range(12) for _ in range(label + 1)]
        plot = figures.average_precision(moment([([], objects)], names=names))
        assert [key.words for key in plot.legend] == ["mAP", *reversed(names[5:])]
        assert "The 7 classes with the most objects" in plot.caption

    def test_one_epoch_is_enough(self, moment):
        page = Page(render(moment(epoch=1)))
        assert len(page.tags("figure")) == 3


class TestPage:
    def test_names_from_outside_do_no_harm(self, moment):
        names = ("<script>alert(1)</script>", "a\ud800\x00$x$", "{{ 7 }}")
        text = render(moment(names=names))
        page = Page(text)
        assert "<script>alert(1)</script>" in page.text
        assert len(page.tags("script")) == 2
        (live,) = [a for a in page.tags("script") if a.get("id") == "live"]
        assert live["type"] == "application/json"
        text.encode("utf-8")

    def test_the_boxes_are_those_of_the_shown_images(self, moment):
        text = render(moment())
        live = json.loads(text.split('id="live">')[1].split("</script>")[0])
        assert (live["threshold"], live["names"]) == (0.5, list(NAMES))
        first, second = live["images"]
        assert [row[6] for row in first["detections"]] == ["background", "right", "right"]
        assert [row[5] for row in second["objects"]] == [0, 0, 1]

    def test_the_first_batch_is_inside_if_it_is_there(self, moment):
        made = moment()
        assert "is not in the run folder" in Page(render(made)).text
        made.setup.run.folder.mkdir()
        cv2.imwrite(str(made.setup.run.folder / "batch.png"), np.zeros((50, 50, 3), np.uint8))
        (made.setup.run.folder / "batch.png").rename(made.setup.run.batch_picture)
        page = Page(render(made))
        assert [tag["class"] for tag in page.tags("img") if "class" in tag] == ["batch"]

    def test_making_it_draws_no_random_numbers(self, moment):
        states = random.getstate(), np.random.get_state()[1].tolist()
        render(moment())
        assert states == (random.getstate(), np.random.get_state()[1].tolist())

    def test_equal_moments_make_equal_pages(self, moment):
        assert render(moment()) == render(moment())
