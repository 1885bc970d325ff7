"""A comparison on a cluster of two machines, against the same one on one machine, run by run."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.helpers import ROOT
from tests.helpers.ray_cluster import two_machines
from utils.metrics.history import read_history
from yolo4.sample_data.make import make_sample_data
from yolo4.train.state.progress import load_progress

pytestmark = pytest.mark.slow

STUDY = "--data data --max-seeds 2 --eval-period 1 --batch-size 4 --workers 1"
STUDY += " --width 0.125 --depth 0.1 --input-size 96"
# Its smallest step gives weights beyond float32.
DIVERGING = "focal:box_gain=1e30:learning_rate=10.0:gradient_clip=None:warmup_epochs=0.0"
RUNS = [f"{arm}_seed{seed}" for arm in ("bce", "focal") for seed in (0, 1)]
# As many as a run on the cluster has.
THREADS = dict.fromkeys(
    ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1"
)


def start(folder, output, *arguments, arms=("bce", "focal"), epochs=4, **environment):
    command = [sys.executable, str(ROOT / "compare.py"), *STUDY.split(), "--output", output]
    return subprocess.Popen(
        [*command, "--arms", *arms, "--epochs", str(epochs), *arguments],
        cwd=folder,
        env={**os.environ, **environment, "RAY_USAGE_STATS_ENABLED": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process):
    output, _ = process.communicate()
    assert process.returncode == 0, output
    return output


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which the study was carried out one run after another."""
    folder = tmp_path_factory.mktemp("cluster")
    make_sample_data(folder / "data", train=16, val=4, test=4, size=96)
    finish(start(folder, "alone", **THREADS))
    return folder


@pytest.fixture(scope="module")
def cluster():
    with two_machines() as cluster:
        yield cluster


def report(folder, output):
    return json.loads((folder / output / "report.json").read_text(encoding="utf-8"))


def assert_same_results(folder, output):
    found, alone = (report(folder, name) for name in (output, "alone"))
    for name in ("verdict", "contrasts", "pairing", "design"):
        assert found[name] == alone[name], name
    for run in RUNS:
        here, there = (folder / name / "runs" / run for name in (output, "alone"))
        arrays = [np.load(path / "detections.npz") for path in (here, there)]
        for name in arrays[1].files:
            np.testing.assert_array_equal(arrays[0][name], arrays[1][name])
        histories = [read_history(path / "history.csv") for path in (here, there)]
        for name in histories[1].keys() - {"images_per_second", "waited_for_data"}:
            np.testing.assert_array_equal(histories[0][name], histories[1][name], err_msg=name)
        missing = {path.name for path in there.iterdir()} - {path.name for path in here.iterdir()}
        assert missing == set(), "the folder came back whole"


def test_a_cluster_gives_the_numbers_of_one_machine(folder, cluster):
    done = finish(start(folder, "shared", "--cluster", cluster.address))
    assert "cluster: 2 machines, up to 2 runs at once, each with 1 core" in done
    assert "focal, seed 1: epoch 4/4" in done
    assert_same_results(folder, "shared")
    assert report(folder, "shared")["hardware"]["sentences"] == []


@pytest.fixture
def received():
    """Removes what a test has sent to this machine."""
    root = Path(tempfile.gettempdir()) / f"yolov4-{os.getuid()}"
    before = set(root.glob("*"))
    yield
    for folder in set(root.glob("*")) - before:
        shutil.rmtree(folder)


def test_data_is_sent_and_a_lost_machine_changes_nothing(folder, cluster, received):
    """What is sent is used: the folder of a run that trains with it is a temporary one."""
    lost = cluster.add_node(num_cpus=1, object_store_memory=200_000_000)

    def lose():
        states = [folder / "sent" / "runs" / run / "state.npz" for run in RUNS[::2] + RUNS[1:2]]
        while not all(state.exists() and load_progress(state).epoch for state in states):
            time.sleep(0.2)
        cluster.remove_node(lost, allow_graceful=False)

    thread = threading.Thread(target=lose, daemon=True)
    thread.start()
    done = finish(start(folder, "sent", "--cluster", cluster.address, "--ship-data"))
    assert "it goes on elsewhere" in done
    assert_same_results(folder, "sent")
    for run in RUNS:
        config, alone = (
            json.loads((folder / name / "runs" / run / "config.json").read_text())
            for name in ("sent", "alone")
        )
        assert config == alone | {"run_dir": f"sent/runs/{run}"}
        diagnosis = json.loads((folder / "sent" / "runs" / run / "diagnosis.json").read_text())
        assert diagnosis["worst_negatives"][0]["image"].startswith("data/JPEGImages/")


def test_a_run_that_diverges_is_reported_and_the_others_go_on(folder, cluster):
    address = ("--cluster", cluster.address)
    done = finish(start(folder, "diverging", *address, arms=("bce", DIVERGING)))
    assert f"failed: {DIVERGING}, seed 0: " in done
    bce, focal = report(folder, "diverging")["arms"]
    assert [run["status"] for run in bce["runs"]] == ["done", "done"]
    assert [run["status"] for run in focal["runs"]] == ["failed", "failed"]


def test_tuned_arms_and_looks(folder, cluster):
    arguments = ("--cluster", cluster.address, "--protocol", "tuned", "--trials", "2")
    until_decided = ("--until-decided", "--looks", "2")
    done = finish(start(folder, "tuned", *arguments, *until_decided, epochs=1))
    assert "trial 2 of 2: focal" in done
    assert [arm["tuning"]["trials"] for arm in report(folder, "tuned")["arms"]] == [2, 2]


def test_ctrl_c_leaves_a_study_that_goes_on_without_a_cluster(folder):
    process = start(folder, "stopped", "--cluster", "auto", "--run-cpus", "1")
    state = folder / "stopped" / "runs" / RUNS[0] / "state.npz"
    while not (state.exists() and load_progress(state).epoch):
        assert process.poll() is None
        time.sleep(0.2)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate()
    assert process.returncode == 130
    assert "the same command continues from what was saved last" in output
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == [], "nothing trains on"
    finish(start(folder, "stopped", **THREADS))
    assert_same_results(folder, "stopped")
