"""The arithmetic of the networks, and the order in which a GPU is measured."""

import pytest

from benchmarks.gpu import GpuOptions, rows
from benchmarks.peers.work import Work, forward_flops

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
