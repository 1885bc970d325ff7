"""Weights of Keras 2, as tf_keras writes them, give the logits that they give there."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from nets.networks import YOLOV4, YOLOV4_TINY
from nets.yolov4 import YOLOv4
from tests.helpers.foreign_files import assert_same_logits, scrambled, unchanged
from utils.errors import UserError
from yolo4.build import build_model
from yolo4.config import Config
from yolo4.weights.keras2 import (
    is_keras2,
    keras2_class_count,
    keras2_settings,
    load_keras2,
    read_keras2,
)
from yolo4.weights.source import open_weights

CONFIG = Config(width=0.125, depth=0.1, input_size=64, **keras2_settings())


@pytest.fixture(scope="module")
def made(of_keras2):
    return of_keras2


@pytest.fixture
def file(made, tmp_path):
    """A copy of `first.h5` to change."""
    return Path(shutil.copy(made / "first.h5", tmp_path / "changed.h5"))


ALL = "loaded 74 of 74 convolutions and 71 of 71 batch norms from"


@pytest.mark.parametrize(
    "name", ["first", "first_model", "second", "nested", "stride8first", "stride16first"]
)
def test_logits_are_those_of_keras_2(made, network, name):
    scrambled(network)
    path = made / f"{name}.h5"
    assert load_keras2(network, path) == f"{ALL} {path}"
    assert_same_logits(network, made, name.removesuffix("_model"))


def test_whole_models_that_keras_3_writes_in_this_format_are_read(of_keras3, network):
    scrambled(network)
    path = of_keras3 / "first_model.h5"
    assert is_keras2(path)
    assert load_keras2(network, path) == f"{ALL} {path}"
    assert_same_logits(network, of_keras3, "first")


@pytest.mark.parametrize("name", ["tiny", "tiny_stride16first"])
def test_logits_of_yolov4_tiny_are_those_of_keras_2(made, tiny, name):
    scrambled(tiny)
    path = made / f"{name}.h5"
    assert load_keras2(tiny, path) == (
        f"loaded 21 of 21 convolutions and 19 of 19 batch norms from {path}"
    )
    assert_same_logits(tiny, made, name)


@pytest.mark.parametrize(
    ("name", "blocks"),
    [("se", "squeeze-and-excitation blocks"), ("cbam", "CBAM blocks"), ("eca", "ECA blocks")],
)
def test_attention_blocks_are_named(made, tiny, name, blocks):
    before = scrambled(tiny)
    message = rf"{name}\.h5: has {blocks} .*, which YOLOv4-tiny does not have; .*without attention"
    with pytest.raises(UserError, match=message):
        load_keras2(tiny, made / f"{name}.h5")
    assert unchanged(tiny, before)


def test_the_network_is_known_by_the_number_of_its_layers(made):
    for name, network in (("first_model", None), ("tiny", YOLOV4_TINY), ("se", YOLOV4_TINY)):
        stored = read_keras2(made / f"{name}.h5")
        for expected in (YOLOV4, YOLOV4_TINY):
            assert stored.network(expected) is (network or expected)
    with pytest.raises(UserError, match=r"Keras 2 for YOLOv4-tiny, 3 classes, not YOLOv4$"):
        keras2_class_count(made / "tiny.h5", YOLOV4)


def test_a_layer_that_the_network_does_not_have_is_named(file, network):
    before = scrambled(network)
    with h5py.File(file, "a") as opened:
        names = list(opened.attrs["layer_names"])
        opened.attrs["layer_names"] = [*names, "dense"]
        opened["dense/dense/kernel:0"] = np.zeros((8, 2), "f4")
        opened["dense"].attrs["weight_names"] = ["dense/kernel:0"]
    message = r"has layers that YOLOv4 does not have: dense \(kernel \(8, 2\)\)$"
    with pytest.raises(UserError, match=message):
        load_keras2(network, file)
    assert unchanged(network, before)


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
    assert text[0].startswith("loaded 71 of 74 convolutions and 71 of 71 batch norms from ")
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
        f"{made / 'first.h5'}: its conv2d_1 has kernel (3, 3, 8, 8), "
        "but conv_2 of this network has kernel (3, 3, 8, 16); is it for another width?"
    )
    assert unchanged(slim, before)
    message = (
        r"for 3 classes with 74 convolutions and 71 batch norms, but .* has 78 and 75; .* depth\?"
    )
    with pytest.raises(UserError, match=message):
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
    with pytest.raises(UserError, match=rf"^{path}: .*truncated.*; expected an undamaged"):
        open_weights(str(path))


def test_a_group_in_the_place_of_an_array_is_refused(file, network):
    with h5py.File(file, "r+") as stored:
        name = stored.attrs["layer_names"][-1]
        path = f"{name}/{stored[name].attrs['weight_names'][0]}"
        del stored[path]
        stored.create_group(path)
    with pytest.raises(UserError, match=r"changed\.h5: .* is not an array of floats"):
        load_keras2(network, file)


@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.999])
def test_a_truncated_file_is_refused(made, tmp_path, network, fraction):
    data = (made / "first.h5").read_bytes()
    path = tmp_path / "cut.h5"
    path.write_bytes(data[: int(len(data) * fraction)])
    with pytest.raises(UserError, match=r"cut\.h5: .*; expected undamaged weights of Keras 2"):
        load_keras2(network, path)


def test_a_file_without_one_of_its_arrays_is_refused(file, network):
    with h5py.File(file, "a") as opened:
        del opened["conv2d_7/conv2d_7/kernel:0"]
    with pytest.raises(UserError, match=r"changed\.h5: .*kernel:0.*; expected undamaged"):
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
            group[f"{name}/kernel:0"] = np.zeros((1, 1, 8, size), "f4")
            group[f"{name}/bias:0"] = np.zeros(size, "f4")
            group.attrs["weight_names"] = [f"{name}/kernel:0", f"{name}/bias:0"]
    message = (
        rf"weights of Keras 2 with {len(sizes)} convolutions and 0 batch norms, not of YOLOv4, "
        rf"whose 3 convolutions with a bias have 3 \* \(5 \+ classes\) filters; found: {found}$"
    )
    with pytest.raises(UserError, match=message):
        keras2_class_count(path)
