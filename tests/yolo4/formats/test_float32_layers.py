import numpy as np
import pytest

from yolo4.formats.float32_layers import mark_float32_layers
from yolo4.formats.libraries import library, openvino_core
from yolo4.formats.openvino import open_openvino, quantize_int8

openvino = library("openvino")


def marked(path):
    """Convolutions of a model: name to whether it has to stay in float32."""
    model = openvino_core().read_model(path)  # which its nodes must not outlive
    return {
        node.get_friendly_name(): any("Precision" in name for name in node.get_rt_info())
        for node in model.get_ordered_ops()
        if node.get_type_name() == "Convolution"
    }


def convolution(features, channels, name):
    opset = openvino.opset13
    kernel = np.ones((channels, features.get_partial_shape()[1].get_length(), 1, 1), np.float32)
    node = opset.convolution(features, opset.constant(kernel), [1, 1], [0, 0], [0, 0], [1, 1])
    node.set_friendly_name(name)
    return node.output(0)


def test_the_first_and_last_convolution_of_each_path_is_marked(tmp_path):
    opset = openvino.opset13
    images = opset.parameter([1, 3, 4, 4], np.float32)
    first = convolution(opset.divide(images, np.float32(255)).output(0), 4, "first")
    middle = convolution(opset.relu(first).output(0), 4, "middle")
    small = convolution(middle, 2, "small")
    neck = convolution(opset.add(middle, opset.relu(first)).output(0), 4, "neck")
    large = convolution(neck, 2, "large")
    both = opset.concat([opset.exp(small), large], axis=1)
    openvino.save_model(openvino.Model([both], [images]), tmp_path / "model.xml")
    mark_float32_layers(tmp_path / "model.xml")
    assert marked(tmp_path / "model.xml") == {
        "first": True,
        "middle": False,
        "small": True,
        "neck": False,
        "large": True,
    }


@pytest.mark.slow  # NNCF stays out of the process of all other tests
def test_int8_overrides_the_mark_and_takes_a_fixed_batch(tmp_path):
    opset = openvino.opset13
    images = opset.parameter([2, 3, 8, 8], np.uint8)
    pixels = opset.divide(opset.convert(images, np.float32), np.float32(255)).output(0)
    last = convolution(opset.relu(convolution(pixels, 4, "first")).output(0), 2, "last")
    float32_path, int8_path = tmp_path / "exact.xml", tmp_path / "int8.xml"
    openvino.save_model(openvino.Model([last], [images]), float32_path, compress_to_fp16=False)
    mark_float32_layers(float32_path)
    pictures = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
    pictures = pictures.transpose(0, 3, 1, 2)
    quantize_int8(float32_path, int8_path, pictures)
    (before,), (after,) = (
        open_openvino(path)(pictures[:2]).values() for path in (float32_path, int8_path)
    )
    assert 0 < np.abs(after - before).max() < 0.1 * before.max()
    compiled = openvino_core().compile_model(int8_path, "CPU")
    runtime = compiled.get_runtime_model()
    computed = [
        node.get_rt_info()["runtimePrecision"].astype(str)
        for node in runtime.get_ops()
        if node.get_rt_info()["layerType"].astype(str) == "Convolution"
    ]
    assert len(computed) == 2
    assert set(computed) <= {"i8", "u8"}
