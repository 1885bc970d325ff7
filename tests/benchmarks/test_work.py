"""The arithmetic of the networks, and the order in which a GPU is measured."""

import time

import pytest

from benchmarks import gpu
from benchmarks.gpu import GpuOptions, rows
from benchmarks.peers.work import Work, forward_flops
from benchmarks.workers import WorkerError

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("network", "size", "published"),
    # Billions of operations, as Darknet prints them: https://github.com/AlexeyAB/darknet
    [("yolov4", 608, 128.5), ("yolov4", 416, 60.1), ("yolov4-tiny", 416, 6.9)],
)
def test_operations_are_those_that_darknet_counts(network, size, published):
    work = Work(network=network, input_size=size, classes=80)
    # Darknet also counts the additions of shortcuts and the comparisons of pools.
    assert forward_flops(work) / 1e9 == pytest.approx(published, rel=0.01)


def test_a_training_step_computes_three_products_for_each_image():
    work = Work(input_size=64, batch_size=5)
    assert work.flops == 15 * forward_flops(work)


def test_every_combination_is_a_row_and_the_most_telling_come_first(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    found = rows(GpuOptions())
    jobs = [row.work for row in found]
    assert len(found) == len({(row.library, row.work) for row in found}) == 3 * 2 * 2 * 2 * 4
    assert [row.library for row in found[:3]] == [
        "this project, jax",
        "PyTorch compiled",
        "PyTorch",
    ]
    first = jobs[0]
    assert (first.network, first.job, first.precision) == ("yolov4", "training", "bfloat16")
    assert {work.network for work in jobs[:12]} == {"yolov4"}
    assert jobs[-1].network == "yolov4-tiny"


class LateWorker:
    """A worker of PyTorch that is not done when the time is over; the others are."""

    def __init__(self, row):
        self.is_late = row.module == "torch"

    def make(self, seconds):
        if self.is_late:
            time.sleep(max(0, seconds) + 0.01)
            raise WorkerError("not done in time")

    def run(self, steps, seconds=None):
        return 0.1

    def memory(self):
        return 10**9

    def close(self):
        pass


def test_rows_that_the_end_cuts_off_are_left_for_the_next_call(monkeypatch, capsys):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setattr(gpu.Row, "worker", lambda row: LateWorker(row))
    todo = list(enumerate(rows(GpuOptions(networks=("yolov4-tiny",), batches=(2,))), 1))
    peaks = {"bfloat16": 1e12, "float32": 1e12}
    assert gpu._print_rows(todo, peaks, time.monotonic() + 0.2, at_once=2) == 2
    printed = capsys.readouterr().out.splitlines()
    assert [line.split("|")[1].strip() for line in printed] == ["1", "4"]
