"""The page in a browser: nothing overflows, nothing is requested, tables sort."""

import pytest

from tests.helpers.browser import SCREENS, assert_fits
from tests.helpers.report_sample import ARMS, make_report
from yolo4.compare.report.page import render

LONG = "focal:focal_alpha=0.25:focal_gamma=1:confidence_gain=4:ignore_threshold=0.55"
COLUMN = """
([label, index]) => [...document.querySelectorAll(`[aria-label="${label}"] tbody tr`)]
  .map(row => row.cells[index].dataset.value ?? row.cells[index].textContent.trim())
"""


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    classes = ("RBC", "<b>WBC</b>", "a_very_long_name_of_a_class_without_any_space_at_all_in_it")
    report = make_report([*ARMS, LONG], classes=classes, unfinished={("focal", 1): "failed"})
    report["output"] = "/a/very/long/folder" * 9
    return render(report, tmp_path_factory.mktemp("report"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
def test_nothing_overflows(open_page, screen, scheme):
    assert_fits(open_page(screen, scheme))


@pytest.mark.parametrize("screen", SCREENS)
def test_letters_can_be_read(open_page, screen):
    page = open_page(screen)
    smallest = """Math.min(...[...document.querySelectorAll("figure svg text")].map(text => {
      const {a, b} = text.getCTM();
      return parseFloat(getComputedStyle(text).fontSize) * Math.hypot(a, b);
    }))"""
    assert page.evaluate(smallest) >= 9


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_scheme_colors_page_and_drawings(open_page, scheme):
    page = open_page("desktop", scheme)
    dark = {"light": False, "dark": True}[scheme]
    for selector, name, is_ground in (
        ("body", "backgroundColor", True),
        ("body", "color", False),
        ("figure svg text", "fill", False),
    ):
        script = "([s, n]) => getComputedStyle(document.querySelector(s))[n]"
        color = page.evaluate(script, [selector, name])
        brightness = sum(map(int, color.removeprefix("rgb(").removesuffix(")").split(","))) / 3
        assert (brightness < 128) == (dark == is_ground), (selector, name, color)


def test_tables_sort_by_mouse_and_keyboard(open_page):
    page = open_page()
    heads = page.locator('[aria-label="Every run"] thead th')
    heads.nth(3).locator("button").click()
    column = page.evaluate(COLUMN, ["Every run", 3])
    known = [float(value) for value in column if value]
    assert len(known) == 11
    assert known == sorted(known)
    assert column[-1] == ""
    assert heads.nth(3).get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Enter")
    column = page.evaluate(COLUMN, ["Every run", 3])
    assert [float(value) for value in column if value] == known[::-1]
    assert column[-1] == ""
    assert heads.nth(3).get_attribute("aria-sort") == "descending"
    heads.nth(0).locator("button").press("Space")
    names = page.evaluate(COLUMN, ["Every run", 0])
    assert names[:3] == ["bce"] * 3
    assert heads.nth(3).get_attribute("aria-sort") is None


def test_numbers_of_a_figure_can_be_saved(open_page, page_file):
    page = open_page()
    with page.expect_download() as saving:
        page.locator("#runs a.csv").click()
    stored = page_file.parent / "data" / "runs.csv"
    assert saving.value.suggested_filename == "runs.csv"
    assert saving.value.path().read_bytes() == stored.read_bytes()
