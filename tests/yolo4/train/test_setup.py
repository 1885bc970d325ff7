"""What is settled before a training: the run folder, the report, the sample data set."""

import csv
import io
from dataclasses import replace

import pytest

from tests.helpers import ROOT
from tests.helpers.annotation_files import write_image
from utils.errors import UserError
from yolo4.config import Config
from yolo4.train import setup as training_setup
from yolo4.train.setup import prepare

pytestmark = pytest.mark.quick


CONFIG, STATE, WEIGHTS = "config.json", "state.npz", "best.weights.h5"


@pytest.mark.parametrize(
    ("files", "found", "ways"),
    [
        ([CONFIG, STATE], "config.json", ["--resume"]),
        ([CONFIG, STATE, WEIGHTS], "config.json and best.weights.h5", ["--resume", "--weights"]),
        ([CONFIG, WEIGHTS], "config.json and best.weights.h5", ["--weights"]),  # by `convert`
        ([CONFIG], "config.json", []),
        ([STATE, "last.weights.h5"], "last.weights.h5", ["--weights"]),
        (["yolov4.weights"], "yolov4.weights", ["--weights"]),
        (["my.keras"], "my.keras", ["--weights"]),
    ],
)
def test_a_folder_with_a_config_or_weights_is_not_empty(config, tmp_path, files, found, ways):
    folder = tmp_path / "run"
    folder.mkdir()
    for name in files:
        (folder / name).touch()
    with pytest.raises(UserError, match="holds") as caught:
        prepare(config())
    beginning = f"{folder}: this folder holds {found}; name another --run-dir"
    assert str(caught.value).startswith(beginning)
    offered = str(caught.value).removeprefix(beginning)
    assert [way for way in ("--resume", "--weights") if f"{way} {folder}" in offered] == ways
    assert sorted(path.name for path in folder.iterdir()) == sorted(files)


def test_the_beginning_of_a_killed_training_is_no_obstacle(config, tmp_path):
    (tmp_path / "run").mkdir()
    for name in ("classes.txt", "anchors.txt", "fingerprint.json", "first_batch.png", STATE):
        (tmp_path / "run" / name).touch()
    assert prepare(config()).run.folder == tmp_path / "run"


def test_the_run_keeps_a_table_of_what_was_changed_in_the_data(config, tmp_path, capsys):
    for split in ("train", "val"):
        image = write_image(tmp_path / f"{split}.png", (200, 100))
        (tmp_path / f"{split}.txt").write_text(f"{image} 0,0,9,9,0 5,5,5,5,0\n")
    data = (str(tmp_path / "train.txt"), str(tmp_path / "val.txt"))
    settings = replace(config(), data=data)
    setup = prepare(settings)
    table = setup.run.folder / "data_report.csv"
    assert f"all of these are in {table}" in capsys.readouterr().out
    assert not table.exists()
    rows = list(csv.DictReader(io.StringIO(setup.data_report.to_csv().decode())))
    skipped = [(row["file"], row["where"]) for row in rows if row["done"] == "object skipped"]
    assert skipped == [(path, "line 1, object 2") for path in data]


def test_without_data_it_is_the_sample_data_set_of_the_checkout(data, tmp_path, monkeypatch):
    folders = []

    def make(folder):
        folders.append(folder)
        return data

    monkeypatch.setattr(training_setup, "make_sample_data", make)
    monkeypatch.chdir(tmp_path)
    setup = prepare(Config(run_dir="run"))
    assert folders == [ROOT / "model_data" / "sample"]
    assert setup.config.data == (str(data),)
