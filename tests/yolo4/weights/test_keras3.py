"""Weights in the layout of Keras 3, as Keras 3 and late versions of Keras 2 write them."""

import re
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from nets.networks import YOLOV4
from nets.yolov4 import YOLOv4
from tests.helpers.foreign_files import assert_same_logits, scrambled, unchanged
from tests.helpers.keras3_file import rename, write_keras3
from tests.nets.toy_network import TOY
from utils.errors import UserError
from yolo4.build import build_model
from yolo4.config import Config
from yolo4.weights.keras2 import keras2_settings
from yolo4.weights.keras3 import KERAS3, load_keras3, read_keras3
from yolo4.weights.source import open_weights

CONFIG = Config(width=0.125, depth=0.1, input_size=64, **keras2_settings())
FILES = ["first.weights.h5", "first.keras", "nested.weights.h5", "stride16first.weights.h5"]


@pytest.fixture(params=["of_keras2", "of_keras3"])
def made(request):
    """The folder of the files of each library."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def file(of_keras3, tmp_path):
    """A file to change."""
    return Path(shutil.copy(of_keras3 / "first.weights.h5", tmp_path / "changed.weights.h5"))


def toy(**options):
    return YOLOv4(2, input_shape=(64, 64), network=TOY, **options)


def refused(model, path, message):
    """Loading is refused in one line, and nothing is loaded."""
    before = scrambled(model)
    with pytest.raises(UserError, match=message) as caught:
        load_keras3(model, path)
    assert "\n" not in str(caught.value)
    assert unchanged(model, before)


@pytest.mark.parametrize("file", FILES)
def test_logits_are_those_of_the_other_program(made, network, file):
    scrambled(network)
    path = made / file
    opened = open_weights(str(path))
    assert (opened.format, opened.class_count()) == (KERAS3, 3)
    assert opened.settings()["batch_norm_epsilon"] == 1e-3
    assert opened.load_into(network, whole=True) == (
        f"loaded 74 of 74 convolutions and 71 of 71 batch norms from {path}"
    )
    assert_same_logits(network, made, file.partition(".")[0])


def test_logits_of_yolov4_tiny_are_those_of_the_other_program(made, tiny):
    scrambled(tiny)
    text = load_keras3(tiny, made / "tiny.weights.h5")
    assert text.startswith("loaded 21 of 21 convolutions and 19 of 19 batch norms from")
    assert_same_logits(tiny, made, "tiny")


@pytest.mark.parametrize(
    ("name", "blocks"),
    [("se", "squeeze-and-excitation blocks"), ("cbam", "CBAM blocks"), ("eca", "ECA blocks")],
)
def test_attention_blocks_are_named(made, tiny, name, blocks):
    refused(tiny, made / f"{name}.weights.h5", f"has {blocks} .*, which YOLOv4-tiny does not have")


def test_the_files_have_the_layouts_that_they_stand_for(of_keras2, of_keras3):
    for folder, named in ((of_keras2, False), (of_keras3, True)):
        with h5py.File(folder / "first.weights.h5") as file:
            assert "layers/conv2d_73/vars/1" in file
            assert "layers/batch_normalization_70/vars/3" in file
            assert ("name" in file["layers/conv2d_73/vars"].attrs) == named
        with h5py.File(folder / "nested.weights.h5") as file:
            assert len(file["layers/functional/optimizer/vars"]) > 0
        with zipfile.ZipFile(folder / "first.keras") as archive:
            assert "model.weights.h5" in archive.namelist()


def test_for_another_class_count_the_heads_stay_as_they_are(of_keras3):
    model = build_model(CONFIG, 5)
    before = dict(zip([v.path for v in model.variables], scrambled(model), strict=True))
    path = of_keras3 / "stride16first.weights.h5"
    first, second = load_keras3(model, path).splitlines()
    assert first == f"loaded 71 of 74 convolutions and 71 of 71 batch norms from {path}"
    heads = [layer.name for layer in model.convolutions() if layer.use_bias]
    assert sorted(second.removeprefix("not loaded, as their shapes differ: ").split(", ")) == heads
    for variable in model.variables:
        stays = np.array_equal(variable, before[variable.path])
        assert stays == (variable.path.partition("/")[0] in heads)
    with pytest.raises(UserError, match=f"does not fill the whole network: .*{heads[0]}"):
        load_keras3(model, path, whole=True)


class TestEpsilon:
    """A file of a whole model has its description, which tells the epsilon of its batch norms."""

    OLD = '"epsilon": 0.001'

    @pytest.fixture
    def with_description(self, made, tmp_path):
        """Copies the two files of a whole model and changes the description of the model."""

        def changed(change):
            archive, file = tmp_path / "changed.keras", tmp_path / "changed.h5"
            with zipfile.ZipFile(made / "first.keras") as old, zipfile.ZipFile(archive, "w") as new:
                for name in old.namelist():
                    data = old.read(name)
                    is_config = name == "config.json"
                    new.writestr(name, change(data.decode()) if is_config else data)
            shutil.copy(made / "first_model.h5", file)
            with h5py.File(file, "a") as opened:
                opened.attrs["model_config"] = change(opened.attrs["model_config"])
            return [open_weights(str(path)) for path in (archive, file)]

        return changed

    def test_it_is_the_models_own(self, with_description):
        for opened in with_description(lambda text: text.replace(self.OLD, '"epsilon": 2e-05')):
            assert opened.settings()["batch_norm_epsilon"] == 2e-5
            assert opened.settings()["scale_x_y"] == (1.0, 1.0, 1.0)

    def test_several_are_refused(self, with_description):
        for opened in with_description(lambda text: text.replace(self.OLD, '"epsilon": 0.01', 1)):
            with pytest.raises(UserError, match=r"its batch norms have the epsilons 0\.001, 0\.01"):
                opened.settings()

    def test_a_damaged_description_is_reported(self, with_description):
        for opened in with_description(lambda text: text[:-9]):
            with pytest.raises(UserError, match=r"line \d+: bad JSON"):
                opened.settings()


class TestOtherLayouts:
    def test_names_of_windows(self, file, network, of_keras3):
        with h5py.File(file, "a") as opened:
            for name in list(opened["layers"]):
                opened.move(f"layers/{name}", f"layers\\{name}")
            del opened["layers"]
        load_keras3(network, file, whole=True)
        assert_same_logits(network, of_keras3, "first")

    def test_the_list_of_keras_2_12_with_gaps_in_its_numbers(self, file, network, of_keras3):
        rename(file, lambda name: re.sub(r"(?<=_)\d+$", lambda n: str(2 * int(n[0])), name))
        with h5py.File(file, "a") as opened:
            opened.move("layers", "_layer_checkpoint_dependencies")
        load_keras3(network, file, whole=True)
        assert_same_logits(network, of_keras3, "first")

    def test_the_state_of_random_numbers_is_no_weight(self, file, network, of_keras3):
        with h5py.File(file, "a") as opened:
            opened["layers/dropout/seed_generator/vars/0"] = np.zeros(2, "u4")
        load_keras3(network, file, whole=True)
        assert_same_logits(network, of_keras3, "first")


class TestRefusals:
    def test_missing_batch_norms(self, file, network):
        with h5py.File(file, "a") as opened:
            for name in [name for name in opened["layers"] if name.startswith("batch_norm")]:
                del opened[f"layers/{name}"]
        refused(
            network, file, "classes with 74 convolutions and 0 batch norms, but .* has 74 and 71"
        )

    def test_a_batch_norm_without_one_of_its_arrays(self, file, network):
        with h5py.File(file, "a") as opened:
            del opened["layers/batch_normalization_7/vars/3"]
        refused(network, file, r"does not have: layers/batch_normalization_7 \(0 \(\d+,\), 1 ")

    def test_convolutions_of_two_classes(self, file, network):
        with h5py.File(file, "a") as opened:
            opened.move("layers/conv2d_73", "layers/head_conv2d")
        refused(network, file, r"by themselves: layers/conv2d, layers/head_conv2d; expected one")

    def test_a_layer_made_of_layers(self, file, network):
        with h5py.File(file, "a") as opened:
            opened["layers/block_2/dense/vars/0"] = np.zeros((8, 4), "f4")
        refused(network, file, r"does not have: layers/block_2/dense \(kernel \(8, 4\)\)$")

    def test_an_order_that_the_graph_does_not_give(self, file, network):
        swap = {"conv2d_1": "conv2d_2", "conv2d_2": "conv2d_1"}
        rename(file, lambda name: swap.get(name, name))
        refused(network, file, "its layers are those of YOLOv4, but in an order that its graph")

    def test_a_batch_norm_of_another_convolution(self, file, network):
        swap = {"batch_normalization_17": "batch_normalization_18"}
        swap |= {new: old for old, new in swap.items()}
        rename(file, lambda name: swap.get(name, name))
        refused(network, file, "was created with layers/batch_normalization_1[78], but is listed")

    def test_another_width(self, of_keras2):
        model = YOLOv4(3, width=0.25, depth=0.1)
        message = r"layers/conv2d_1 has kernel \(3, 3, 8, 8\), but conv_2 .* another width\?$"
        refused(model, of_keras2 / "first.weights.h5", message)

    def test_another_depth(self, of_keras2):
        model = YOLOv4(3, width=0.125, depth=0.25)
        message = "classes with 74 convolutions and 71 batch norms, but .* has 78 and 75; .* depth"
        refused(model, of_keras2 / "first.weights.h5", message)

    def test_another_network_is_named(self, of_keras2, network, tiny):
        path = of_keras2 / "tiny.weights.h5"
        refused(network, path, "weights of Keras 3 for YOLOv4-tiny, 3 classes, not YOLOv4$")
        message = "weights of Keras 3 with 74 convolutions and 71 batch norms, not of YOLOv4-tiny,"
        refused(tiny, of_keras2 / "first.weights.h5", message)


@pytest.mark.quick
class TestOrder:
    def equal_heads(self):
        """A network whose heads read equal numbers of channels."""

        def neck(graph, features, width):
            fine, coarse = features
            coarse = graph.conv(coarse, 32, 1, "leaky")  # as many channels as the fine ones
            fine, coarse = (graph.conv(x, 16, 1, "leaky") for x in (fine, coarse))
            return graph.head(fine, level=0), graph.head(coarse, level=1)

        return YOLOv4(2, input_shape=(64, 64), network=replace(TOY, neck=neck))

    def test_an_order_of_the_outputs_that_the_shapes_do_not_show_is_refused(self, tmp_path):
        model = self.equal_heads()
        path = write_keras3(model, tmp_path / "equal.weights.h5")
        refused(model, path, "cannot know the order of its outputs: more than one fits")

    def test_our_own_files_have_one_order(self, tmp_path):
        model = self.equal_heads()
        before = scrambled(model)
        path = tmp_path / "own.weights.h5"
        model.save_weights(path)
        scrambled(again := self.equal_heads())
        assert "2 of 2 batch" not in open_weights(str(path), model.network).load_into(again)
        assert unchanged(again, before)

    def test_layers_are_in_the_order_of_their_numbers(self, tmp_path):
        path = write_keras3(toy(depth=3.0), tmp_path / "toy.weights.h5")
        numbers = [int(n.name.rpartition("_")[2]) for n in read_keras3(path).norms[1:]]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) > 9


@pytest.mark.quick
class TestOtherFiles:
    def test_what_holds_no_weights_of_keras_is_refused(self, tmp_path):
        (tmp_path / "text.weights.h5").write_text("hello")
        (tmp_path / "text.keras").write_text("hello")
        with h5py.File(tmp_path / "numbers.h5", "w") as file:
            file["numbers"] = np.arange(3)
        with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
            archive.writestr("config.json", "{}")
        for name, message in {
            "text.weights.h5": ".*signature.*; expected undamaged weights of Keras",
            "text.keras": ".*signature.*; expected undamaged weights of Keras",
            "numbers.h5": "not weights of Keras: it lists no layers with arrays",
            "other.keras": ".*no item named 'model.weights.h5'.*; expected undamaged",
        }.items():
            with pytest.raises(UserError, match=f"{name}: {message}"):
                open_weights(str(tmp_path / name))

    @pytest.mark.parametrize("fraction", [0.2, 0.6, 0.99])
    def test_a_truncated_file_is_refused(self, tmp_path, fraction):
        whole = write_keras3(toy(), tmp_path / "whole.weights.h5").read_bytes()
        path = tmp_path / "cut.weights.h5"
        path.write_bytes(whole[: int(fraction * len(whole))])
        with pytest.raises(UserError, match=r"cut\.weights\.h5: .*truncated file"):
            open_weights(str(path), TOY)

    def test_an_array_that_holds_no_numbers_of_a_network_is_refused(self, tmp_path):
        path = write_keras3(toy(), tmp_path / "bytes.weights.h5")
        with h5py.File(path, "a") as file:
            del file["layers/conv2d_3/vars/0"]
            file["layers/conv2d_3/vars/0"] = np.zeros((3, 3, 8, 8), "V2")
        refused(toy(), path, "layers/conv2d_3/vars/0 is not an array of floats; expected")

    def test_one_convolution_is_no_yolov4(self, tmp_path):
        path = tmp_path / "one.weights.h5"
        with h5py.File(path, "w") as file:
            file["layers/conv2d/vars/0"] = np.zeros((3, 3, 3, 8), "f4")
            file["layers/conv2d/vars/1"] = np.zeros(8, "f4")
        message = "weights of Keras 3 with 1 convolutions and 0 batch norms, not of YOLOv4, .*: 8$"
        with pytest.raises(UserError, match=message):
            open_weights(str(path), YOLOV4)
