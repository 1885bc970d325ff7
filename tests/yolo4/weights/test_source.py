"""Initial weights: every format, what it brings along, and errors that name what does not fit."""

import dataclasses
import hashlib
import shutil
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from nets.networks.spec import Release
from nets.yolov4 import YOLOv4
from tests.helpers import darknet_reference
from tests.helpers.keras2_file import write_keras2
from tests.helpers.keras3_file import write_keras3
from tests.helpers.random_weights import random_weights
from tests.helpers.yolov4 import COCO_ANCHORS
from utils.anchors import format_anchors
from utils.errors import UserError
from yolo4.build import build_model, save_weights
from yolo4.compare import diagnosis
from yolo4.compare.arms import Arm
from yolo4.compare.study_files import MeasuredImages
from yolo4.compare.worker import train_and_measure
from yolo4.config import Config
from yolo4.run import Run
from yolo4.sample_data.make import make_sample_data
from yolo4.train.setup import prepare
from yolo4.weights import WeightsFormat, released, source
from yolo4.weights.darknet.files import write_weights
from yolo4.weights.darknet.load import DARKNET
from yolo4.weights.keras2 import KERAS2, keras2_settings
from yolo4.weights.keras3 import KERAS3
from yolo4.weights.own import OWN
from yolo4.weights.source import find_weights, open_weights

CONFIG = Config(width=0.05, depth=0.1, input_size=64)


ALL = "loaded 74 of 74 convolutions and 71 of 71 batch norms from"


def equal(found, wanted):
    return all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True))


@pytest.fixture(scope="module")
def trained():
    """A network of two classes; no test changes it."""
    return random_weights(build_model(CONFIG, 2), seed=1)


@pytest.fixture(scope="module")
def weights(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "two.weights.h5"
    save_weights(trained, path)
    return path


@pytest.fixture(scope="module")
def two():
    """Another network of two classes, for tests to fill."""
    return build_model(CONFIG, 2)


@pytest.fixture(scope="module", params=[{"width": 0.125}, {"depth": 0.3}])
def other(request):
    """A network of another width or depth."""
    return build_model(dataclasses.replace(CONFIG, **request.param), 2)


@pytest.fixture
def run(tmp_path, weights):
    """A run of two classes with those weights as its best."""
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    run.config_file.write_text(CONFIG.to_json())
    run.classes_file.write_text("cat\ndog\n")
    run.anchors_file.write_text(format_anchors(COCO_ANCHORS) + "\n")
    shutil.copy(weights, run.best_weights)
    return run


class TestOwnFiles:
    def test_weights_of_the_same_network_all_fit(self, two, trained, weights):
        random_weights(two, seed=2)
        opened = open_weights(str(weights))
        assert opened.load_into(two) == f"{ALL} {weights}"
        assert equal(two.get_weights(), trained.get_weights())
        assert opened.load_into(two, whole=True) == f"{ALL} {weights}", "again"

    def test_what_keras_loads_is_loaded(self, two, trained, weights):
        random_weights(two, seed=2)
        keras.Model(two.inputs, two.outputs).load_weights(weights)
        assert equal(two.get_weights(), trained.get_weights())

    def test_a_run_stands_for_its_best_weights(self, two, trained, run):
        random_weights(two, seed=3)
        assert str(run.best_weights) in open_weights(str(run.folder)).load_into(two)
        assert equal(two.get_weights(), trained.get_weights())

    def test_of_another_class_count_all_but_the_heads_is_loaded_and_they_are_listed(
        self, trained, weights
    ):
        model = random_weights(build_model(CONFIG, 5), seed=4)
        heads = [layer for layer in model.convolutions() if layer.use_bias]
        before = [layer.get_weights() for layer in heads]
        first, second = open_weights(str(weights)).load_into(model).splitlines()
        assert first == f"loaded 71 of 74 convolutions and 71 of 71 batch norms from {weights}"
        assert second.startswith("not loaded, as their shapes differ: ")
        assert sorted(second.split(": ")[1].split(", ")) == sorted(layer.name for layer in heads)
        for layer, values in zip(heads, before, strict=True):
            assert equal(layer.get_weights(), values)
        for layer in model.layers:
            if layer.weights and layer not in heads:
                assert equal(layer.get_weights(), trained.get_layer(layer.name).get_weights())

    def test_heads_that_are_not_loaded_start_at_the_confidence_prior(self, weights):
        """sigmoid(bias) is the prior, and with it the confidence of the new heads."""
        model = build_model(dataclasses.replace(CONFIG, confidence_prior=0.03), 5)
        open_weights(str(weights)).load_into(model)
        for layer in model.convolutions():
            if layer.use_bias:
                biases = np.reshape(layer.bias, (3, 5 + 5))
                np.testing.assert_allclose(1 / (1 + np.exp(-biases[:, 4])), 0.03, rtol=1e-5)
                assert not np.delete(biases, 4, axis=1).any()

    def test_another_width_or_depth_is_refused_and_nothing_loaded(self, weights, other):
        before = other.get_weights()
        with pytest.raises(UserError, match=r"another (width|network or depth)\?$"):
            open_weights(str(weights)).load_into(other)
        assert equal(other.get_weights(), before)

    def test_weights_that_are_missing_are_refused(self, run, tmp_path):
        with pytest.raises(UserError, match=r"none\.weights\.h5: no such weights file"):
            open_weights(str(tmp_path / "none.weights.h5"))
        with pytest.raises(UserError, match="not a run folder"):
            open_weights(str(tmp_path))
        run.best_weights.unlink()
        with pytest.raises(UserError, match="no weights yet"):
            open_weights(str(run.folder))

    def test_the_name_of_the_file_does_not_matter(self, two, trained, weights, tmp_path):
        random_weights(two, seed=2)
        shutil.copy(weights, tmp_path / "renamed.h5")
        open_weights(str(tmp_path / "renamed.h5")).load_into(two, whole=True)
        assert equal(two.get_weights(), trained.get_weights())

    @pytest.mark.parametrize(
        ("missing", "message"),
        [
            (
                "batch_norm_5",
                "classes with 74 convolutions and 70 batch norms, but .* has 74 and 71",
            ),
            ("batch_norm_5/vars/2", r"does not have: layers/batch_norm_5 \(0 \(\d+,\), "),
        ],
    )
    def test_a_missing_batch_norm_is_seen(self, two, weights, tmp_path, missing, message):
        path = shutil.copy(weights, tmp_path / "part.weights.h5")
        with h5py.File(path, "a") as file:
            del file[f"layers/{missing}"]
        before = two.get_weights()
        with pytest.raises(UserError, match=message):
            open_weights(str(path)).load_into(two)
        assert equal(two.get_weights(), before)

    @pytest.mark.parametrize("kind", ["whole numbers", "text", "group"])
    def test_an_unreadable_kernel_is_seen(self, two, weights, tmp_path, kind):
        path = Path(shutil.copy(weights, tmp_path / "part.weights.h5"))
        with h5py.File(path, "a") as file:
            shape = file["layers/conv2d_5/vars/0"].shape
            del file["layers/conv2d_5/vars/0"]
            values = {"whole numbers": np.zeros(shape, int), "text": "kernel"}
            if kind == "group":
                file.create_group("layers/conv2d_5/vars/0")
            else:
                file["layers/conv2d_5/vars/0"] = values[kind]
        self.refused(two, path, "layers/conv2d_5/vars/0 is not an array of floats")

    def test_layers_that_changed_places_are_seen(self, two, weights, tmp_path):
        """Two of one shape, which their order alone would not tell apart."""
        path = Path(shutil.copy(weights, tmp_path / "swapped.weights.h5"))
        first, second = "layers/batch_norm/vars", "layers/batch_norm_1/vars"
        with h5py.File(path, "a") as file:
            assert file[first]["0"].shape == file[second]["0"].shape
            file.move(first, "first")
            file.move(second, first)
            file.move("first", second)
        self.refused(
            two,
            path,
            r"its layers/batch_norm is conv_2_norm, but this network has conv_1_norm in this place",
        )

    def test_flipped_bytes_are_seen_wherever_they_are(self, two, weights, tmp_path):
        path, content = tmp_path / "flipped.weights.h5", weights.read_bytes()
        for place in np.random.default_rng(0).integers(0, len(content) - 73, 100):
            changed = bytearray(content)
            changed[place] ^= 0xFF
            path.write_bytes(changed)
            self.refused(two, path, "damaged: its bytes are not those that were written")

    def refused(self, model, path, message):
        before = model.get_weights()
        with pytest.raises(UserError, match=f"^{path}: {message}") as caught:
            open_weights(str(path)).load_into(model)
        assert "\n" not in str(caught.value)
        assert equal(model.get_weights(), before)

    def test_weights_of_older_versions_have_no_checksum(self, two, trained, tmp_path):
        random_weights(two, seed=2)
        path = tmp_path / "older.weights.h5"
        keras.Model(trained.inputs, trained.outputs).save_weights(path)
        assert open_weights(str(path)).load_into(two) == f"{ALL} {path}"
        assert equal(two.get_weights(), trained.get_weights())

    def test_the_class_count_is_read_from_the_file(self, weights):
        assert open_weights(str(weights)).class_count() == 2


@pytest.mark.parametrize("write", [save_weights, write_keras2, write_keras3])
def test_a_file_that_has_to_fill_the_whole_network_but_does_not_is_refused(
    trained, tmp_path, write
):
    path = tmp_path / "two.weights.h5"
    write(trained, path)
    model = random_weights(build_model(CONFIG, 5), seed=4)
    before = model.get_weights()
    with pytest.raises(
        UserError, match=r"two\.weights\.h5: does not fill the whole network: .*conv"
    ):
        open_weights(str(path)).load_into(model, whole=True)
    assert equal(model.get_weights(), before)


def write_darknet(model, path):
    path.write_bytes(darknet_reference.weights(model))


@pytest.mark.parametrize("write", [save_weights, write_keras2, write_keras3, write_darknet])
@pytest.mark.parametrize(
    ("variable", "value"), [("kernel", np.nan), ("moving_variance", np.inf), ("bias", -np.inf)]
)
def test_numbers_that_are_not_finite_are_refused(two, tmp_path, write, variable, value):
    """The last of the network's variables of a name, so that others would be loaded before it."""
    suffix = ".weights" if write is write_darknet else ".weights.h5"
    path, sick = tmp_path / f"sick{suffix}", random_weights(two, seed=3)
    spoilt = [weight for weight in sick.weights if weight.name == variable][-1]
    whole = spoilt.numpy()
    spoilt.assign(np.where(np.arange(whole.size).reshape(whole.shape) == 1, value, whole))
    write(sick, path)
    spoilt.assign(whole)
    before = two.get_weights()
    layer = spoilt.path.split("/")[0]
    if write is write_darknet:  # in which a batch norm is a part of its convolution
        place = rf"the {variable} of {layer.removesuffix('_norm')} has 1 of "
    else:
        place = rf"the {variable} of its [\w/]+, {layer} of this network, has 1 of "
    with pytest.raises(UserError, match=rf"^{path}: {place}[\d,]+ numbers NaN or inf") as caught:
        open_weights(str(path)).load_into(two)
    assert "\n" not in str(caught.value)
    assert equal(two.get_weights(), before)


@pytest.mark.parametrize("write", [save_weights, write_keras2, write_keras3])
def test_the_layers_of_a_keras_file_tell_its_network(tmp_path, write):
    tiny = build_model(dataclasses.replace(CONFIG, network="yolov4-tiny"), 2)
    write(tiny, tmp_path / "tiny.weights.h5")
    opened = open_weights(str(tmp_path / "tiny.weights.h5"))
    assert (opened.settings()["network"], opened.class_count()) == ("yolov4-tiny", 2)


class TestFormats:
    @pytest.mark.parametrize("name", ["yolov4.weights", "yolov4.conv.137", "csdarknet53", "x.y"])
    def test_any_file_but_hdf5_is_darknets_whatever_its_name(self, two, trained, tmp_path, name):
        random_weights(two, seed=2)
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
            train_and_measure(tmp_path, arm, shared, 0)
        assert "confidence gain" in capsys.readouterr().out
        assert hashed == [str(released.MODEL_DATA / release.file)]
