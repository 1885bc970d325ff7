"""What an export says of a lower precision, and when it refuses it."""

import numpy as np
import pytest

from utils.errors import UserError
from yolo4.export.precision import Cost, _milliseconds, verdict

EXACT = Cost(megabytes=13.5, milliseconds=40.0, map=0.875)


@pytest.mark.parametrize(
    ("lower", "words"),
    [
        (
            Cost(4, 20, 0.875),
            "size and speed: 13.5 MB became 4.0 MB, 20.0 ms an image against 40.0",
        ),
        (Cost(4, 39, 0.866), "size: 13.5 MB"),  # 2.5% faster is as fast
        (Cost(4, 60, 0.9), "size: 13.5 MB"),
        (Cost(13.4, 20, 0.875), "speed: 13.5 MB became 13.4 MB"),
    ],
)
def test_what_it_wins_is_said(lower, words):
    said = verdict("int8", EXACT, lower, "bfloat16")
    assert said.startswith(f"int8 wins {words}")
    assert said.endswith("against 40.0 in bfloat16")


@pytest.mark.parametrize(
    ("lower", "words"),
    [
        (Cost(13.4, 39, 0.9), "int8 wins neither size nor speed: not kept"),
        (Cost(4, 20, 0.864), "int8 loses 1.1 points of mAP, more than 1: not kept"),
        (Cost(4, 20, float("nan")), "int8 loses nan points of mAP"),
    ],
)
def test_what_wins_nothing_or_loses_too_much_is_refused(lower, words):
    with pytest.raises(UserError, match=words):
        verdict("int8", EXACT, lower, "float32")


def test_times_are_per_image_and_without_the_first_turn(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("yolo4.export.precision.time.perf_counter", lambda: clock[0])

    def taking(*seconds):
        left = list(seconds)

        def run(images):
            clock[0] += left.pop(0) if len(left) > 1 else left[0]

        return run

    batch = np.zeros((4, 2, 2, 3))
    assert _milliseconds([taking(9, 0.4), taking(9, 0.2)], batch) == pytest.approx([100, 50])
