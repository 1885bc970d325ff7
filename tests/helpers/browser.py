"""The pages in Chromium: what is wider than the screen, and what a page asks for."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SCREENS = {"phone": (360, 740), "desktop": (1280, 900)}
_OVERFLOWING = """
() => [...document.querySelectorAll("body *")].filter(element => {
  if (element.closest(".scroll") && !element.matches(".scroll")) return false;
  if (element.closest("svg") && element.tagName !== "svg") return false;
  const box = element.getBoundingClientRect();
  return box.right > innerWidth + 0.5 || box.left < -0.5;
}).map(element => element.outerHTML.slice(0, 120))
"""
# Texts that extend beyond their drawing.
_CUT_OFF = """
() => [...document.querySelectorAll("figure svg text")].filter(text => {
  const box = text.getBoundingClientRect(), all = text.closest("svg").getBoundingClientRect();
  return box.right > all.right + 1 || box.left < all.left - 1
    || box.bottom > all.bottom + 1 || box.top < all.top - 1;
}).map(text => text.closest("figure").id + ": " + text.textContent)
"""
_PICTURES = "[...document.images].every(image => image.complete && image.naturalWidth > 0)"


@contextmanager
def started_browser(*more_arguments: str) -> Iterator:
    """Chromium; the test is skipped if there is none."""
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
        opened = playwright.chromium.launch(
            executable_path=program, args=[*arguments, *more_arguments]
        )
        yield opened
        opened.close()


@contextmanager
def opened_pages(browser, file: Path) -> Iterator[Callable]:
    """A function that opens a page on a screen; fails if it made a request or logged a message."""
    requests, complaints, contexts = [], [], []

    def opened(screen="desktop", scheme="light", seconds=None):
        width, height = SCREENS[screen]
        view = {"width": width, "height": height}
        context = browser.new_context(viewport=view, color_scheme=scheme, accept_downloads=True)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(120_000)
        if seconds is not None:  # since 1970
            page.clock.set_fixed_time(seconds)
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(file.as_uri())
        page.wait_for_load_state()
        return page

    yield opened
    for context in contexts:
        context.close()
    outside = [url for url in requests if not url.startswith("data:")]
    assert outside == [file.as_uri()] * len(contexts)
    assert complaints == []


def assert_fits(page, least_pictures: int = 0) -> None:
    """Nothing is wider than the screen or cut off, and every picture is shown."""
    width = page.viewport_size["width"]
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(_OVERFLOWING) == []
    assert page.evaluate(_CUT_OFF) == []
    assert page.evaluate("document.images.length") >= least_pictures
    assert page.evaluate(_PICTURES)
