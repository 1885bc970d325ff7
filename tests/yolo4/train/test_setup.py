"""What is settled before a training: the sample data set, the cache of decoded images."""

import csv
import io
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from tests.helpers import ROOT
from tests.helpers.annotation_files import write_image
from utils.anchors import format_anchors
from utils.annotations import find_data
from utils.errors import UserError
from utils.training_data import image_cache as cache
from utils.training_data.image_cache import DiskCache, MemoryCache, read_record
from yolo4.config import Config
from yolo4.sample_data.make import make_sample_data
from yolo4.train import setup as training_setup
from yolo4.train.setup import (
    data_digest,
    prepare,
    prepare_resume,
    require_same_data,
    training_set,
)

pytestmark = pytest.mark.quick


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_sample_data(tmp_path_factory.mktemp("data") / "set", 3, 2, 2, size=96)


@pytest.fixture
def config(data, tmp_path, monkeypatch):
    monkeypatch.setattr(training_setup, "CACHE", tmp_path / "cache")
    return lambda **more: Config(data=(str(data),), run_dir=str(tmp_path / "run"), **more)


@pytest.mark.parametrize(
    ("name", "kind"), [("none", type(read_record)), ("ram", MemoryCache), ("disk", DiskCache)]
)
def test_the_cache_is_reported_and_used(config, capsys, tmp_path, name, kind):
    setup = prepare(config(cache=name))
    printed = capsys.readouterr().out
    assert ("--cache" in printed) == (name != "none")
    if name != "none":
        assert f"--cache {name}: 3 decoded images take 0.1 MiB of " in printed
    training = training_set(setup)
    training.batch(0, 0, 3)
    assert isinstance(training._read, kind)
    assert (tmp_path / "cache").exists() == (name == "disk")
    assert len(list((tmp_path / "cache").glob("*"))) == (3 if name == "disk" else 0)


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
    for found in (None, find_data(data)):
        setup = prepare(settings, found)
        table = setup.run.folder / "data_report.csv"
        assert f"all of these are in {table}" in capsys.readouterr().out
        assert not table.exists()
    rows = list(csv.DictReader(io.StringIO(setup.data_report.to_csv().decode())))
    skipped = [(row["file"], row["where"]) for row in rows if row["done"] == "object skipped"]
    assert skipped == [(path, "line 1, object 2") for path in data]


def test_images_are_fitted_as_the_settings_say(config, tmp_path):
    boxes = " ".join(f"0,0,{10 * k},{5 * k},0" for k in range(1, 10))
    for split in ("train", "val"):
        image = write_image(tmp_path / f"{split}.png", (200, 100))
        (tmp_path / f"{split}.txt").write_text(f"{image} {boxes}\n")
    (tmp_path / "classes.txt").write_text("cat\n")
    data = (str(tmp_path / "train.txt"), str(tmp_path / "val.txt"))
    options = {"classes": str(tmp_path / "classes.txt"), "anchors": "auto", "input_size": 64}
    options |= {"mosaic": 0.0, "mixup": 0.0, "flip": 0.0, "scale": 0.0, "translate": 0.0}
    for resize, last in (("letterbox", (28.8, 14.4)), ("stretch", (28.8, 28.8))):
        setup = prepare(replace(config(resize=resize, **options), data=data))
        # Nine boxes are their own nine anchors.
        np.testing.assert_allclose(setup.anchors[8], last, rtol=1e-6)
        x1, y1, x2, y2 = training_set(setup).sample(0, 0).boxes[8]
        np.testing.assert_allclose((x2 - x1, y2 - y1), last, atol=1)  # crops are whole pixels


def test_a_cache_that_cannot_fit_is_refused_before_anything_is_written(
    config, tmp_path, monkeypatch
):
    monkeypatch.setattr(cache, "available_memory", lambda: 1000)
    with pytest.raises(UserError, match=r"^--cache ram: 3 decoded images take .* at most"):
        prepare(config(cache="ram"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("settings", "refused"),
    [
        ({"batch_size": 2}, False),
        ({"batch_size": 3}, True),
        ({"batch_size": 2, "freeze_batch_size": 3, "freeze_epochs": 1}, True),
        ({"batch_size": 3, "multi_scale": None}, False),
    ],
)
def test_a_multi_scale_training_needs_two_batches_in_an_epoch(config, tmp_path, settings, refused):
    settings = {"input_size": 64, "multi_scale": (0.5, 1.5), **settings}
    if not refused:
        assert training_set(prepare(config(**settings))).sizes == config(**settings).training_sizes
        return
    with pytest.raises(UserError, match=r"the 3 training images are one batch of 3$"):
        prepare(config(**settings))
    assert not (tmp_path / "run").exists()


def begun(config):
    """A run whose folder has what these tests need."""
    setup = prepare(config)
    setup.run.folder.mkdir()
    setup.run.config_file.write_text(setup.config.to_json())
    setup.run.classes_file.write_text("".join(f"{name}\n" for name in setup.class_names))
    setup.run.anchors_file.write_text(format_anchors(setup.anchors))
    data_digest(setup).save(setup.run.data_file)
    return setup


def move_a_box(folder):
    file = folder / "Annotations" / "train_00001.xml"
    file.write_text(re.sub(r"<xmin>\d+<", "<xmin>0<", file.read_text(), count=1))


def replace_an_image(folder):
    write_image(folder / "JPEGImages" / "train_00002.jpg", (96, 96))


def train_on_validation(folder):
    lists = folder / "ImageSets" / "Main"
    (lists / "train.txt").write_text((lists / "train.txt").read_text() + "val_00001\n")
    (lists / "val.txt").write_text("val_00000\n")


def swap_classes(folder):
    for file in (folder / "Annotations").glob("val_*.xml"):
        swapped = file.read_text().replace("apple", "?").replace("leaf", "apple")
        file.write_text(swapped.replace("?", "leaf"))


class TestResumingWithOtherData:
    @pytest.fixture
    def copied(self, tmp_path, config):
        """A data set that a test may change, and a run that began with it."""
        folder = make_sample_data(tmp_path / "copied", 3, 2, 2, size=96)
        return folder, begun(replace(config(), data=(str(folder),)))

    def test_the_same_data_is_accepted_without_a_word(self, copied, capsys):
        _, setup = copied
        capsys.readouterr()
        require_same_data(prepare_resume(setup.run), 3)
        assert "when the run began" not in capsys.readouterr().out

    def test_a_data_set_may_move(self, copied, tmp_path):
        folder, setup = copied
        shutil.move(folder, tmp_path / "moved")
        config = replace(setup.config, data=(str(tmp_path / "moved"),))
        setup.run.config_file.write_text(config.to_json())
        require_same_data(prepare_resume(setup.run), 3)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (move_a_box, "train: image train_00001.jpg with other boxes$"),
            (replace_an_image, "train: image train_00002.jpg replaced$"),
            (train_on_validation, "val: image val_00001.jpg now in train$"),
            (swap_classes, "val: .* with other boxes"),
        ],
    )
    def test_what_changed_is_named(self, copied, change, message):
        folder, setup = copied
        change(folder)
        self.refused(setup, message)

    @pytest.mark.parametrize(
        ("file", "message"),
        [
            ("classes_file", "classes.txt: class 0 is 'leaf', but 'apple' when the run began$"),
            ("anchors_file", "anchors.txt: 459,401 .*, but 12,16 .* when the run began$"),
        ],
    )
    def test_a_file_of_the_run_that_was_reordered_is_named(self, copied, file, message):
        _, setup = copied
        path = getattr(setup.run, file)
        words = path.read_text().split()
        path.write_text("\n".join(words[::-1]))
        self.refused(setup, message)

    def refused(self, setup, message):
        with pytest.raises(UserError, match=rf"this has changed: {message}") as caught:
            require_same_data(prepare_resume(setup.run), 3)
        assert str(caught.value).startswith(f"{setup.run.folder}: resuming needs what the run ")
        assert "\n" not in str(caught.value)

    def test_of_a_run_of_an_older_version_the_images_are_counted(self, copied, capsys):
        _, setup = copied
        setup.run.data_file.unlink()
        resumed = prepare_resume(setup.run)
        capsys.readouterr()
        require_same_data(resumed, 3)
        (line,) = capsys.readouterr().out.splitlines()
        assert line.startswith(f"no {setup.run.data_file}, as in runs of older versions: only the ")
        with pytest.raises(UserError, match=r"changed: train: 3 images, but 4 when it began$"):
            require_same_data(resumed, 4)


def test_resuming_where_the_cache_does_not_fit_says_where_to_change_it(config, monkeypatch):
    setup = begun(config(cache="ram"))
    monkeypatch.setattr(cache, "available_memory", lambda: 1000)
    with pytest.raises(UserError, match=r'Change "cache" in .*config\.json'):
        prepare_resume(setup.run)


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
