"""Shared by the tests of inference."""

import pytest

from tests.helpers.made_run import write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("logs") / "run")
