"""Several workers on this machine train one run, survive none of each other's ends, and resume."""

import csv
import json
import signal
import time

import pytest

from tests.helpers import ROOT
from tests.helpers.processes import limit
from tests.helpers.workers import finish, run_workers, start_workers
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
    return start_workers([(ROOT / "train.py", *arguments)] * count)


def wait_until(holds, workers):
    """Wait until something holds, while all workers run."""
    deadline = time.monotonic() + limit(200)
    while not holds():
        assert time.monotonic() < deadline
        assert all(worker.poll() is None for worker in workers), finish(workers)
        time.sleep(0.2)


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
        printed = run_workers([(ROOT / "train.py", *arguments)] * count)
    assert "best weights" in printed[0][0]
    assert printed[1][0].strip() == "worker 1 of 2, which only trains: waiting for all"
    assert sorted(path.name for path in runs[1].folder.iterdir()) == sorted(
        path.name for path in runs[0].folder.iterdir()
    )
    for one, two in zip(*map(history, runs), strict=True):
        assert two == pytest.approx(one, rel=1e-3)
    devices = [json.loads(run.fingerprint_file.read_text())["devices"] for run in runs]
    assert devices == ["1", "2 on 2 workers"]


@pytest.mark.parametrize("killed", [0, 1], ids=["the chief", "the other"])
def test_a_killed_worker_ends_all_and_the_rest_resumes(tmp_path, data, killed):
    run = Run(tmp_path / "run")
    arguments = ("--data", data, "--run-dir", run.folder, "--epochs", 400, *_SETTINGS.split())
    workers = start(2, *arguments)
    wait_until(run.history_file.exists, workers)
    workers[killed].send_signal(signal.SIGKILL)
    ended = time.monotonic() + limit(60)
    printed = finish(workers, 60)
    assert time.monotonic() < ended
    left = 1 - killed
    assert workers[left].returncode == 2, printed
    (line,) = printed[left][1].strip().splitlines()
    assert line.startswith("error: another worker has ended or cannot be reached")
    assert line.endswith(f"resume it with --resume {run.folder}")
    done = load_progress(run.state_file).epoch
    resumed = start(1, "--resume", run.folder)
    wait_until(lambda: load_progress(run.state_file).epoch > done, resumed)
    resumed[0].terminate()
    finish(resumed)
    devices = json.loads(run.fingerprint_file.read_text())["devices"]
    assert devices == "2 on 2 workers, then 1"
