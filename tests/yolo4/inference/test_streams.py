import json
import threading
import time

import numpy as np
import pytest

from yolo4.inference import streams
from yolo4.inference.streams import measured_streams

pytestmark = pytest.mark.quick

SIZE = (32, 64)


class FakeNetworks:
    """Networks on a machine whose images take so many milliseconds with so many streams."""

    def __init__(self, milliseconds, monkeypatch, cores=4):
        monkeypatch.setattr(streams.os, "cpu_count", lambda: cores)
        self.milliseconds = milliseconds
        self.opened = []

    def open(self, count):
        self.opened.append(count)
        slots, threads = threading.Semaphore(count), set()

        def infer(images):
            threads.add(threading.current_thread())
            assert len(threads) <= count, "more threads than streams, whose first call is slow"
            assert images.shape == (1, *SIZE, 3)
            assert images.dtype == np.uint8
            assert slots.acquire(blocking=False), "more calls at once than streams"
            time.sleep(self.milliseconds[count] / 1000)
            slots.release()

        return infer


@pytest.mark.parametrize(
    ("milliseconds", "fastest"),
    [
        ({1: 2, 2: 30, 4: 90}, 1),  # images in flight push each other out of the cache
        ({1: 20, 2: 4, 4: 90}, 2),
        ({1: 30, 2: 40, 4: 4}, 4),
    ],
)
def test_the_number_of_streams_with_most_images_a_second(
    milliseconds, fastest, tmp_path, monkeypatch
):
    networks = FakeNetworks(milliseconds, monkeypatch)
    assert measured_streams(networks.open, SIZE, tmp_path / "streams.json", "a") == fastest
    assert networks.opened == [1, 2, 4]


def test_it_is_measured_once_on_each_machine(tmp_path, monkeypatch):
    networks = FakeNetworks({1: 1, 2: 50}, monkeypatch, cores=2)
    file = tmp_path / "streams.json"
    assert [measured_streams(networks.open, SIZE, file, "a") for _ in range(3)] == [1, 1, 1]
    assert networks.opened == [1, 2]
    measured_streams(networks.open, SIZE, file, "b")
    assert networks.opened == [1, 2] * 2


def test_more_cores_than_at_the_measurement_are_measured_again(tmp_path, monkeypatch):
    file, milliseconds = tmp_path / "streams.json", {1: 30, 2: 1, 4: 10, 8: 90}
    two = FakeNetworks(milliseconds, monkeypatch, cores=2)
    assert measured_streams(two.open, SIZE, file, "a") == 2
    eight = FakeNetworks(milliseconds, monkeypatch, cores=8)
    assert measured_streams(eight.open, SIZE, file, "a") == 4


@pytest.mark.parametrize("content", ["", "[", "3", "{}", '{"streams": "x", "place": "a"}'])
def test_a_damaged_result_is_measured_again(content, tmp_path, monkeypatch):
    networks = FakeNetworks({1: 1, 2: 50}, monkeypatch, cores=2)
    file = tmp_path / "streams.json"
    file.write_text(content)
    assert measured_streams(networks.open, SIZE, file, "a") == 1
    assert json.loads(file.read_text()) == {"streams": 1, "place": "a"}


def test_a_folder_that_cannot_be_written_is_measured_at_each_start(tmp_path, monkeypatch):
    networks = FakeNetworks({1: 1, 2: 50}, monkeypatch, cores=2)
    (tmp_path / "file").write_text("")
    for _ in range(2):
        assert measured_streams(networks.open, SIZE, tmp_path / "file" / "s.json", "a") == 1
    assert networks.opened == [1, 2] * 2


def test_one_core_has_nothing_to_choose(tmp_path, monkeypatch):
    networks = FakeNetworks({}, monkeypatch, cores=1)
    assert measured_streams(networks.open, SIZE, tmp_path / "streams.json", "a") == 1
    assert not networks.opened
