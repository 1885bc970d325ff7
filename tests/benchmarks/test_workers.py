"""Workers answer, report what failed in one line, and end on request."""

import time

import pytest

from benchmarks.workers import Steps, Worker, WorkerError

pytestmark = pytest.mark.quick


def counted(start):
    """Steps that add up, so that an answer tells which requests came before."""
    total = [start]

    def run(count):
        if count == 13:
            raise ValueError("thirteen\nsteps")
        if count == 99:
            time.sleep(60)
        total[0] += count
        return float(total[0])

    return Steps(run, memory=lambda: 7 * total[0], note={"from": start})


@pytest.fixture
def worker():
    made = Worker(f"{__name__}:counted", 100)
    yield made
    made.close()


def test_a_worker_makes_its_steps_once_and_runs_them_on_request(worker):
    worker.make()
    assert worker.note == {"from": 100}
    assert [worker.run(2), worker.run(3)] == [102, 105]
    assert worker.memory() == 7 * 105


def test_an_error_comes_in_one_line_and_the_worker_goes_on(worker):
    worker.make()
    with pytest.raises(WorkerError, match=r"^ValueError: thirteen$"):
        worker.run(13)
    assert worker.run(1) == 101


def test_a_worker_that_takes_too_long_can_be_closed(worker):
    worker.make()
    with pytest.raises(WorkerError, match="not done in time"):
        worker.run(99, seconds=0.1)
    start = time.monotonic()
    worker.close()
    assert time.monotonic() - start < 30
    worker.close()


def test_a_process_that_ends_is_noticed():
    worker = Worker("os:_exit", 3)
    with pytest.raises(WorkerError, match="ended with status 3"):
        worker.make()
    worker.close()
