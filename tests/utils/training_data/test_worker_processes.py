"""Batches made in worker processes: the same as made here, and no process is left behind."""

import gc
import os
import pickle
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import cv2
import numpy as np
import psutil
import pytest

from tests.helpers import ROOT
from utils.errors import UserError
from utils.image import ImageError
from utils.records import Record
from utils.training_data.augment import Augmentation
from utils.training_data.dataset import TrainingSet
from utils.training_data.worker_processes import (
    MAX_THREADS,
    ProcessBatchMaker,
    batch_maker,
    process_count,
)

DEADLOCK = 120  # seconds; no machine needs as many
BATCH = 2


@pytest.fixture
def training(tmp_path):
    rng = np.random.default_rng(0)
    records = []
    for i in range(7):
        path = tmp_path / f"{i}.png"
        cv2.imwrite(str(path), rng.integers(0, 256, (40, 40, 3), dtype=np.uint8))
        boxes = np.array([[4, 4, 20 + i, 30]], np.float32)
        records.append(Record(path, (40, 40), boxes, np.array([i], np.int32), np.zeros(1, bool)))
    sizes = ((32, 64), (64, 128), (96, 192))
    return TrainingSet(records, (64, 128), 3, Augmentation(), composite_epochs=10, sizes=sizes)


def children():
    """The processes that make batches; multiprocessing has one more to keep its accounts."""
    accounts = "from multiprocessing.resource_tracker"
    found = psutil.Process().children()
    return [process for process in found if accounts not in " ".join(process.cmdline())]


@pytest.mark.quick
def test_batches_are_the_same_in_any_order_and_any_number_of_threads(training):
    requests = [(step, epoch) for epoch in range(3) for step in range(training.steps(BATCH))]
    order = np.random.default_rng(1).permutation(len(requests)).tolist()
    with closing(ProcessBatchMaker(training, BATCH, 2)) as made, ThreadPoolExecutor(6) as threads:
        assert made.steps(BATCH) == training.steps(BATCH)
        found = list(threads.map(lambda k: made.batch(*requests[k], BATCH), order))
    for k, (images, targets) in zip(order, found, strict=True):
        expected_images, expected = training.batch(*requests[k], BATCH)
        np.testing.assert_array_equal(images, expected_images)
        for name, value in expected.items():
            np.testing.assert_array_equal(targets[name], value)


def test_an_image_that_cannot_be_read_is_named(training, tmp_path):
    (tmp_path / "3.png").write_bytes(b"no image")
    with closing(ProcessBatchMaker(training, 7, 1)) as made, pytest.raises(ImageError) as caught:
        made.batch(0, 0, 7)
    assert str(caught.value) == f"{tmp_path / '3.png'}: not an image of a known format"


class Failing(TrainingSet):
    """A set whose batches fail."""

    def batch(self, step, epoch, batch_size):
        raise OSError(f"no room for step {step}")


def test_any_other_error_is_reported_with_its_traceback(training):
    training.__class__ = Failing
    with closing(ProcessBatchMaker(training, BATCH, 1)) as made:
        for step in (0, 1):  # the process outlives it
            with pytest.raises(
                RuntimeError, match=f"(?s)in batch.*OSError: no room for step {step}"
            ):
                made.batch(step, 0, BATCH)
        assert len(children()) == 1


def test_they_can_be_started_from_another_thread(training):
    with ThreadPoolExecutor(1) as thread:
        made = thread.submit(ProcessBatchMaker, training, BATCH, 1).result()
    with closing(made):
        np.testing.assert_array_equal(made.batch(0, 0, BATCH)[0], training.batch(0, 0, BATCH)[0])


@pytest.mark.filterwarnings("error")
def test_a_killed_process_is_reported_in_one_line(training):
    with closing(ProcessBatchMaker(training, BATCH, 1)) as made:
        killed = children()
        for process in killed:
            process.kill()
            process.wait()
        with pytest.raises(UserError, match=r"was killed.*fewer --workers"):
            made.batch(1, 0, BATCH)
    assert len(killed) == 1
    assert not children()
    gc.collect()  # what the error leaves behind is freed without another error


@pytest.fixture
def heard():
    """Ctrl-C raises KeyboardInterrupt, as in a terminal; a job in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield signal.default_int_handler
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard")
def test_ctrl_c_does_not_reach_them(training):
    with closing(ProcessBatchMaker(training, BATCH, 2)) as made:
        made.batch(0, 0, BATCH)
        started = children()
        for process in started:
            process.send_signal(signal.SIGINT)
        made.batch(1, 0, BATCH)
        made.batch(2, 0, BATCH)
        assert children() == started
        assert len(started) == 2


def test_ctrl_c_while_they_start_does_not_reach_them_either(training, heard):
    with closing(ProcessBatchMaker(training, BATCH, 2)) as made:
        started = children()
        for process in started:
            process.send_signal(signal.SIGINT)
        made.batch(0, 0, BATCH)
        made.batch(1, 0, BATCH)
        assert children() == started
        assert len(started) == 2
    assert signal.getsignal(signal.SIGINT) is heard


def test_nothing_is_made_once_it_is_closed(training):
    made = ProcessBatchMaker(training, BATCH, 2)
    made.close()
    assert not children()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="closed"):
            made.batch(0, 0, BATCH)


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_they_end_with_the_process_that_began_them(training, tmp_path):
    kept = tmp_path / "training"
    kept.write_bytes(pickle.dumps(training))
    script = (
        "import pickle, sys, time\n"
        "from tests.utils.training_data import test_worker_processes as tests\n"
        "if __name__ == '__main__':\n"
        "    training = pickle.load(open(sys.argv[1], 'rb'))\n"
        "    made = tests.ProcessBatchMaker(training, tests.BATCH, 1)\n"
        "    made.batch(0, 0, tests.BATCH)\n"
        "    print(*[process.pid for process in tests.children()], flush=True)\n"
        "    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", script, str(kept)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as parent:
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 1
        assert all(psutil.pid_exists(pid) for pid in pids)
        parent.kill()
    deadline = time.monotonic() + DEADLOCK
    while any(map(psutil.pid_exists, pids)):
        assert time.monotonic() < deadline, f"{pids} are still there"
        time.sleep(0.05)


def test_few_workers_are_threads(training):
    assert process_count(MAX_THREADS) == 1
    assert process_count(MAX_THREADS + 1) == MAX_THREADS + 1
    with batch_maker(training, BATCH, MAX_THREADS) as maker:
        assert maker is training
    with batch_maker(training, BATCH, MAX_THREADS + 1) as maker:
        assert isinstance(maker, ProcessBatchMaker)
        maker.batch(0, 0, BATCH)
        assert len(children()) == MAX_THREADS + 1
    assert not children()
