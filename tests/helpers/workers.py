"""Processes that train together, as TF_CONFIG says."""

import json
import os
import subprocess
import sys

from tests.helpers import ROOT
from tests.helpers.ports import free_ports
from tests.helpers.processes import limit


def start_workers(arguments, **environment):
    """Start Python once for each list of arguments; together they are a cluster on this machine."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(len(arguments))]
    started = []
    for number, own in enumerate(arguments):
        task = {"type": "worker", "index": number}
        of_cluster = json.dumps({"cluster": {"worker": addresses}, "task": task})
        inherited = {**os.environ, "PYTHONPATH": str(ROOT)}
        started.append(
            subprocess.Popen(
                [sys.executable, *map(str, own)],
                env=inherited | {"TF_CONFIG": of_cluster} | environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    return started


def finish(workers, seconds=300):
    """Wait for all; returns what each printed, to standard output and to standard error.

    Those that take longer than the limit of so many seconds are killed.
    """
    try:
        return [worker.communicate(timeout=limit(seconds)) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()


def run_workers(arguments, **environment):
    """Start workers, and wait until all of them have succeeded."""
    workers = start_workers(arguments, **environment)
    printed = finish(workers)
    assert [worker.returncode for worker in workers] == [0] * len(workers), printed
    return printed
