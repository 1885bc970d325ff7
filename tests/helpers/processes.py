"""Waits for processes."""

import os
import time

import psutil


def limit(seconds):
    """How long something may take that takes so many seconds on a machine without other work."""
    return seconds * (1 + os.getloadavg()[0] / os.cpu_count())


def assert_gone(processes, seconds):
    """Processes end within the limit of so many seconds; their exit status may not be read yet."""
    end = time.monotonic() + limit(seconds)
    while alive := list(filter(_is_alive, processes)):
        assert time.monotonic() < end, f"still there after {seconds} s: {alive}"
        time.sleep(0.02)


def _is_alive(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
