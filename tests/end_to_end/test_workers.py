"""Several workers on this machine train one run, survive none of each other's ends, and resume."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.helpers import ROOT
from tests.helpers.ports import free_ports
from yolo4.run import Run
from yolo4.sample_data.make import make_sample_data
from yolo4.train.state.progress import load_progress

pytestmark = pytest.mark.slow

_SETTINGS = (
    "--preset tiny --width 0.0625 --input-size 64 --batch-size 4 --eval-period 1 --optimizer sgd "
    "--ema None --sync-batch-norm"
)
_TIMES = ("images_per_second", "waited_for_data")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_sample_data(tmp_path_factory.mktemp("data") / "set", 24, 6, 2, size=96)


def start(count, *arguments):
    """Start that many workers with the same arguments."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(count)]
    started = []
    for number in range(count):
        task = {"type": "worker", "index": number}
        of_cluster = json.dumps({"cluster": {"worker": addresses}, "task": task})
        started.append(
            subprocess.Popen(
                [sys.executable, ROOT / "train.py", *map(str, arguments)],
                env={**os.environ, "TF_CONFIG": of_cluster},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    return started


def finish(workers, seconds=300):
    """Wait for all; returns what each printed, to standard output and to standard error."""
    return [worker.communicate(timeout=seconds) for worker in workers]


def history(run):
    with run.history_file.open() as file:
        return [
            {name: float(value) for name, value in row.items() if name not in _TIMES}
            for row in csv.DictReader(file)
        ]


def test_two_workers_train_like_one_process(tmp_path, data):
    runs = [Run(tmp_path / name) for name in ("one", "two")]
    for run, count in zip(runs, (1, 2), strict=True):
        arguments = ("--data", data, "--run-dir", run.folder, "--epochs", 2, *_SETTINGS.split())
        workers = start(count, *arguments)
        printed = finish(workers)
        assert [worker.returncode for worker in workers] == [0] * count, printed
    assert "best weights" in printed[0][0]
    assert printed[1][0].strip() == "worker 1 of 2, which only trains: waiting for all"
    assert sorted(path.name for path in runs[1].folder.iterdir()) == sorted(
        path.name for path in runs[0].folder.iterdir()
    )
    for one, two in zip(*map(history, runs), strict=True):
        assert two == pytest.approx(one, rel=1e-3)
    devices = [json.loads(run.fingerprint_file.read_text())["devices"] for run in runs]
    assert devices == ["1", "2 on 2 workers"]


def test_a_killed_worker_ends_all_and_the_rest_resumes(tmp_path, data):
    run = Run(tmp_path / "run")
    arguments = ("--data", data, "--run-dir", run.folder, "--epochs", 400, *_SETTINGS.split())
    workers = start(2, *arguments)
    deadline = time.monotonic() + 200
    while not run.history_file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.2)
    workers[1].send_signal(signal.SIGKILL)
    killed = time.monotonic()
    ((_, errors), _) = finish(workers, 60)
    assert time.monotonic() - killed < 60
    assert workers[0].returncode == 2
    (line,) = errors.strip().splitlines()
    assert line.startswith("error: another worker has ended or cannot be reached")
    done = load_progress(run.state_file).epoch
    resumed = start(1, "--resume", run.folder)
    while load_progress(run.state_file).epoch <= done:
        assert resumed[0].poll() is None
        assert time.monotonic() < deadline + 200
        time.sleep(0.2)
    resumed[0].terminate()
    finish(resumed)
    devices = json.loads(run.fingerprint_file.read_text())["devices"]
    assert devices == "2 on 2 workers, then 1"
