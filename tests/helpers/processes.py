"""Waits for processes."""

import time

import psutil


def assert_gone(processes, seconds):
    """Processes end within so many seconds; their exit status may not have been read yet."""
    end = time.monotonic() + seconds
    while alive := list(filter(_is_alive, processes)):
        assert time.monotonic() < end, f"still there after {seconds} s: {alive}"
        time.sleep(0.02)


def _is_alive(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
