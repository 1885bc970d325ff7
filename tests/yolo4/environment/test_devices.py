"""Which devices the setting and TF_CONFIG name."""

import json

import pytest

from utils.errors import UserError
from yolo4.environment.devices import Cluster, DeviceChoice

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("auto", DeviceChoice()),
        ("1", DeviceChoice(count=1)),
        ("12", DeviceChoice(count=12)),
        ("0,2", DeviceChoice(gpus=(0, 2))),
        ("cpu:2", DeviceChoice(cpus=2)),
    ],
)
def test_the_setting_is_read(text, choice):
    assert DeviceChoice.parse(text) == choice


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "two", "0,0", "0,", "cpu", "cpu:0", "gpu:1", "1.5"]
)
def test_other_settings_are_refused(text):
    with pytest.raises(UserError, match=r"--devices is .*; it takes auto, a number of devices"):
        DeviceChoice.parse(text)


@pytest.fixture
def of(monkeypatch):
    def read(cluster, kind, index):
        task = {"type": kind, "index": index}
        monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))
        return Cluster.of_environment()

    return read


def test_without_tf_config_a_process_trains_alone(monkeypatch):
    for empty in ("", "{}", '{"cluster": {}, "task": {"type": "worker", "index": 0}}'):
        monkeypatch.setenv("TF_CONFIG", empty)
        assert Cluster.of_environment() == Cluster(workers=1, worker=0)
    monkeypatch.delenv("TF_CONFIG")
    assert Cluster.of_environment().is_chief


def test_workers_are_counted_from_the_chief(of):
    workers = {"worker": ["a:1", "b:1"]}
    assert [of(workers, "worker", n) for n in (0, 1)] == [Cluster(2, 0), Cluster(2, 1)]
    with_chief = {**workers, "chief": ["c:1"]}
    assert of(with_chief, "chief", 0) == Cluster(3, 0)
    assert of(with_chief, "worker", 0) == Cluster(3, 1)
    assert not of(with_chief, "worker", 1).is_chief


def test_tasks_that_do_not_train_are_refused(of):
    with pytest.raises(UserError, match="its cluster has 'ps'; only chief and worker"):
        of({"worker": ["a:1"], "ps": ["b:1"]}, "worker", 0)
    with pytest.raises(UserError, match="its task is worker 2, which its cluster lacks"):
        of({"worker": ["a:1", "b:1"]}, "worker", 2)


@pytest.mark.parametrize("text", ["no json", "[]", "1", '{"cluster": {"worker": ["a:1"]}}'])
def test_a_damaged_tf_config_is_one_line(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UserError, match="expected a JSON object with a cluster"):
        Cluster.of_environment()
