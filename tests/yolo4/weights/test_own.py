"""Weights of a run: all of them fit, and what is damaged, missing or misplaced is refused."""

import dataclasses
import shutil
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from tests.helpers import darknet_reference
from tests.helpers.keras2_file import write_keras2
from tests.helpers.keras3_file import write_keras3
from tests.helpers.random_weights import random_weights
from tests.helpers.some_networks import ALL, CONFIG, equal
from utils.errors import UserError
from yolo4.build import build_model, save_weights
from yolo4.weights.source import open_weights


@pytest.fixture(scope="module", params=[{"width": 0.125}, {"depth": 0.3}])
def other(request):
    """A network of another width or depth."""
    return build_model(dataclasses.replace(CONFIG, **request.param), 2)


class TestOwnFiles:
    def test_weights_of_the_same_network_all_fit(self, two, trained, weights):
        opened = open_weights(str(weights))
        assert opened.load_into(two) == f"{ALL} {weights}"
        assert equal(two.get_weights(), trained.get_weights())
        assert opened.load_into(two, whole=True) == f"{ALL} {weights}", "again"

    def test_what_keras_loads_is_loaded(self, two, trained, weights):
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
