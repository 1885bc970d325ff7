"""Weights of other programs, made once for all tests of the room."""

import pytest

from tests.helpers.foreign_files import make_foreign_files


@pytest.fixture(scope="session")
def of_keras2(tmp_path_factory):
    return make_foreign_files(tmp_path_factory.mktemp("keras2"), "tf_keras")


@pytest.fixture(scope="session")
def of_keras3(tmp_path_factory):
    return make_foreign_files(tmp_path_factory.mktemp("keras3"), "keras")
