"""What a training takes from its initial weights: settings, anchors, releases."""

import dataclasses
import hashlib

import pytest

from nets.networks.spec import Release
from nets.yolov4 import YOLOv4
from tests.helpers import darknet_reference
from tests.helpers.keras2_file import write_keras2
from tests.helpers.random_weights import random_weights
from tests.helpers.some_networks import CONFIG, equal
from tests.helpers.yolov4 import COCO_ANCHORS
from utils.anchors import format_anchors
from yolo4.build import build_model, save_weights
from yolo4.compare.arms import Arm
from yolo4.compare.loss import diagnosis
from yolo4.compare.running.worker import train_and_measure
from yolo4.compare.study_files import MeasuredImages
from yolo4.run import Run
from yolo4.sample_data.make import make_sample_data
from yolo4.train.setup import prepare
from yolo4.weights import released
from yolo4.weights.keras2 import keras2_settings
from yolo4.weights.source import open_weights


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_sample_data(tmp_path_factory.mktemp("data") / "set", 2, 1, 1, size=96)


class TestTraining:
    @pytest.fixture
    def config(self, data, tmp_path):
        return dataclasses.replace(CONFIG, data=(str(data),), run_dir=str(tmp_path / "new"))

    def test_it_remarks_on_other_anchors(self, config, tmp_path, capsys):
        class_count = len(prepare(config).class_names)
        run = Run(tmp_path / "run")
        save_weights(build_model(CONFIG, class_count), run.best_weights)
        run.config_file.write_text(CONFIG.to_json())
        run.anchors_file.write_text(format_anchors(COCO_ANCHORS + 1))
        config = dataclasses.replace(config, weights=str(run.folder))
        remark = f"--anchors {run.anchors_file} keeps those"
        prepare(config)
        assert remark in capsys.readouterr().out
        prepare(dataclasses.replace(config, anchors=str(run.anchors_file)))
        assert remark not in capsys.readouterr().out

    def test_it_fits_images_like_the_run_of_the_weights_but_not_like_darknet(
        self, trained, config, tmp_path, capsys
    ):
        run = Run(tmp_path / "run")
        save_weights(trained, run.best_weights)
        run.config_file.write_text(dataclasses.replace(CONFIG, resize="stretch").to_json())
        run.anchors_file.write_text(format_anchors(COCO_ANCHORS))
        named = dataclasses.replace(config, weights=str(run.folder))
        assert prepare(named).config.resize == "stretch"
        said = f"--resize stretch: what {run.folder} was trained with"
        assert said in capsys.readouterr().out.splitlines()
        path = tmp_path / "my.weights"
        path.write_bytes(darknet_reference.weights(trained))
        assert prepare(dataclasses.replace(config, weights=str(path))).config.resize == "letterbox"
        assert "--resize" not in capsys.readouterr().out

    def test_it_adopts_the_settings_of_the_weights_and_says_so(
        self, trained, config, tmp_path, capsys
    ):
        path = write_keras2(trained, tmp_path / "old.h5")
        config = dataclasses.replace(config, weights=str(path))
        found = prepare(config).config
        assert {name: getattr(found, name) for name in keras2_settings()} == keras2_settings()
        assert (
            f"--scale-x-y (1.0, 1.0, 1.0), --batch-norm-epsilon 0.001: what {path} was trained with"
        ) in capsys.readouterr().out.splitlines()
        same = dataclasses.replace(config, **keras2_settings())
        assert prepare(same).config == found
        assert "was trained with" not in capsys.readouterr().out


class TestReleases:
    @pytest.fixture
    def release(self, trained, tmp_path, monkeypatch):
        """A released file of two classes in `model_data`, instead of the real one."""
        content = darknet_reference.weights(trained)
        release = Release(
            "yolov4",
            "https://x.invalid/some.weights",
            len(content),
            hashlib.sha256(content).hexdigest(),
        )
        monkeypatch.setitem(released.RELEASED, "yolov4", release)
        monkeypatch.setattr(released, "MODEL_DATA", tmp_path / "model_data")
        released.MODEL_DATA.mkdir()
        (released.MODEL_DATA / release.file).write_bytes(content)
        return release

    @pytest.fixture
    def hashed(self, monkeypatch):
        """The names of the files that a hash was computed of."""
        names, file_digest = [], hashlib.file_digest

        def noted(file, name):
            names.append(file.name)
            return file_digest(file, name)

        monkeypatch.setattr(hashlib, "file_digest", noted)
        return names

    @pytest.mark.quick
    def test_a_name_stands_for_the_released_file_unless_there_is_such_a_file(
        self, release, two, trained, tmp_path, monkeypatch
    ):
        monkeypatch.chdir(tmp_path)
        random_weights(two, seed=2)
        path = released.MODEL_DATA / release.file
        assert open_weights("yolov4").load_into(two).endswith(str(path))
        assert equal(two.get_weights(), trained.get_weights())
        (tmp_path / "yolov4").write_bytes(path.read_bytes())
        assert open_weights("yolov4").load_into(two).endswith("from yolov4")

    @pytest.mark.quick
    def test_a_hash_is_computed_once(self, release, hashed, weights):
        opened = open_weights("yolov4")
        opened.class_count()
        assert hashed == [str(opened.path)]
        open_weights(str(weights))
        assert hashed == [str(opened.path)]

    def test_a_matched_arm_starts_with_one_hash(
        self, release, hashed, data, tmp_path, monkeypatch, capsys
    ):
        class BegunError(Exception):
            """The first step of the training would come next."""

        def begin(*_):
            raise BegunError

        def step(model, *batch):
            model.set_weights([value + 1 for value in model.get_weights()])

        monkeypatch.setattr(YOLOv4, "train_on_batch", step)  # compiling it takes long
        monkeypatch.setattr(diagnosis, "LossAnalysisCallback", begin)
        monkeypatch.setattr(MeasuredImages, "load", lambda file: None)
        shared = dataclasses.replace(CONFIG, data=(str(data),), weights="yolov4")
        arm = Arm("focal", {"confidence_loss": "focal"}, "matched")
        with pytest.raises(BegunError):
            train_and_measure(tmp_path, arm, arm, shared, 0, 0, "best", {})
        assert "confidence gain" in capsys.readouterr().out
        assert hashed == [str(released.MODEL_DATA / release.file)]
