import cv2
import keras
import numpy as np
import pytest

from nets.batch_norm import BatchNorm
from nets.yolov4 import YOLOv4
from tests.helpers import darknet_reference as darknet
from tests.helpers.random_weights import random_weights


@pytest.fixture(scope="module")
def yolov4():
    return YOLOv4(80)


@pytest.fixture(scope="module")
def slim():
    return YOLOv4(3, width=0.125, depth=0.1)


def test_convolutions_are_those_of_yolov4_cfg_in_its_order(yolov4):
    ours = [(c.filters, c.kernel_size[0], c.strides[0]) for c in yolov4.convolutions()]
    assert len(ours) == 110
    assert ours == darknet.convolutions()


def test_weights_are_as_many_as_in_the_released_file(yolov4):
    assert sum(int(np.prod(w.shape)) for w in yolov4.weights) == 64_429_405


def test_opencv_computes_the_same_logits_from_the_same_darknet_weights(yolov4):
    if not hasattr(cv2.dnn, "readNetFromDarknet"):
        pytest.skip("this OpenCV has no Darknet importer")
    random_weights(yolov4)
    image = np.random.default_rng(1).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    net = cv2.dnn.readNetFromDarknet(
        np.frombuffer(darknet.cfg(96).encode(), np.uint8),
        np.frombuffer(darknet.weights(yolov4), np.uint8),
    )
    net.setInput(cv2.dnn.blobFromImage(image, 1 / 255, (96, 96)))
    heads = [f"conv_{darknet.convolution_sections()[n]}" for n in (93, 101, 109)]
    for theirs, ours in zip(net.forward(heads), yolov4(image[None], training=False), strict=True):
        ours = keras.ops.convert_to_numpy(ours)[0]
        ours = ours.reshape(*ours.shape[:2], -1).transpose(2, 0, 1)
        assert np.abs(theirs[0] - ours).max() < 1e-3 * np.abs(theirs).max()


@pytest.mark.parametrize(("height", "width"), [(64, 64), (32, 96), (128, 32)])
def test_strides_for_any_multiple_of_32(slim, height, width):
    logits = slim(np.zeros((2, height, width, 3), np.uint8))
    for stride, level in zip((8, 16, 32), logits, strict=True):
        assert tuple(level.shape) == (2, height // stride, width // stride, 3, 5 + 3)


def test_width_and_depth_scale_channels_and_blocks():
    model = YOLOv4(3, width=0.25, depth=0.5)
    first, *_ = model.convolutions()
    assert first.filters == 8
    # 23 residual blocks of two convolutions become 1 + 1 + 4 + 4 + 2.
    assert len(model.convolutions()) == 110 - 2 * (1 + 2 + 8 + 8 + 4) + 2 * (1 + 1 + 4 + 4 + 2)


def test_an_untrained_network_is_as_confident_as_the_prior():
    keras.utils.set_random_seed(0)
    model = YOLOv4(3, width=0.125, depth=0.1, confidence_prior=0.02)
    images = np.random.default_rng(0).integers(0, 256, (4, 96, 96, 3))
    for level in model(images, training=True):
        confidence = keras.ops.sigmoid(level[..., 4])
        assert float(keras.ops.mean(confidence)) == pytest.approx(0.02, rel=0.1)
        assert float(keras.ops.max(confidence)) < 0.06


def test_raw_pixels_are_normalized_inside(slim):
    pixels = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    as_float = slim(pixels.astype(np.float32))
    for a, b in zip(slim(pixels), as_float, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(slim.get_layer("normalize")(pixels), pixels / 255, rtol=1e-6)


def test_logits_are_float32_under_every_policy(precision_policy):
    for policy in ("mixed_bfloat16", "mixed_float16"):
        precision_policy(policy)
        model = YOLOv4(2, width=0.125, depth=0.1)
        assert all(level.dtype == "float32" for level in model.outputs)
        assert model.convolutions()[0].compute_dtype == policy.removeprefix("mixed_")


def test_freezing_holds_the_backbone_alone():
    model = YOLOv4(2, width=0.125, depth=0.1)
    everything = len(model.trainable_variables)
    model.freeze_backbone(True)
    trainable = {variable.path.split("/")[0] for variable in model.trainable_variables}
    names = [layer.name for layer in model.convolutions()]
    # A stem, then five stages of one block: down, two paths, two in the block, two to join.
    assert model.backbone_convolutions == 1 + 5 * 7
    assert trainable.isdisjoint(names[: model.backbone_convolutions])
    assert set(names[model.backbone_convolutions :]) <= trainable
    model.freeze_backbone(False)
    assert len(model.trainable_variables) == everything


def test_config_makes_the_same_network_again(slim):
    again = YOLOv4.from_config(slim.get_config())
    assert [w.shape for w in again.weights] == [w.shape for w in slim.weights]
    again.set_weights(slim.get_weights())
    image = np.full((1, 32, 32, 3), 99, np.uint8)
    for a, b in zip(slim(image), again(image), strict=True):
        np.testing.assert_array_equal(a, b)


def test_epsilon_is_added_to_every_variance(slim):
    model = YOLOv4(3, width=0.125, depth=0.1, epsilon=1e-3)
    model = YOLOv4.from_config(model.get_config())
    norms = [layer for layer in model.layers if isinstance(layer, BatchNorm)]
    assert len(norms) == len(model.convolutions()) - 3
    assert {layer.epsilon for layer in norms} == {1e-3}
    assert {layer.epsilon for layer in slim.layers if isinstance(layer, BatchNorm)} == {1e-5}
    x = np.full((1, 2, 2, norms[0].gamma.shape[0]), 3, np.float32)
    norms[0].moving_variance.assign(norms[0].moving_variance * 0 + 0.003)
    np.testing.assert_allclose(norms[0](x), 3 / np.sqrt(0.004) * np.ones_like(x), rtol=1e-5)


def test_training_without_a_criterion_is_refused(slim):
    with pytest.raises(ValueError, match="criterion"):
        slim.compute_loss(y={}, y_pred=[])
