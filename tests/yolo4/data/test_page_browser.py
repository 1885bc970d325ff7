"""The page of a data set in a browser: nothing overflows, nothing is requested, tables sort."""

import pytest

from tests.helpers.browser import SCREENS, assert_fits
from tests.helpers.made_data import made_data_set, made_record, zero_area
from utils.image import read_image
from utils.inspection.leaks import Leak
from utils.inspection.objects import Objects
from yolo4.config import Config
from yolo4.data.page import render
from yolo4.data.pictures import add_pictures
from yolo4.data.summary import summarize
from yolo4.sample_data.make import make_sample_data

NAMES = ("cat", "<b>dog</b>", *(f"a_long_name_of_a_class_without_a_space_{i}" for i in range(30)))


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    """A page with every section filled: several splits, many classes, leaks, problems."""
    folder = tmp_path_factory.mktemp("page")
    data = make_sample_data(folder / "data", 12, 4, 4, size=128)
    files = sorted((data / "JPEGImages").glob("*.jpg"))
    height, width, _ = read_image(files[0]).shape

    def record(number):
        labels = range(number % len(NAMES), len(NAMES), 7)
        boxes = [(label, i, 3 * i, i + 9 + label, 4 * i + 20) for i, label in enumerate(labels)]
        return made_record(
            files[number], (width, height), *boxes, (0, 1, 1, 30, 31), (1, 1, 1, 30, 30)
        )

    splits = {
        "train": list(map(record, range(12))),
        "val": list(map(record, range(12, 16))),
        "test": list(map(record, range(16, 20))),
    }
    findings = [zero_area(i) for i in range(7)]
    data_set = made_data_set(NAMES, splits, findings, ["a note " * 30], ["a warning " * 30])
    config = Config(data=("/a/very/long/folder" * 9,), input_size=96)
    objects = Objects.of(splits, config.input_shape)
    leaks = [Leak("test", str(files[16]), "train", str(files[0]), 9)] * 3
    summary = summarize(data_set, objects, config, leaks)
    add_pictures(summary, objects, NAMES)
    render(summary, objects, folder / "page.html")
    return folder / "page.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
def test_nothing_overflows_and_every_picture_is_there(open_page, screen, scheme):
    assert_fits(open_page(screen, scheme), least_pictures=61)


def test_classes_sort_by_their_objects(open_page):
    page = open_page()
    page.locator('[aria-label="Classes"] thead th').nth(1).locator("button").click()
    script = """[...document.querySelectorAll('[aria-label="Classes"] tbody tr')]
      .map(row => Number(row.cells[1].dataset.value))"""
    counts = page.evaluate(script)
    assert len(counts) == len(NAMES)
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


def test_the_long_table_of_classes_scrolls_with_its_head_in_sight(open_page):
    page = open_page("phone")
    box = page.locator('[aria-label="Classes"]')
    assert box.evaluate("e => e.scrollHeight > e.clientHeight && e.clientHeight <= 600")
    box.evaluate("e => e.scrollTo(0, e.scrollHeight)")
    top, head = (
        page.locator(selector).evaluate("e => e.getBoundingClientRect().top")
        for selector in ('[aria-label="Classes"]', '[aria-label="Classes"] thead th >> nth=0')
    )
    assert abs(head - top) <= 2
