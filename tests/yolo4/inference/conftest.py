"""Shared by the tests of inference."""

import pytest

from tests.helpers.made_run import write_run
from tests.helpers.shared import made_once
from yolo4.run import Run


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """A run; its exported networks stay, so that only the first test that needs one waits."""
    return Run(made_once(tmp_path_factory, "inference_run", write_run))
