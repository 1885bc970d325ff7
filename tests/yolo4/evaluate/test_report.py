"""The report of an evaluation: its numbers by hand, its sentences, its gallery."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from tests.helpers.made_boxes import detections, record
from tests.helpers.made_evaluation import made_evaluation
from tests.helpers.report_page import Page
from utils.metrics.calibration import ScoreChoice
from utils.metrics.errors.outcomes import find_outcomes
from utils.metrics.summary import evaluate
from utils.page.html import clean
from yolo4.evaluate.report import gallery
from yolo4.evaluate.report.against import compare
from yolo4.evaluate.report.evaluation import Evaluation
from yolo4.evaluate.report.gallery import add_pictures, find_costly, make_gallery
from yolo4.evaluate.report.page import write_report
from yolo4.evaluate.report.summary import interval, summarize

NAMES = ("cat", "dog")
CAT = (0, 0, 0, 10, 10, False)
RIGHT, WRONG = (0, 0.75, 0, 0, 10, 10), (0, 0.875, 50, 50, 60, 60)


def evaluation(images, choice=None, has_images=False):
    found, objects = zip(*images, strict=True)
    found = [detections(*each) for each in found]
    records = [record(*each) for each in objects]
    metrics = evaluate(found, records, NAMES, coco=True, choice=choice)
    return Evaluation("x", "there", "so what", records, found, NAMES, metrics, has_images)


def summary_of(evaluated):
    outcomes = find_outcomes(evaluated.detections, evaluated.records, NAMES)
    return summarize(evaluated, outcomes)


@pytest.mark.quick
def test_the_interval_is_that_of_resampled_images():
    # Drawing 2 of 2 images: AP is 1, 1/2 or 0 with probability 1/4, 1/2, 1/4.
    summary = summary_of(evaluation([([RIGHT], [CAT]), ([], [CAT])]))
    assert (summary["map"], summary["interval"]) == (0.5, (0, 1))
    cat, dog = summary["classes"]
    assert (cat["ap"], cat["interval"], cat["objects"]) == (0.5, (0, 1), 2)
    assert (dog["interval"], dog["objects"]) == (None, 0)
    always = summary_of(evaluation([([RIGHT], [CAT])] * 3))
    assert (always["map"], always["interval"]) == (1, (1, 1))


@pytest.mark.quick
def test_the_interval_holds_95_percent_of_the_resamples_that_have_a_value():
    drawn = np.append(np.linspace(0, 1, 1001), np.nan)
    assert interval(drawn) == pytest.approx((0.025, 0.975))
    assert interval(drawn[-1:]) is None


@pytest.mark.quick
def test_it_starts_where_validation_images_chose_or_else_these():
    images = [([WRONG, RIGHT], [CAT])]
    live = {}
    for choice in (ScoreChoice(0.4321, 1.0), ScoreChoice(None, None), None):
        summary = summary_of(evaluation(images, choice))
        live[summary["is_from_val"]] = summary["live"]
    starts = {known: each["thresholds"][each["start"]] for known, each in live.items()}
    assert starts == {True: 0.4321, False: 0.75}
    assert live[True]["thresholds"][:2] == [0, 0.01]
    assert len(live[True]["thresholds"]) == 102
    nothing = summary_of(evaluation([([], [CAT])]))["live"]
    assert nothing["thresholds"][nothing["start"]] == 0.5


@pytest.mark.quick
def test_scores_of_other_ranges_are_within_the_slider():
    images = [([(0, 7.5, 0, 0, 10, 10), (0, -2, 50, 50, 60, 60)], [CAT])]
    thresholds = summary_of(evaluation(images))["live"]["thresholds"]
    assert (thresholds[0], thresholds[-1]) == (-2, 7.5)


@pytest.mark.quick
def test_objects_by_size_and_how_many_are_found():
    large, difficult = (1, 0, 0, 100, 100, False), (0, 70, 70, 80, 80, True)
    sizes = summary_of(evaluation([([RIGHT], [CAT, large, difficult])]))["sizes"]
    assert [entry["objects"] for entry in sizes] == [1, 0, 1]
    assert (sizes[0]["ap"], sizes[2]["ap"]) == (pytest.approx(1), 0)
    assert (sizes[0]["found"][0], sizes[0]["found"][-1], sizes[2]["found"][0]) == (1, 0, 0)


@pytest.mark.quick
def test_the_cost_of_an_image_is_the_rise_of_map_without_it():
    images = [([RIGHT], [CAT]), ([], []), ([WRONG], [CAT]), ([], [CAT])]
    evaluated = evaluation(images)
    outcomes = find_outcomes(evaluated.detections, evaluated.records, NAMES)
    costs = {each["index"]: each["cost"] for each in find_costly(evaluated, outcomes, 0.5)}
    # AP is 1/2 * 1/3; without the false alarm and its cat 1/2, without the other cat 1/2 * 1/2.
    assert costs == pytest.approx({2: 1 / 2 - 1 / 6, 3: 1 / 4 - 1 / 6})
    assert list(costs) == [2, 3]


@pytest.mark.quick
def test_of_many_images_those_with_most_errors_relative_to_the_class_are_measured(monkeypatch):
    monkeypatch.setattr(gallery, "_MOST_MEASURED", 1)
    dog = (1, 0, 0, 10, 10, False)
    # Of six cats, five are missed, three in one image; and the only dog in another.
    evaluated = evaluation([([RIGHT], [CAT]), ([], [CAT, CAT]), ([], [dog]), ([], [CAT] * 3)])
    outcomes = find_outcomes(evaluated.detections, evaluated.records, NAMES)
    assert [each["index"] for each in find_costly(evaluated, outcomes, 0.5)] == [2]


@pytest.mark.quick
def test_the_gallery_has_each_box_with_what_became_of_it():
    evaluated = evaluation([([(1, 0.75, 0, 0, 10, 10), WRONG], [CAT])])
    outcomes = find_outcomes(evaluated.detections, evaluated.records, NAMES)
    (entry,) = make_gallery(evaluated, outcomes, 0.5)
    assert entry["objects"] == [[0, 0, 10, 10, 0, 0, None, 0.75]]
    assert entry["detections"] == [
        [50, 50, 60, 60, 0, 0.875, "background", -1],
        [0, 0, 10, 10, 1, 0.75, "class", 0],
    ]
    assert json.dumps(clean(entry))


@pytest.mark.quick
def test_two_detectors_by_the_objects_that_each_finds():
    dog, hard = (1, 20, 20, 30, 30, False), (0, 70, 70, 80, 80, True)
    right_dog = (1, 0.75, 20, 20, 30, 30)
    objects = [[CAT, dog], [CAT, dog, hard], [CAT]]
    first = [[RIGHT, right_dog], [RIGHT, WRONG], [RIGHT]]
    second = [[RIGHT], [right_dog, (0, 0.25, 0, 0, 10, 10)], []]
    one, two = (
        evaluation(list(zip(found, objects, strict=True)), ScoreChoice(0.5, 1.0))
        for found in (first, second)
    )
    report = compare(one, two, find_outcomes(one.detections, one.records, NAMES))
    cat, dogs = report["classes"]
    # By both, by the first only, by the second only, by neither.
    assert (cat["counts"], dogs["counts"]) == ([1, 2, 0, 0], [0, 1, 1, 0])
    # The first finds all cats with one false alarm before them: 3/4; the second two of three.
    assert cat["ap"] == pytest.approx([3 / 4, 2 / 3])
    assert report["difference"] == pytest.approx((2 / 3 - 3 / 4) / 2)
    assert report["wrong"] == [1, 0]
    assert report["interval"][0] <= report["difference"] <= report["interval"][1]
    assert [each["counts"] for each in report["images"]] == [
        [0, 1, 1, 0],
        [1, 1, 0, 0],
        [0, 1, 0, 0],
    ]
    states = [each["state"] for each in report["images"][0]["boxes"]]
    assert states == ["first", "second"]


@pytest.mark.quick
def test_the_difference_is_that_of_the_second_detector_to_the_first():
    objects = [CAT]
    sees, blind = (evaluation([(found, objects)] * 3) for found in ([RIGHT], []))
    report = compare(sees, blind, find_outcomes(sees.detections, sees.records, NAMES))
    assert (report["difference"], report["interval"]) == (-1, (-1, -1))


@pytest.mark.quick
def test_a_detector_against_itself_differs_in_nothing():
    one = evaluation([([RIGHT, WRONG], [CAT]), ([], [CAT])])
    report = compare(one, one, find_outcomes(one.detections, one.records, NAMES))
    assert (report["difference"], report["interval"], report["images"]) == (0, (0, 0), [])


@pytest.mark.quick
def test_copies_show_objects_and_detections_from_the_threshold_on(tmp_path, monkeypatch):
    """The copy has half of the image's size, and the objects are in the left half of it."""
    monkeypatch.setattr(gallery, "_LARGEST_SIDE", 100)
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((200, 200, 3), np.uint8))
    low, high = (0, 0.25, 20, 140, 60, 180), (0, 0.75, 140, 140, 180, 180)
    evaluated = evaluation([([low, high], [(0, 140, 100, 180, 140, False)])], has_images=True)
    records = [replace(evaluated.records[0], image=tmp_path / "a.png")]
    evaluated = replace(evaluated, records=records)
    entries = [{"index": 0}]
    add_pictures(entries, evaluated, 0.5, tmp_path)
    copy = cv2.imread(str(tmp_path / entries[0]["full_size"])).max(axis=2) > 64
    assert copy.shape == (100, 200)
    rows, columns = np.nonzero(copy[:, :100])
    assert (rows.max(), columns.max()) == (pytest.approx(70, abs=3), pytest.approx(90, abs=3))
    # The lower edges of the two detections.
    edge = copy[87:93, 100:]
    assert edge[:, 75:85].any()
    assert not edge[:, :50].any()


def test_the_page_has_its_pictures_inside_and_copies_beside_it(tmp_path):
    made = made_evaluation(tmp_path)
    (tmp_path / "out" / "report_images").mkdir(parents=True)
    (tmp_path / "out" / "report_images" / "042_old.jpg").touch()
    page = Page(write_report(made, tmp_path / "out").read_text(encoding="utf-8"))
    assert f"mAP is {100 * made.metrics.map50:.1f} points" in page.text
    assert "split test of data; these images chose nothing" in page.text
    assert "the threshold with the best F1 on the validation images" in page.text
    copies = {file.relative_to(tmp_path / "out").as_posix() for file in tmp_path.rglob("out/*/*")}
    links = {tag["href"] for tag in page.tags("a") if tag["href"].startswith("report_images")}
    assert copies == links
    assert len(links) == len(page.tags("img")) > 3
    assert all(tag["src"].startswith("data:image/jpeg") for tag in page.tags("img"))


def test_the_page_of_two_detectors_has_both_side_by_side(tmp_path):
    made = made_evaluation(tmp_path)
    blind = [detections() for _ in made.records]
    metrics = evaluate(blind, made.records, made.class_names)
    other = replace(made, name="logs/<blind>", detections=blind, metrics=metrics)
    page = Page(write_report(made, tmp_path / "out", other).read_text(encoding="utf-8"))
    assert "The mAP of logs/<blind> is 0.0 points" in page.text
    assert "by the first only, 0 by the second only" in page.text
    assert "at least one of which these images chose" in page.text
    assert [tag["id"] for tag in page.tags("section")][-1] == "against"


def test_without_images_it_says_so_and_that_these_images_chose_the_threshold(tmp_path):
    made = made_evaluation(tmp_path, choice=None, has_images=False)
    page = Page(write_report(made, tmp_path / "out").read_text(encoding="utf-8"))
    assert "these images: they chose it themselves" in page.text
    assert "There are no pictures, since text files do not name the images" in page.text
    assert page.tags("img") == []
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["report.html"]


def test_thumbnails_end_where_the_page_would_be_too_large(tmp_path, monkeypatch):
    made = made_evaluation(tmp_path)
    pages = []
    for most in (16_000_000, 20_000):
        monkeypatch.setattr("yolo4.evaluate.report.gallery._MOST_CHARACTERS", most)
        text = write_report(made, tmp_path / "out").read_text(encoding="utf-8")
        pages.append([tag["src"] for tag in Page(text).tags("img")])
    all_of_them, fewer = pages
    assert fewer == all_of_them[: len(fewer)]
    assert sum(map(len, fewer)) <= 20_000 < sum(map(len, all_of_them[: len(fewer) + 1]))
    assert len(list((tmp_path / "out" / "report_images").iterdir())) == len(all_of_them)


def test_an_image_that_is_gone_leaves_its_boxes(tmp_path):
    made = made_evaluation(tmp_path)
    outcomes = find_outcomes(made.detections, made.records, made.class_names)
    count = len(find_costly(made, outcomes, 0.4375))
    for each in made.records:
        each.image.unlink()
    page = Page(write_report(made, tmp_path / "out").read_text(encoding="utf-8"))
    assert len([tag for tag in page.tags("li") if "data-index" in tag]) == count > 3
    assert page.tags("img") == []


@pytest.mark.quick
def test_names_of_classes_cannot_break_out_of_the_page(tmp_path):
    names = ("</script><b>x", 'a"b')
    found, records = [detections(RIGHT, WRONG)], [record(CAT)]
    metrics = evaluate(found, records, names)
    made = Evaluation("<i>", "t", "c", records, found, names, metrics, False)
    page = Page(write_report(made, tmp_path).read_text(encoding="utf-8"))
    assert page.tags("b") == page.tags("i") == []
    assert [tag["id"] for tag in page.tags("section")][-1] == "gallery"
