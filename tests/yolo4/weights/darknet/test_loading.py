"""Darknet's numbers go to the layers that they are for."""

import numpy as np
import pytest

from nets.batch_norm import BatchNorm
from nets.yolov4 import YOLOv4
from tests.helpers import darknet_reference as reference
from tests.helpers.random_weights import random_weights
from tests.yolo4.weights.darknet.slim_network import SLIM, slim, write
from utils.errors import UserError
from yolo4.weights.darknet.layers import darknet_layers
from yolo4.weights.darknet.load import darknet_class_count, load_darknet


@pytest.fixture
def whole(numbers, tmp_path):
    return write(tmp_path / "whole.weights", numbers)


def layers_of(model):
    """The arrays of each convolution and its batch norm, by the convolution's name."""
    found = {layer.name: layer.get_weights() for layer in model.convolutions()}
    for layer in model.layers:
        if isinstance(layer, BatchNorm):
            found[layer.name.removesuffix("_norm")] += layer.get_weights()
    return found


def loaded(model, count, path, without_heads=False):
    """The line for the log if the first `count` layers of a file are loaded."""
    layers = darknet_layers(model)
    heads = sum(layer.norm is None for layer in layers[:count])
    norms = sum(layer.norm is not None for layer in layers)
    return (
        f"loaded {count - heads * without_heads} of {len(layers)} convolutions and "
        f"{count - heads} of {norms} batch norms from {path}"
    )


def assert_loaded(model, trained, before, names):
    """The layers of these names are as trained, the others as before."""
    for name, arrays in layers_of(model).items():
        wanted = (trained if name in names else before)[name]
        assert all(np.array_equal(a, b) for a, b in zip(arrays, wanted, strict=True)), name


class TestLoading:
    def test_a_whole_file_fills_the_network(self, model, trained, whole):
        text = load_darknet(model, whole, whole=True)
        assert text == loaded(model, len(model.convolutions()), whole)
        assert_loaded(model, layers_of(trained), {}, layers_of(trained))

    @pytest.mark.parametrize(
        ("last", "rest"), [(1, 0), (2, 1), (36, 0.5), (56, 0), (64, 0.5), (71, 0), (71, -1)]
    )
    def test_of_a_cut_file_the_complete_layers_are_loaded(
        self, model, trained, numbers, tmp_path, last, rest
    ):
        layers = darknet_layers(model)
        count = len(layers)
        sizes = [layer.filters * layer.size_of_filter for layer in layers]
        inside = {0: 0, 1: 1, 0.5: sizes[last] // 2, -1: sizes[last] - 1}[rest]
        path = write(tmp_path / "cut", numbers[: sum(sizes[:last]) + inside])
        before, names = layers_of(model), [layer.name for layer in layers]
        first, second = load_darknet(model, path).splitlines()
        assert first == loaded(model, last, path)
        place = f" {inside:,} numbers into {names[last]}" if rest else " there"
        left = names[last] if last == count - 1 else f"{names[last]} to {names[-1]}"
        assert second == f"the file ends{place}; not loaded: {left}"
        assert_loaded(model, layers_of(trained), before, names[:last])

    def test_of_another_class_count_all_but_the_heads_is_loaded(self, trained, whole):
        model = slim(5, seed=3)
        before = layers_of(model)
        heads = [layer.name for layer in model.convolutions() if layer.use_bias]
        first, second = load_darknet(model, whole).splitlines()
        assert first == loaded(model, len(model.convolutions()), whole, without_heads=True)
        assert second == f"not loaded, as it is for 3 classes, not 5: {', '.join(heads)}"
        assert_loaded(model, layers_of(trained), before, before.keys() - set(heads))

    def test_a_file_of_another_class_count_may_be_shorter_or_longer(self, model, tmp_path):
        for class_count in (1, 9):
            other = slim(class_count, seed=4)
            path = tmp_path / "x.weights"
            path.write_bytes(reference.weights(other))
            before = layers_of(model)
            assert f"for {class_count} classes, not 3" in load_darknet(model, path)
            heads = {layer.name for layer in model.convolutions() if layer.use_bias}
            assert_loaded(model, layers_of(other), before, before.keys() - heads)

    @pytest.mark.parametrize(
        ("wanted", "inside"), [(1, 0), (1, 0.5), (2, 0.02), (4, 0.5), (30, 0), (30, 0.02)]
    )
    def test_a_cut_file_of_another_class_count_fills_no_head(
        self, trained, numbers, tmp_path, wanted, inside
    ):
        """It ends in, or with, a layer after the first head."""
        layers = darknet_layers(trained)
        head = next(place for place, layer in enumerate(layers) if layer.norm is None)
        for last in (head + 2, len(layers) - 2):
            sizes = [layer.filters * layer.size_of_filter for layer in layers]
            path = write(tmp_path / "cut", numbers[: sum(sizes[:last]) + int(inside * sizes[last])])
            model = slim(wanted, seed=3)
            before = layers_of(model)
            heads = [layer.name for layer in layers[:last] if layer.norm is None]
            loaded, left, missing = load_darknet(model, path).splitlines()
            assert loaded.startswith(f"loaded {last - len(heads)} of {len(layers)} ")
            assert left == f"not loaded, as it is for 3 classes, not {wanted}: {', '.join(heads)}"
            assert missing.endswith(f"not loaded: {layers[last].name} to {layers[-1].name}")
            names = [layer.name for layer in layers[:last] if layer.norm is not None]
            assert_loaded(model, layers_of(trained), before, names)

    @pytest.mark.parametrize("behind", [-4, -600, 0, 5])
    def test_a_file_too_short_to_show_its_class_count(
        self, model, trained, numbers, tmp_path, behind
    ):
        """It ends in the first head, with it or soon behind it."""
        layers = darknet_layers(trained)
        head = next(place for place, layer in enumerate(layers) if layer.norm is None)
        end = sum(layer.filters * layer.size_of_filter for layer in layers[: head + 1])
        path = write(tmp_path / "cut", numbers[: end + behind])
        before, names = layers_of(model), [layer.name for layer in layers]
        first, *_ = load_darknet(model, path).splitlines()
        complete = head + (behind >= 0)
        assert first.startswith(f"loaded {complete} of ")
        assert_loaded(model, layers_of(trained), before, names[:complete])

        other = slim(30, seed=3)
        before = layers_of(other)
        first, second = load_darknet(other, path).splitlines()
        assert first.startswith(f"loaded {head} of ")
        assert f"numbers into {names[head]}; not loaded: {names[head]} to " in second
        assert_loaded(other, layers_of(trained), before, names[:head])

        fewer = slim(2, seed=4)
        text = load_darknet(fewer, path)
        is_assumed = "\nassumed to be for 2 classes: the file is too short to show" in text
        assert is_assumed == (
            behind in (-4, 0)
        )  # long enough for the head, too short to refute the count
        assert text.startswith(f"loaded {head + is_assumed} of ")

    def test_a_file_short_by_the_numbers_of_a_class_is_a_cut_one(
        self, model, trained, numbers, tmp_path
    ):
        layers = darknet_layers(model)
        per_class = sum(3 * layer.size_of_filter for layer in layers if layer.norm is None)
        short = numbers[: numbers.size - per_class]
        assert darknet_class_count(short.size, **SLIM) == 2
        before = layers_of(model)
        text = load_darknet(model, write(tmp_path / "cut", short))
        complete = text.partition(" of ")[0].removeprefix("loaded ")
        names = [layer.name for layer in layers[: int(complete)]]
        assert len(layers) - 4 < len(names) < len(layers)
        assert_loaded(model, layers_of(trained), before, names)

    def test_of_a_classifier_the_backbone_is_loaded(self, model, trained, numbers, tmp_path):
        """As csdarknet53.weights: behind the backbone the biases and the kernel of 1000 classes."""
        layers, count = darknet_layers(model), model.backbone_convolutions
        sizes = [layer.filters * layer.size_of_filter for layer in layers[:count]]
        rest = np.random.default_rng(5).normal(0, 0.01, 1000 * (1 + layers[count - 1].filters))
        path = write(tmp_path / "x", np.append(numbers[: sum(sizes)], rest.astype("<f4")))
        before = layers_of(model)
        first, second = load_darknet(model, path).splitlines()
        assert first == loaded(model, count, path)
        assert second == (
            "the rest is for another network, such as a classifier; "
            f"not loaded: conv_{count + 1} to conv_{len(layers)}"
        )
        assert_loaded(model, layers_of(trained), before, [layer.name for layer in layers[:count]])
        with pytest.raises(UserError, match="numbers, but this network for 3"):
            load_darknet(model, path, whole=True)

    def test_where_all_is_needed_another_class_count_is_refused(self, whole):
        with pytest.raises(UserError, match=r"is for 3 classes, but this network for 5$"):
            load_darknet(slim(5, seed=4), whole, whole=True)

    @pytest.mark.parametrize(
        ("change", "all_needed", "message"),
        [
            (lambda n: np.append(n, n[:1]), False, "{one_more:,} numbers, but .* has {all:,}"),
            (lambda n: n[:-1], True, "{one_less:,} numbers, but this network for 3 .* {all:,}"),
            (lambda n: n[:0], False, "0 numbers, but the first layer alone has 248$"),
            (lambda n: n[:247], False, "247 numbers, but the first layer alone has 248$"),
            (lambda n: n[1:], False, r"not for this network: where the variances of conv_[12] "),
            (
                lambda n: np.full_like(n, np.nan),
                False,
                "the beta of conv_1 has 8 of 8 numbers NaN or infinite$",
            ),
            (  # the last number is of the last kernel
                lambda n: np.append(n[:-1], np.float32(np.inf)),
                True,
                r"the kernel of conv_\d+ has 1 of [\d,]+ numbers NaN or infinite$",
            ),
        ],
    )
    def test_what_is_not_for_this_network_is_refused_and_nothing_loaded(
        self, model, numbers, tmp_path, change, all_needed, message
    ):
        path = write(tmp_path / "x.weights", change(numbers))
        before = layers_of(model)
        sizes = {"one_more": numbers.size + 1, "one_less": numbers.size - 1, "all": numbers.size}
        with pytest.raises(UserError, match=rf"^{path}: {message.format(**sizes)}") as caught:
            load_darknet(model, path, whole=all_needed)
        assert "\n" not in str(caught.value)
        assert_loaded(model, {}, before, ())

    @pytest.mark.parametrize("negative", [True, False])
    def test_another_network_is_known_by_its_size(self, model, tmp_path, negative):
        """YOLOv4-tiny has 21 convolutions: 24,251,276 bytes as released for 80 classes."""
        values = np.full((24_251_276 - 20) // 4, -1.0 if negative else 1.0, "<f4")
        before = layers_of(model)
        message = r"; its size is that of YOLOv4-tiny with --width 1 and --depth 1 for 80 classes$"
        with pytest.raises(UserError, match=message):
            load_darknet(model, write(tmp_path / "x.weights", values))
        assert_loaded(model, {}, before, ())

    def test_a_shorter_network_is_not_taken_for_a_cut_file(self, tmp_path):
        """As yolov3.weights, whose first layers have YOLOv4's shapes and which has fewer."""
        path = tmp_path / "x.weights"
        path.write_bytes(reference.weights(random_weights(YOLOv4(3, width=0.125, depth=0.1))))
        with pytest.raises(UserError, match=r"the variances of conv_\d+ .* --depth"):
            load_darknet(YOLOv4(3, width=0.125, depth=0.5), path)
