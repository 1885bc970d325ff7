"""Weights of Keras 2, as tf_keras writes them, give the logits that they give there."""

import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from nets.yolov4 import YOLOv4
from tests.helpers import ROOT
from utils.errors import UserError
from yolo4.build import build_model
from yolo4.config import Config
from yolo4.weights.keras2 import is_keras2, keras2_class_count, keras2_settings, load_keras2
from yolo4.weights.source import open_weights

CONFIG = Config(width=0.125, depth=0.1, input_size=64, **keras2_settings())


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder with the files of `keras2_network.py`."""
    folder = tmp_path_factory.mktemp("keras2")
    script = ROOT / "tests" / "helpers" / "keras2_network.py"
    done = subprocess.run([sys.executable, script, folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def network():
    return build_model(CONFIG, 3)


@pytest.fixture
def file(made, tmp_path):
    """A copy of `first.h5` to change."""
    return Path(shutil.copy(made / "first.h5", tmp_path / "changed.h5"))


def scrambled(model):
    rng = np.random.default_rng(9)
    model.set_weights([rng.uniform(0.1, 0.5, value.shape) for value in model.get_weights()])
    return [value.copy() for value in model.get_weights()]


def unchanged(model, before):
    return all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))


def assert_same_logits(model, made, name):
    wanted = np.load(made / "logits.npz")
    for logits in model(wanted["image"].astype("float32")):
        there = wanted[f"{name}_{64 // logits.shape[1]}"]
        assert there.std() > 0.1
        np.testing.assert_allclose(np.reshape(logits, there.shape), there, atol=1e-4)


@pytest.mark.parametrize("name", ["first", "first_model", "second", "nested", "stride8first"])
def test_logits_are_those_of_keras_2(made, network, name):
    scrambled(network)
    path = made / f"{name}.h5"
    assert load_keras2(network, path) == f"loaded 74 of 74 convolutions from {path}"
    assert_same_logits(network, made, name.removesuffix("_model"))


def test_the_files_have_the_layouts_that_they_stand_for(made):
    with h5py.File(made / "first.h5") as first, h5py.File(made / "second.h5") as second:
        assert "conv2d" in first
        assert "conv2d" not in second
        assert "conv2d_74" in second
    with h5py.File(made / "first_model.h5") as file:
        assert list(file) == ["model_weights"]
    with h5py.File(made / "nested.h5") as file:
        assert len(file.attrs["layer_names"]) == 2


def test_layers_created_in_another_order_are_matched_by_the_graph(made, network):
    scrambled(network)
    assert load_keras2(network, made / "path_first.h5").splitlines()[1:] == [
        "its layers were not created in the usual order; matched by the order of the graph"
    ]
    assert_same_logits(network, made, "path_first")


def test_the_names_of_the_layers_do_not_matter(file, made, network):
    with h5py.File(file, "a") as opened:
        names = list(opened.attrs["layer_names"])
        for place, name in enumerate(names):
            opened.move(name, f"layer{place}x")
            group = opened[f"layer{place}x"]
            arrays = list(group.attrs["weight_names"])
            for path in arrays:
                group.move(path, f"w{place}x/{path.split('/')[1]}")
            group.attrs["weight_names"] = [f"w{place}x/{path.split('/')[1]}" for path in arrays]
        opened.attrs["layer_names"] = [f"layer{place}x" for place in range(len(names))]
    scrambled(network)
    load_keras2(network, file)
    assert_same_logits(network, made, "first")


def test_long_lists_of_names_are_split_and_may_be_bytes(file, made, network):
    with h5py.File(file, "a") as opened:
        names = opened.attrs["layer_names"].astype("S")
        del opened.attrs["layer_names"]
        opened.attrs["layer_names0"], opened.attrs["layer_names1"] = names[:50], names[50:]
    assert is_keras2(file)
    scrambled(network)
    load_keras2(network, file)
    assert_same_logits(network, made, "first")


def test_for_another_class_count_the_heads_stay_as_they_are(made):
    model = build_model(CONFIG, 5)
    scrambled(model)
    heads = [layer for layer in model.convolutions() if layer.use_bias]
    before = [value for head in heads for value in head.get_weights()]
    text = load_keras2(model, made / "first.h5").splitlines()
    assert text[0].startswith("loaded 71 of 74 convolutions")
    assert text[1].startswith("not loaded, as their shapes differ: ")
    assert sorted(text[1].split(": ")[1].split(", ")) == sorted(head.name for head in heads)
    after = [value for head in heads for value in head.get_weights()]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_kind_of_file_and_its_class_count(made, tmp_path):
    for name in ("first", "first_model", "nested"):
        assert is_keras2(made / f"{name}.h5")
        assert keras2_class_count(made / f"{name}.h5") == 3
    (tmp_path / "text.h5").write_text("hello")
    build_model(CONFIG, 1).save_weights(tmp_path / "ours.weights.h5")
    for other in ("text.h5", "ours.weights.h5", "none.h5"):
        assert not is_keras2(tmp_path / other)


def test_another_network_is_refused_with_both_shapes_or_counts(made):
    slim = YOLOv4(3, width=0.25, depth=0.1)
    before = scrambled(slim)
    with pytest.raises(UserError) as caught:
        load_keras2(slim, made / "first.h5")
    assert str(caught.value) == (
        f"{made / 'first.h5'}: for another network: its conv2d_1 has kernel (3, 3, 8, 8), "
        "but conv_2 of this network has kernel (3, 3, 8, 16); "
        "does it have another --width or --depth?"
    )
    assert unchanged(slim, before)
    with pytest.raises(
        UserError, match=r"74 convolutions and 71 batch norms, but this network 78 and 75"
    ):
        load_keras2(YOLOv4(3, width=0.125, depth=0.25), made / "first.h5")


def test_a_layer_with_another_shape_is_named(file, network):
    before = scrambled(network)
    with h5py.File(file, "a") as opened:
        group = opened["batch_normalization_10/batch_normalization_10"]
        del group["gamma:0"]
        group["gamma:0"] = np.ones(5, "f4")
    with pytest.raises(UserError, match=r"batch_normalization_10 has gamma \(5,\), .* gamma \(\d+"):
        load_keras2(network, file)
    assert unchanged(network, before)


def test_a_batch_norm_of_another_convolution_is_seen(file, network):
    before = scrambled(network)
    with h5py.File(file, "a") as opened:
        names = list(opened.attrs["layer_names"])
        first, second = (names.index(f"batch_normalization_{n}") for n in (18, 19))
        names[first], names[second] = names[second], names[first]
        opened.attrs["layer_names"] = names
    with pytest.raises(UserError, match=r"conv2d_18 was created with batch_normalization_18, but"):
        load_keras2(network, file)
    assert unchanged(network, before)


@pytest.mark.parametrize("fraction", [0.3, 0.9])
def test_a_truncated_file_is_refused_before_there_is_a_network(made, tmp_path, fraction):
    data = (made / "first.h5").read_bytes()
    path = tmp_path / "cut.h5"
    path.write_bytes(data[: int(fraction * len(data))])
    with pytest.raises(UserError, match=rf"^{path}: damaged: .*truncated"):
        open_weights(str(path))


def test_a_group_in_the_place_of_an_array_is_refused(file, network):
    with h5py.File(file, "r+") as stored:
        name = stored.attrs["layer_names"][-1]
        path = f"{name}/{stored[name].attrs['weight_names'][0]}"
        del stored[path]
        stored.create_group(path)
    with pytest.raises(UserError, match=r"changed\.h5: damaged"):
        load_keras2(network, file)


@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.999])
def test_a_truncated_file_is_refused(made, tmp_path, network, fraction):
    data = (made / "first.h5").read_bytes()
    path = tmp_path / "cut.h5"
    path.write_bytes(data[: int(len(data) * fraction)])
    with pytest.raises(UserError, match=r"cut\.h5: damaged, or not weights of Keras 2"):
        load_keras2(network, path)


def test_a_file_without_one_of_its_arrays_is_refused(file, network):
    with h5py.File(file, "a") as opened:
        del opened["conv2d_7/conv2d_7/kernel:0"]
    with pytest.raises(UserError, match=r"changed\.h5: damaged, or not weights of Keras 2.*kernel"):
        load_keras2(network, file)


@pytest.mark.quick
@pytest.mark.parametrize(("sizes", "found"), [((24, 24, 27), "24, 24, 27"), ((24,), "24")])
def test_heads_that_are_not_three_alike_are_refused(tmp_path, sizes, found):
    path = tmp_path / "heads.h5"
    with h5py.File(path, "w") as file:
        names = [f"conv2d_{place}" for place in range(len(sizes))]
        file.attrs["layer_names"] = names
        for name, size in zip(names, sizes, strict=True):
            group = file.create_group(name)
            group[f"{name}/bias:0"] = np.zeros(size, "f4")
            group.attrs["weight_names"] = [f"{name}/bias:0"]
    with pytest.raises(UserError, match=rf"3 convolutions with a bias .*; found: {found}$"):
        keras2_class_count(path)
