"""What the workers of a training share, and what only the chief does."""

import dataclasses
import json

import numpy as np
import pytest

from utils.errors import UserError
from yolo4.config import Config
from yolo4.environment.devices import Cluster
from yolo4.run import Run
from yolo4.train.devices import opening
from yolo4.train.devices.devices import Devices
from yolo4.train.devices.workers import written_run

pytestmark = pytest.mark.quick


def as_worker(monkeypatch, number):
    cluster = {"worker": ["a:1", "b:1"]}
    task = {"type": "worker", "index": number}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))


def test_the_chief_writes_the_run_and_owns_it(tmp_path, monkeypatch):
    as_worker(monkeypatch, 0)
    run = Run(tmp_path / "run")
    with written_run(run) as written:
        assert written == run
        assert (run.folder / ".lock").exists()


def test_the_others_write_a_copy_that_vanishes_and_print_nothing(tmp_path, monkeypatch, capsys):
    as_worker(monkeypatch, 1)
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    run.config_file.write_text("{}")
    run.last_weights.write_text("weights")
    before = sorted(tmp_path.rglob("*"))
    with written_run(run) as new, written_run(run, resumed=True) as resumed:
        assert list(new.folder.iterdir()) == []
        assert [file.name for file in resumed.folder.iterdir()] == ["config.json"]
        new.history_file.write_text("1")
        print("epoch 1")
    assert sorted(tmp_path.rglob("*")) == before
    assert not new.folder.exists()
    assert not resumed.folder.exists()
    assert capsys.readouterr().out == ""


@dataclasses.dataclass(frozen=True, eq=False)
class Recorded(Devices):
    """Two workers, of which the other one has sent these arrays."""

    arrays: tuple = ()

    def gather(self, array):
        return np.concatenate([array, self.arrays[len(array) > 1]])


def test_texts_of_all_workers_come_back_in_their_order():
    other = "café"
    codes = np.frombuffer(other.encode(), np.uint8).astype(np.int32)
    devices = Recorded(2, Cluster(2, 0), None, (np.array([len(codes)]), codes))
    assert devices.gather_texts("first") == ["first", other]
    assert Devices().gather_texts("ä") == ["ä"]


@pytest.fixture
def opened(monkeypatch):
    """Opens two devices under TensorFlow, without asking TensorFlow."""
    monkeypatch.setattr(opening, "_open", lambda setting: Devices(2, strategy="strategy"))
    return lambda **settings: opening.open_devices(Config(**settings))


def test_a_batch_is_divided_evenly_or_refused(opened):
    assert opened(batch_size=6).count == 2
    assert opened(batch_size=6, freeze_batch_size=5).count == 2  # nothing is frozen
    with pytest.raises(
        UserError, match="--batch-size is 7; it must be a multiple of the 2 devices"
    ):
        opened(batch_size=7)
    with pytest.raises(UserError, match="--freeze-batch-size is 5; it must be a multiple"):
        opened(batch_size=6, freeze_batch_size=5, freeze_epochs=1)


def test_what_several_devices_cannot_do_is_refused(opened):
    with pytest.raises(UserError, match="ohem chooses among all images"):
        opened(confidence_loss="ohem")
    with pytest.raises(UserError, match="float16 scales the loss"):
        opened(precision="float16")


@pytest.mark.parametrize(
    ("setting", "count", "numbers"),
    [("auto", 0, []), ("auto", 3, [0, 1, 2]), ("1", 0, []), ("1", 2, [0]), ("0,2", 3, [0, 2])],
)
def test_gpus_are_chosen(setting, count, numbers):
    choice = opening.DeviceChoice.parse(setting)
    assert opening._chosen_gpus(choice, count) == numbers


@pytest.mark.parametrize(("setting", "count"), [("2", 0), ("2", 1), ("0,2", 2)])
def test_missing_gpus_are_refused(setting, count):
    with pytest.raises(UserError, match=f"--devices is {setting}, but this machine has"):
        opening._chosen_gpus(opening.DeviceChoice.parse(setting), count)
