"""The data set is sent whole and once, and runs find it where their settings say."""

import dataclasses
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.helpers.study_folder import make_images
from utils.errors import UserError
from yolo4.compare.arms import parse_arms
from yolo4.compare.cluster import shipment as shipments
from yolo4.compare.cluster.shipment import Shipment, receive, ship
from yolo4.config import Config
from yolo4.sample_data.make import make_sample_data

pytestmark = pytest.mark.quick

ARMS = parse_arms(("bce", "focal:weights=start.h5"), "as_is")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder of the command, and another for the temporary files of a machine."""
    folder, temporary = tmp_path / "here", tmp_path / "temporary"
    folder.mkdir()
    temporary.mkdir()
    make_sample_data(folder / "data", train=3, val=2, test=2, size=96)
    (folder / "start.h5").write_bytes(b"weights")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(shipments.tempfile, "tempdir", str(temporary))
    return folder


@pytest.fixture
def memory(monkeypatch):
    """Stands for Ray's memory: the objects in it."""
    objects = []

    def put(value):
        objects.append(value)
        return len(objects) - 1

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(put=put, get=objects.__getitem__))
    monkeypatch.setattr(shipments, "_PIECE", 10_000)
    return objects


def test_everything_that_the_settings_name_arrives_once(folder, memory, monkeypatch):
    sent, pieces = ship(Config(data=("data",)), ARMS)
    assert len(pieces) == len(memory) > 1
    received = receive(sent, pieces)
    for original in ("data", "start.h5"):
        place = sent.moved(original)
        assert place.startswith(f"{sent.name}/")
        here, there = Path(original), received.parent / place
        files = [path for path in (here, *here.rglob("*")) if path.is_file()]
        for file in files:
            assert (there / file.relative_to(here)).read_bytes() == file.read_bytes()
    monkeypatch.setattr(shipments.tarfile, "open", None)
    assert receive(sent, pieces) == received, "a second run finds it"


def test_other_data_has_another_name(folder, memory):
    sent = [ship(Config(data=("data",)), ARMS)[0].name]
    (folder / "start.h5").write_bytes(b"other")
    sent.append(ship(Config(data=("data",)), ARMS)[0].name)
    assert len(set(sent)) == 2


def test_an_image_outside_of_the_data_is_refused(folder, memory):
    (folder / "images.txt").write_text("data/JPEGImages/train_00000.jpg\n")
    (folder / "lists").mkdir()
    (folder / "lists" / "train.txt").write_text(
        f"{folder}/data/JPEGImages/train_00000.jpg 1,1,20,20,0\n"
    )
    with pytest.raises(UserError, match=r"--ship-data: .*train_00000.jpg is outside of lists"):
        ship(Config(data=("lists/train.txt",)), ARMS)


SENT = Shipment("shipped-1", {"data": "0/data", "/far/start.h5": "1/start.h5"})


def test_paths_are_those_of_the_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert SENT.moved("data") == "shipped-1/0/data"
    assert SENT.moved(str(tmp_path / "data" / "a b.jpg")) == "shipped-1/0/data/a b.jpg"
    assert SENT.moved("/far/start.h5") == "shipped-1/1/start.h5"
    assert SENT.moved("data2") is None
    config = Config(data=("data", "more"), weights="/far/start.h5", anchors="auto")
    moved = SENT.argument(config)
    assert moved == dataclasses.replace(
        config, data=("shipped-1/0/data", "more"), weights="shipped-1/1/start.h5"
    )
    arm = parse_arms(("bce", "focal:weights=/far/start.h5"), "as_is")[1]
    assert SENT.argument(arm).overrides == arm.overrides | {"weights": "shipped-1/1/start.h5"}
    assert SENT.argument(3) == 3


def test_files_of_the_study_name_the_paths_of_the_runs(tmp_path):
    images = make_images(tmp_path)
    images.save(tmp_path / "images.json")
    sent = Shipment("shipped-1", {str(tmp_path): "0/data"})
    content = (tmp_path / "images.json").read_bytes()
    found = json.loads(sent.rewrite("folds/0.json", content))
    paths = [f"shipped-1/0/data/image_{i}.png" for i in range(len(images.records))]
    assert [image["image"] for image in found["images"]] == paths
    assert [image["image"] for image in found["val"]] == paths
    config = Config(data=(str(tmp_path / "part"),))
    found = json.loads(sent.rewrite("runs/a/config.json", config.to_json().encode()))
    assert found == json.loads(config.to_json()) | {"data": ["shipped-1/0/data/part"]}
    for name, other in (("runs/a/history.csv", b"1,2"), ("runs/a/diagnosis_epochs.json", b"[1]")):
        assert sent.rewrite(name, other) == other
