"""Shared by the tests of the callbacks."""

import pytest

from yolo4.run import Run


@pytest.fixture
def run(tmp_path):
    (tmp_path / "run").mkdir()
    return Run(tmp_path / "run")
