"""The cost of a call in quantities that do not depend on the processor, or only in proportion."""

import sys
import time
from collections.abc import Callable


def python_calls(function: Callable, *arguments: object) -> int:
    """Number of calls that the interpreter makes in one of `function`, to Python's and C's."""
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        function(*arguments)
    finally:
        sys.setprofile(before)
    return calls


def assert_evaluates_all_images_at_once(evaluate: Callable, few: tuple, many: tuple) -> None:
    """No Python loop over detections, and no quadratic time, in ten times as many images.

    They add fewer calls than half their detections. Linear time is ten times as long, which other
    processes may double, and quadratic time a hundred times.

    Args:
        evaluate: takes detections first.
        few: its arguments.
        many: the same with ten times the images.
    """
    added = sum(map(len, many[0])) - sum(map(len, few[0]))
    assert python_calls(evaluate, *many) - python_calls(evaluate, *few) < added / 2
    seconds = [_processor_seconds(evaluate, *arguments) for arguments in (few, many)]
    assert seconds[1] < 40 * seconds[0], f"{seconds} s"


def _processor_seconds(function: Callable, *arguments: object) -> float:
    start = time.process_time()
    function(*arguments)
    return time.process_time() - start
