"""Foreign weights become a run folder, atomically."""

import functools
import hashlib
import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from nets.networks import YOLOV4, YOLOV4_TINY
from nets.networks.spec import Release
from tests.helpers.full_disk import full_disk
from tests.helpers.keras2_file import write_keras2
from tests.helpers.keras3_file import write_keras3
from tests.helpers.yolov4 import COCO_ANCHORS
from utils.errors import UserError
from utils.text import read_class_names
from yolo4.build import build_model, load_run_model, save_weights
from yolo4.config import Config
from yolo4.convert import command as module
from yolo4.convert.command import COCO_CLASSES, convert
from yolo4.convert.options import ConvertOptions
from yolo4.run import Run
from yolo4.weights import released, source
from yolo4.weights.darknet import load as darknet
from yolo4.weights.darknet.load import darknet_class_count
from yolo4.weights.darknet.write import write_darknet

SLIM = {"width": 0.05, "depth": 0.1}
SCALES = (1.1, 1.2, 1.3)
ANCHORS = np.arange(1, 19, dtype=np.float32).reshape(9, 2)
NAMES = ("cat", "dog", "horse")


def random_network(class_count, **settings):
    model = build_model(Config(**SLIM, **settings), class_count)
    rng = np.random.default_rng(class_count)
    model.set_weights([rng.uniform(0.1, 0.5, value.shape) for value in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def three():
    """A network of three classes; no test changes it."""
    return random_network(3, input_size=(64, 96), scale_x_y=SCALES)


@pytest.fixture(scope="module")
def eighty():
    """A network of eighty classes; no test changes it."""
    return random_network(80)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def slim_is_usual(monkeypatch):
    """Files that do not say their network are taken for a slim one instead of the full one."""
    monkeypatch.setattr(module, "Config", functools.partial(Config, **SLIM))
    slim = functools.partial(_class_count_of_slim, darknet_class_count)
    monkeypatch.setattr(darknet, "darknet_class_count", slim)


def _class_count_of_slim(count, size, width=SLIM["width"], depth=SLIM["depth"], network=YOLOV4):
    return count(size, width, depth, network)


def darknet_files(model, names=NAMES, **options):
    return write_darknet(Path("my.weights"), model, ANCHORS, SCALES, (64, 96), names, **options)


def assert_same_network(found, wanted):
    for a, b in zip(found.get_weights(), wanted.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def files(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def test_darknet_files_become_a_run(three, folder, capsys):
    weights, cfg, names = map(str, darknet_files(three))
    convert(ConvertOptions(weights, cfg=cfg, classes=names, output="logs/my"))
    assert files("logs") == ["my"]
    assert files("logs/my") == ["anchors.txt", "best.weights.h5", "classes.txt", "config.json"]
    run = Run(Path("logs/my"))
    config = run.config()
    assert config.scale_x_y == SCALES
    assert config.batch_norm_epsilon == Config().batch_norm_epsilon
    assert (config.input_shape, config.resize) == ((64, 96), "stretch")
    assert config.weights == "my.weights"
    assert run.class_names() == NAMES
    np.testing.assert_array_equal(run.anchors(), ANCHORS)
    assert_same_network(load_run_model(run), three)
    said = capsys.readouterr().out
    assert "loaded 74 of 74 convolutions and 71 of 71 batch norms from my.weights" in said
    assert "scale_x_y (1.1, 1.2, 1.3), batch norm's epsilon 1e-05" in said
    assert "resize stretch: Darknet stretches images unless the .cfg has letter_box=1" in said
    assert f"python predict.py <images, folders or videos> --run {Path('logs/my')}" in said
    assert "python train.py --preset full --weights logs/my --anchors logs/my/anchors.txt" in said
    assert "--width 0.05 --depth 0.1 --data" in said


def test_options_win_over_the_cfg(three, folder):
    weights, cfg, names = map(str, darknet_files(three))
    Path("anchors.txt").write_text("1,1 " * 9)
    convert(ConvertOptions(weights, cfg, names, anchors="anchors.txt", input_size=128))
    run = Run(Path("logs/my"))
    assert run.config().input_shape == (128, 128)
    np.testing.assert_array_equal(run.anchors(), np.ones((9, 2)))


def test_a_network_that_darknet_letterboxes_is_letterboxed(three, folder, capsys):
    weights, cfg, names = map(str, darknet_files(three, letter_box=True))
    convert(ConvertOptions(weights, cfg, names))
    assert Run(Path("logs/my")).config().resize == "letterbox"
    assert "resize letterbox: Darknet stretches images unless the" in capsys.readouterr().out


@pytest.mark.usefixtures("slim_is_usual")
@pytest.mark.parametrize("write", [write_keras2, write_keras3])
def test_keras_weights_become_a_run_with_the_settings_they_need(eighty, folder, capsys, write):
    write(eighty, "other.weights.h5")
    convert(ConvertOptions("other.weights.h5", output="run"))
    run = Run(Path("run"))
    config = run.config()
    assert (config.scale_x_y, config.batch_norm_epsilon) == ((1.0, 1.0, 1.0), 1e-3)
    assert (config.input_shape, config.resize) == ((416, 416), "letterbox")
    assert run.class_names() == read_class_names(COCO_CLASSES)
    np.testing.assert_array_equal(run.anchors(), COCO_ANCHORS)
    model = load_run_model(run)
    assert_same_network(model, eighty)
    assert model.get_layer("conv_1_norm").epsilon == 1e-3
    assert "scale_x_y (1.0, 1.0, 1.0), batch norm's epsilon 0.001" in capsys.readouterr().out


@pytest.mark.usefixtures("slim_is_usual")
@pytest.mark.parametrize("write", [write_keras2, write_keras3])
def test_keras_weights_of_yolov4_tiny_become_a_run_of_it(folder, capsys, write):
    tiny = random_network(80, network="yolov4-tiny")
    write(tiny, "tiny.weights.h5")
    convert(ConvertOptions("tiny.weights.h5", output="run"))
    run = Run(Path("run"))
    assert (run.config().network, run.config().scale_x_y) == ("yolov4-tiny", (1.0, 1.0))
    np.testing.assert_array_equal(run.anchors(), YOLOV4_TINY.anchors)
    assert_same_network(load_run_model(run), tiny)
    assert "YOLOv4-tiny, scale_x_y (1.0, 1.0), batch norm's" in capsys.readouterr().out


@pytest.mark.usefixtures("slim_is_usual")
def test_released_weights_need_only_their_name(eighty, folder, monkeypatch):
    made = darknet_files(eighty, [str(number) for number in range(80)])[0]
    monkeypatch.setattr(released, "MODEL_DATA", folder / "model_data")
    released.MODEL_DATA.mkdir()
    file = made.rename(released.MODEL_DATA / "yolov4.weights")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    release = Release("yolov4", f"https://x.invalid/{file.name}", file.stat().st_size, digest)
    monkeypatch.setitem(released.RELEASED, "yolov4", release)
    convert(ConvertOptions())
    run = Run(Path("logs/yolov4"))
    assert run.config().grid_sensitivity == (1.2, 1.1, 1.05)
    assert run.config().resize == "stretch"
    assert run.class_names()[:2] == ("person", "bicycle")
    np.testing.assert_array_equal(run.anchors(), COCO_ANCHORS)
    assert_same_network(load_run_model(run), eighty)


@pytest.mark.quick
def test_there_are_the_80_names_of_coco():
    names = read_class_names(COCO_CLASSES)
    assert len(names) == 80
    assert [names[place] for place in (0, 15, 79)] == ["person", "cat", "toothbrush"]


class TestMistakes:
    @pytest.fixture
    def refused(self, folder):
        """Converts, expects an error of one line, and checks that no file is left."""

        def refused(*arguments, match, **options):
            before = files(".")
            with pytest.raises(UserError, match=match) as caught:
                convert(ConvertOptions(*arguments, **options))
            assert "\n" not in str(caught.value)
            assert files(".") == before

        return refused

    def test_names_of_another_number_than_the_classes(self, three, refused):
        weights, cfg, _ = map(str, darknet_files(three))
        refused(weights, cfg, match=r"my\.weights is for 3 classes, but .*coco_classes.* names 80")
        Path("two.txt").write_text("cat\ndog\n")
        refused(weights, cfg, "two.txt", match=r"is for 3 classes, but two\.txt names 2; .*--class")

    @pytest.mark.usefixtures("slim_is_usual")
    def test_a_cfg_of_another_class_count(self, three, eighty, refused):
        cfg = Path(darknet_files(three)[1]).rename("three.cfg")
        weights, _, names = map(str, darknet_files(eighty, NAMES))
        refused(weights, str(cfg), names, match="is for 80 classes, but this network for 3")

    @pytest.mark.usefixtures("slim_is_usual")
    def test_a_truncated_file(self, three, refused):
        weights = darknet_files(three)[0]
        weights.write_bytes(weights.read_bytes()[:-4])
        message = "weights of Darknet, .* fits no class count of YOLOv4, .*; is it incomplete"
        refused(str(weights), match=message)

    def test_files_of_another_kind(self, three, refused):
        refused("none.weights", match=r"none\.weights: no such weights file")
        save_weights(three, Path("ours.weights.h5"))
        refused("ours.weights.h5", match=r"ours\.weights\.h5: weights of this project need no conv")
        with h5py.File("other.h5", "w") as file:
            file["numbers"] = np.arange(3)
        refused("other.h5", match=r"other\.h5: not weights of Keras: it lists no layers")
        write_keras2(three, "old.h5")
        cfg = str(darknet_files(three)[1])
        refused("old.h5", cfg, match=r"--cfg my\.cfg describes weights of Darknet, but old\.h5")

    @pytest.mark.quick
    def test_a_folder_in_use(self, refused):
        Path("run").mkdir()
        Path("run/notes.txt").write_text("mine")
        refused(output="run", match="run: exists already; name a new folder with --output")
        refused(output="run/notes.txt", match="exists already")

    @pytest.mark.quick
    def test_mistakes_are_reported_before_a_download_if_possible(self, refused, monkeypatch):
        monkeypatch.setattr(source, "released_file", lambda name: pytest.fail("downloads"))
        refused(classes="none.txt", match=r"none\.txt: no such file")
        refused(anchors="none.txt", match=r"none\.txt: no such file")
        refused(input_size=100, match="--input-size is 100; it must be a multiple of 32")

    def test_a_run_that_cannot_be_written_completely_is_not_there(
        self, three, refused, monkeypatch
    ):
        weights, cfg, names = map(str, darknet_files(three))

        def full(*_):
            raise OSError("no space left")

        monkeypatch.setattr("yolo4.build.save_weights", full)
        refused(weights, cfg, names, output="run", match="--output run: cannot write there: no sp")


@pytest.mark.skipif(os.name == "nt", reason="a limit of POSIX")
def test_a_full_disk_is_one_line_and_leaves_nothing(three, folder):
    weights, cfg, names = map(str, darknet_files(three))
    options = ConvertOptions(weights, cfg, names, output="logs/run")
    message = r"^--output logs.run: cannot write there: \[Errno \d+\] File too large: 'logs'$"
    with full_disk(50_000), pytest.raises(UserError, match=message):
        convert(options)
    assert not Path("logs").exists()
    convert(options)
    assert files("logs") == ["run"]


def test_an_empty_folder_may_be_there(three, folder):
    Path("run").mkdir()
    weights, cfg, names = map(str, darknet_files(three))
    convert(ConvertOptions(weights, cfg, names, output="run"))
    assert Run(Path("run")).best_weights.is_file()
