"""Initial weights: which format a file has, and which settings it brings along."""

import dataclasses
import shutil

import h5py
import numpy as np
import pytest

from tests.helpers import darknet_reference
from tests.helpers.keras2_file import write_keras2
from tests.helpers.keras3_file import write_keras3
from tests.helpers.some_networks import ALL, CONFIG, equal
from tests.helpers.yolov4 import COCO_ANCHORS
from utils.errors import UserError
from yolo4.build import build_model, save_weights
from yolo4.weights import WeightsFormat, source
from yolo4.weights.darknet.files import write_weights
from yolo4.weights.darknet.load import DARKNET
from yolo4.weights.keras2 import KERAS2
from yolo4.weights.keras3 import KERAS3
from yolo4.weights.own import OWN
from yolo4.weights.source import find_weights, open_weights


@pytest.mark.parametrize("write", [save_weights, write_keras2, write_keras3])
def test_the_layers_of_a_keras_file_tell_its_network(tmp_path, write):
    tiny = build_model(dataclasses.replace(CONFIG, network="yolov4-tiny"), 2)
    write(tiny, tmp_path / "tiny.weights.h5")
    opened = open_weights(str(tmp_path / "tiny.weights.h5"))
    assert (opened.settings()["network"], opened.class_count()) == ("yolov4-tiny", 2)


class TestFormats:
    @pytest.mark.parametrize("name", ["yolov4.weights", "yolov4.conv.137", "csdarknet53", "x.y"])
    def test_any_file_but_hdf5_is_darknets_whatever_its_name(self, two, trained, tmp_path, name):
        path = tmp_path / name
        path.write_bytes(darknet_reference.weights(trained))
        opened = open_weights(str(path))
        assert opened.format is DARKNET
        assert opened.load_into(two) == f"{ALL} {path}"
        assert equal(two.get_weights(), trained.get_weights())

    def test_a_file_of_no_format_is_refused_as_darknets(self, tmp_path):
        (tmp_path / "yolov4.pt").write_bytes(b"PK\3\4 a file of another program")
        with pytest.raises(UserError, match=r"yolov4\.pt: not Darknet weights"):
            open_weights(str(tmp_path / "yolov4.pt"))

    def test_keras_files_are_told_apart_by_what_they_hold(self, trained, weights, tmp_path):
        assert open_weights(str(weights)).format is OWN
        path = write_keras3(trained, tmp_path / "best.weights.h5")
        assert open_weights(str(path)).format is KERAS3
        trained.save(tmp_path / "model.keras")
        assert open_weights(str(tmp_path / "model.keras")).format is OWN
        path = write_keras2(trained, tmp_path / "yolo4.weights.h5")
        assert open_weights(str(path)).format is KERAS2
        with h5py.File(path, "w") as file:
            file.attrs["layer_names"] = [b"conv2d"]
            file.create_group("conv2d").attrs["weight_names"] = [b"conv2d/kernel:0"]
            file["conv2d/conv2d/kernel:0"] = np.zeros((3, 3, 3, 8))
        with pytest.raises(
            UserError, match=r"yolo4\.weights\.h5: .* with 1 convolutions .*, not of YOLOv4"
        ):
            open_weights(str(path))

    def test_a_format_is_added_by_registering_it(self, two, tmp_path, monkeypatch):
        added = WeightsFormat(
            "made up",
            recognizes=lambda path: path.suffix == ".made",
            class_count=lambda path, network: 7,
            load=lambda model, path, whole=False: f"{path.name} into {model.name}",
        )
        monkeypatch.setattr(source, "FORMATS", (added, *source.FORMATS))
        (tmp_path / "some.made").write_bytes(b"some")
        opened = open_weights(str(tmp_path / "some.made"))
        assert (opened.class_count(), opened.settings()) == (7, {"network": "yolov4"})
        assert opened.remarks(COCO_ANCHORS, 7) == ()
        assert opened.load_into(two) == "some.made into yolov4"

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("none.weights", "no such weights file"),
            ("text.h5", ".*; expected undamaged weights of Keras"),
            ("empty.weights", "is empty"),
        ],
    )
    def test_a_file_without_weights_is_refused(self, tmp_path, name, message):
        (tmp_path / "text.h5").write_text("hello")
        (tmp_path / "empty.weights").write_bytes(b"")
        with pytest.raises(UserError, match=f"{name}: {message}"):
            open_weights(str(tmp_path / name))


@pytest.mark.quick
class TestSettings:
    @pytest.mark.parametrize("write", [write_keras2, write_keras3])
    def test_files_of_other_programs_have_their_usual_ones(self, trained, tmp_path, write):
        path = write(trained, tmp_path / "other.weights.h5")
        assert open_weights(str(path)).settings() == {
            "network": "yolov4",
            "scale_x_y": (1.0, 1.0, 1.0),
            "batch_norm_epsilon": 1e-3,
        }

    def test_a_run_has_its_own_whether_it_or_its_weights_are_named(self, run):
        own = {"scale_x_y": (1.1, 1.2, 1.3), "batch_norm_epsilon": 2e-3, "resize": "stretch"}
        run.config_file.write_text(dataclasses.replace(CONFIG, **own).to_json())
        assert open_weights(str(run.folder)).settings() == {"network": "yolov4", **own}
        assert open_weights(str(run.best_weights)).settings() == {"network": "yolov4", **own}
        run.top_folder.mkdir()
        top = shutil.copy(run.best_weights, run.top_weights(12, 0.861))
        assert top.name == "epoch-012-map-0.861.weights.h5"
        assert open_weights(str(top)).settings() == {"network": "yolov4", **own}

    def test_a_run_tells_its_network(self, run):
        settings = dataclasses.replace(CONFIG, network="yolov4-tiny-3l", scale_x_y=None)
        run.config_file.write_text(settings.to_json())
        found = find_weights(str(run.folder)).settings()
        assert (found["network"], found["scale_x_y"]) == ("yolov4-tiny-3l", None)

    def test_other_files_have_none(self, weights, tmp_path):
        assert open_weights(str(weights)).settings() == {"network": "yolov4"}
        (tmp_path / "config.json").write_text(CONFIG.to_json())
        write_weights(tmp_path / "some.weights", [])
        found = open_weights(str(tmp_path / "some.weights")).settings()
        assert found == {"network": "yolov4"}, "not those beside it"

    def test_other_anchors_than_those_of_the_loaded_heads_are_remarked_on(self, run, weights):
        opened = open_weights(str(run.folder))
        assert opened.remarks(COCO_ANCHORS + 1, 2) == (
            f"{run.folder}: its heads are loaded but were trained with other anchors; "
            f"--anchors {run.anchors_file} keeps those",
        )
        assert opened.remarks(COCO_ANCHORS, 2) == ()
        assert opened.remarks(COCO_ANCHORS + 1, 3) == (), "no heads are loaded"
        assert open_weights(str(weights)).remarks(COCO_ANCHORS + 1, 2) == (), "nobody knows them"
