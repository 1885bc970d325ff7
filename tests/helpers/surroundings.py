"""Starts commands in odd surroundings: limits, users, settings of the environment."""

import os
import subprocess
import sys

from tests.helpers import ROOT

# A command as a user without a name, where Keras 2 is not installed and resources are limited.
START = """
import os, pwd, resource, runpy, sys
sys.modules["tf_keras"] = None
def unknown(number): raise KeyError(number)
pwd.getpwuid = unknown
for name, limit in eval(os.environ.get("LIMITS", "{}")).items():
    resource.setrlimit(getattr(resource, name), (limit, limit))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
TINY = "--width 0.0625 --depth 0.2 --input-size 64 --batch-size 2 --precision float32 --workers 1"


def arguments(script, *rest):
    return [sys.executable, "-c", START, str(ROOT / f"{script}.py"), *map(str, rest)]


def environment(folder, without=(), **settings):
    base = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(folder / "cache")}
    return {k: v for k, v in {**base, **settings}.items() if k not in without}


def call(folder, script, *rest, without=(), **settings):
    return subprocess.run(
        arguments(script, *rest),
        cwd=folder,
        env=environment(folder, without, **settings),
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
    )


def errors(stderr):
    """The lines on standard error, without progress bars."""
    lines = stderr.replace("\r", "\n").splitlines()
    return [line for line in lines if line.strip() and "%|" not in line]
