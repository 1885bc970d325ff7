"""The page in a browser: nothing overflows, nothing is requested, tables sort."""

import os
import shutil

import pytest

from tests.helpers.report_sample import ARMS, make_report
from yolo4.compare.report.page import render

LONG = "focal:focal_alpha=0.25:focal_gamma=1:confidence_gain=4:ignore_threshold=0.55"
SCREENS = {"phone": (360, 740), "desktop": (1280, 900)}
OVERFLOWING = """
() => [...document.querySelectorAll("body *")].filter(element => {
  if (element.closest(".scroll") && !element.matches(".scroll")) return false;
  if (element.closest("svg") && element.tagName !== "svg") return false;
  const box = element.getBoundingClientRect();
  return box.right > innerWidth + 0.5 || box.left < -0.5;
}).map(element => element.outerHTML.slice(0, 120))
"""
# Texts that extend beyond their drawing.
CUT_OFF = """
() => [...document.querySelectorAll("figure svg text")].filter(text => {
  const box = text.getBoundingClientRect(), all = text.closest("svg").getBoundingClientRect();
  return box.right > all.right + 1 || box.left < all.left - 1
    || box.bottom > all.bottom + 1 || box.top < all.top - 1;
}).map(text => text.closest("figure").id + ": " + text.textContent)
"""
COLUMN = """
([label, index]) => [...document.querySelectorAll(`[aria-label="${label}"] tbody tr`)]
  .map(row => row.cells[index].dataset.value ?? row.cells[index].textContent.trim())
"""


@pytest.fixture(scope="module")
def browser():
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        reason = "there is no chromium; on Debian: apt-get install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    # Root in a container lacks the rights that the sandbox needs; the page is ours.
    arguments = ["--no-sandbox"] if os.name == "posix" and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=arguments)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def report_file(tmp_path_factory):
    classes = ("RBC", "<b>WBC</b>", "a_very_long_name_of_a_class_without_any_space_at_all_in_it")
    report = make_report([*ARMS, LONG], classes=classes, unfinished={("focal", 1): "failed"})
    report["output"] = "/a/very/long/folder" * 9
    return render(report, tmp_path_factory.mktemp("report"))


@pytest.fixture
def open_page(browser, report_file):
    """Opens the report; fails if the page made a request or logged a message."""
    requests, complaints, contexts = [], [], []

    def opened(screen="desktop", scheme="light"):
        width, height = SCREENS[screen]
        view = {"width": width, "height": height}
        context = browser.new_context(viewport=view, color_scheme=scheme, accept_downloads=True)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(report_file.as_uri())
        page.wait_for_load_state()
        return page

    yield opened
    for context in contexts:
        context.close()
    outside = [url for url in requests if not url.startswith("data:")]
    assert outside == [report_file.as_uri()] * len(contexts)
    assert complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
def test_nothing_overflows(open_page, screen, scheme):
    page = open_page(screen, scheme)
    width = SCREENS[screen][0]
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(OVERFLOWING) == []
    assert page.evaluate(CUT_OFF) == []
    pictures = "[...document.images].every(image => image.complete && image.naturalWidth > 0)"
    assert page.evaluate(pictures)


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


def test_numbers_of_a_figure_can_be_saved(open_page, report_file):
    page = open_page()
    with page.expect_download() as saving:
        page.locator("#runs a.csv").click()
    stored = report_file.parent / "data" / "runs.csv"
    assert saving.value.suggested_filename == "runs.csv"
    assert saving.value.path().read_bytes() == stored.read_bytes()
