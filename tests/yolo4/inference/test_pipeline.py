import os
import signal
import threading
import time
from types import SimpleNamespace

import pytest

from utils.process.signals import Terminated
from yolo4.inference.pipeline import Pace, finish_on_interrupt, in_batches, overlapped

pytestmark = pytest.mark.quick

DEADLOCK = 120  # seconds; no machine needs as many


def test_order_is_kept_whatever_finishes_first():
    def slow_when_even(number):
        time.sleep(0.02 * (number % 2 == 0))
        return number * number

    assert list(overlapped(slow_when_even, range(12), 4, 6)) == [n * n for n in range(12)]


@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_no_more_than_that_is_taken_ahead(ahead):
    taken = []

    def items():
        for number in range(20):
            taken.append(number)
            yield number

    for done, _ in enumerate(overlapped(lambda number: number, items(), 2, ahead), start=1):
        assert len(taken) <= done + ahead


def test_work_goes_on_while_a_result_is_used():
    working = threading.Event()
    results = overlapped(lambda number: working.set() if number == 1 else None, range(3), 1, 1)
    next(results)
    assert working.wait(DEADLOCK)
    results.close()


def test_an_error_comes_out_in_its_place():
    def refuse_two(number):
        if number == 2:
            raise KeyError(number)
        return number

    seen = []
    with pytest.raises(KeyError):
        seen.extend(overlapped(refuse_two, range(5), 2, 4))  # extend keeps what came before
    assert seen == [0, 1]


def test_closing_ends_the_threads():
    before = threading.active_count()
    results = overlapped(lambda number: number, range(100), 3, 10)
    next(results)
    results.close()
    assert threading.active_count() == before


def test_batches():
    assert list(in_batches(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(in_batches([], 3)) == []


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)]
)
def test_the_first_signal_asks_and_the_second_interrupts(capsys, number, error):
    def press_twice():
        with finish_on_interrupt() as stop:
            os.kill(os.getpid(), number)
            assert stop.wait(DEADLOCK)
            assert stop.status == 128 + number
            assert "Ctrl-C again" in capsys.readouterr().err
            os.kill(os.getpid(), number)
            time.sleep(DEADLOCK)

    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt) as caught:
        press_twice()
    assert caught.type is error
    assert signal.getsignal(number) is before


def test_pace_leaves_out_the_first_batch(monkeypatch):
    now = iter([0.0, 10.0, 12.0])
    clock = SimpleNamespace(perf_counter=lambda: next(now))  # other threads keep the real one
    monkeypatch.setattr("yolo4.inference.pipeline.time", clock)
    pace = Pace()
    pace.count(4)  # at 10 s, after compiling
    pace.count(6)
    assert str(pace) == "10 images in 12.0 s, 3.0 images/s after the first batch"
