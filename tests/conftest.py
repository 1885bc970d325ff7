"""Shared by all tests."""

import os
import signal

import hypothesis
import matplotlib
import pytest

from tests.helpers.browser import opened_pages, started_browser
from yolo4.environment.onednn import prefer_onednn

# Before any test imports TensorFlow.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
prefer_onednn()

# A shell has its jobs in the background ignore Ctrl-C, which the programs that tests start inherit.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Deadlines measure the machine, not the code.
hypothesis.settings.register_profile("project", deadline=None, max_examples=50)
hypothesis.settings.load_profile("project")


def pytest_collection_modifyitems(items):
    """Long tests come first, so that no process is left alone with one of them at the end."""
    items.sort(key=lambda item: item.get_closest_marker("quick") is not None)


@pytest.fixture(scope="session", autouse=True)
def _cache_of_its_own(tmp_path_factory):
    """Leave the user's cache folder alone, but for Matplotlib's list of fonts, slow to make."""
    os.environ.setdefault("MPLCONFIGDIR", matplotlib.get_cachedir())
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def precision_policy():
    """Sets a Keras precision policy for one test."""
    import keras

    yield keras.mixed_precision.set_global_policy
    keras.mixed_precision.set_global_policy("float32")


@pytest.fixture(scope="module")
def browser():
    with started_browser() as browser:
        yield browser


@pytest.fixture
def open_page(browser, page_file):
    """Opens the page that the fixture `page_file` of a module has made."""
    with opened_pages(browser, page_file) as opened:
        yield opened
