"""The collector rests within the block, and is afterwards as it was."""

import gc
from contextlib import suppress

import pytest

from utils.annotations import load as loading
from utils.errors import UserError
from utils.process.collector import collector_paused

pytestmark = pytest.mark.quick


@pytest.fixture(autouse=True)
def _enabled_afterwards():
    yield
    gc.enable()


@pytest.mark.parametrize("change", [gc.enable, gc.disable])
def test_the_collector_is_afterwards_as_it_was(change):
    change()
    before = gc.isenabled()
    with suppress(KeyError), collector_paused():
        assert not gc.isenabled()
        raise KeyError
    assert gc.isenabled() == before


def test_a_scan_pauses_it(tmp_path, monkeypatch):
    states = []

    def find(data):
        states.append(gc.isenabled())
        raise UserError("nothing there")

    monkeypatch.setattr(loading, "find_data", find)
    with pytest.raises(UserError):
        loading.load_dataset(tmp_path)
    assert states == [False]
    assert gc.isenabled()
