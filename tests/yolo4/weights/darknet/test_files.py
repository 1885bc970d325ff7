"""Darknet's files: headers, the graph, what is written, and what OpenCV computes from it."""

import cv2
import keras
import numpy as np
import pytest

from nets.decode import decode
from nets.networks import YOLOV4
from nets.yolov4 import YOLOv4
from tests.helpers import darknet_reference as reference
from tests.helpers.random_weights import random_weights
from tests.helpers.yolov4 import COCO_ANCHORS, SCALE_X_Y, STRIDES
from tests.yolo4.weights.darknet.slim_network import SHAPE, SLIM, slim, write
from utils.errors import UserError
from yolo4.weights.darknet.files import (
    WeightsHeader,
    read_cfg_sections,
    read_header,
    read_weights,
    write_weights,
)
from yolo4.weights.darknet.graph import sections, weight_count
from yolo4.weights.darknet.load import darknet_class_count, load_darknet
from yolo4.weights.darknet.write import write_darknet

needs_importer = pytest.mark.skipif(
    not hasattr(cv2.dnn, "readNetFromDarknet"), reason="this OpenCV has no Darknet importer"
)


def graph(class_count=80, width=1.0, depth=1.0):
    return sections(YOLOV4, class_count, COCO_ANCHORS, SCALE_X_Y, (416, 416), width, depth)


@pytest.mark.quick
class TestFile:
    @pytest.mark.parametrize(
        ("versions", "seen", "size"),
        [
            ((0, 1, 0), np.uint32(2**32 - 1), 16),
            ((0, 2, 0), np.uint64(2**40), 20),
            ((0, 2, 5), np.uint64(32_032_000), 20),
            ((1, 0, 0), np.uint64(0), 20),
        ],
    )
    def test_each_header_is_understood(self, tmp_path, versions, seen, size):
        values = np.array([1.5, -2, 3e-39, np.inf, 0], "<f4")
        header, numbers = read_weights(write(tmp_path / "x.weights", values, versions, seen))
        assert header == WeightsHeader(*versions, int(seen))
        assert header.size == size
        assert numbers.tobytes() == values.tobytes()

    def test_what_is_written_is_read_bit_for_bit(self, tmp_path):
        bits = np.random.default_rng(0).integers(0, 2**32, 1000, np.uint32)
        arrays = [part.view("<f4") for part in np.split(bits, [10, 400])]
        arrays[1] = arrays[1].reshape(39, 10).T  # not in order in memory
        path = tmp_path / "new" / "x.weights"
        write_weights(path, arrays, seen=2**33)
        header, numbers = read_weights(path)
        assert header == (0, 2, 5, 2**33)
        assert numbers.tobytes() == b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)

    def test_a_number_that_is_cut_off_is_left_out(self, tmp_path):
        path = write(tmp_path / "x.weights", np.arange(5, dtype="<f4"))
        path.write_bytes(path.read_bytes()[:-1])
        assert read_weights(path)[1].tolist() == [0, 1, 2, 3]

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (b"", "is empty"),
            (b"\0\0\0\0\2", "5 bytes; the header of Darknet weights alone has 20"),
            (np.array([0, 1, 0], "<i4").tobytes(), "12 bytes; .* alone has 16"),
            (np.array([0, 2, 5, 0], "<i4").tobytes(), "16 bytes; .* alone has 20"),
            (b"PK\3\4 a file of PyTorch", "not Darknet weights: it begins with the version 6732"),
            (np.array([-1, 2, 5, 0, 0], "<i4").tobytes(), r"not Darknet weights: .*-1\.2\.5"),
        ],
    )
    def test_a_file_that_does_not_begin_so_is_one_clear_line(self, tmp_path, data, message):
        path = tmp_path / "x.weights"
        path.write_bytes(data)
        with pytest.raises(UserError, match=rf"x\.weights: {message}") as caught:
            read_header(path)
        assert "\n" not in str(caught.value)

    def test_a_missing_file_is_reported(self, tmp_path):
        with pytest.raises(UserError, match=r"none\.weights: no such file"):
            read_header(tmp_path / "none.weights")

    def test_an_interrupted_write_leaves_the_old_file(self, tmp_path):
        def arrays():
            yield np.zeros(5)
            raise KeyboardInterrupt

        path = tmp_path / "x.weights"
        path.write_bytes(b"old")
        with pytest.raises(KeyboardInterrupt):
            write_weights(path, arrays())
        assert path.read_bytes() == b"old"
        assert list(tmp_path.iterdir()) == [path]


class TestGraph:
    @pytest.mark.quick
    def test_it_is_that_of_yolov4_cfg(self, tmp_path):
        """Against the shorthand, which was made from the file and not by this code."""
        path = tmp_path / "yolov4.cfg"
        path.write_text(reference.cfg(416))
        net, *wanted = read_cfg_sections(path)
        ours = graph()
        assert ours[0].options["width"] == ours[0].options["height"] == net.whole("width", 0)
        assert len(ours[1:]) == len(wanted) == 162
        for number, ((name, options), section) in enumerate(zip(ours[1:], wanted, strict=True)):
            assert name == section.name
            for option in {*options} & {"filters", "size", "stride", "pad", "classes", "num"}:
                assert options[option] == section.whole(option, 1), (number, option)
            if name == "convolutional":
                assert options["activation"] == section.options["activation"]
                norms = options.get("batch_normalize", 0), section.whole("batch_normalize", 0)
                assert norms[0] == norms[1]
            for option in {*options} & {"layers", "mask", "anchors"}:
                given = [n if n >= 0 else number + n for n in section.wholes(option)]
                assert [n if n >= 0 else number + n for n in options[option]] == given
            if name == "shortcut":
                assert options["from"] == section.whole("from", 0)

    @pytest.mark.quick
    def test_it_has_as_many_weights_as_the_released_file(self):
        assert weight_count(graph()) == 64_429_405

    @pytest.mark.quick
    def test_the_released_backbone_ends_with_section_136(self):
        """yolov4.conv.137: [net] and 137 sections, 170,038,676 bytes with the header."""
        assert weight_count(graph()[: 1 + 137]) == (170_038_676 - 20) / 4

    @pytest.mark.parametrize(
        ("class_count", "width", "depth"), [(1, 0.05, 0.1), (3, 0.125, 0.33), (20, 0.1, 0.7)]
    )
    def test_it_is_that_of_our_network(self, class_count, width, depth):
        model = YOLOv4(class_count, width, depth)
        found = graph(class_count, width, depth)
        convolutions = [options for name, options in found if name == "convolutional"]
        assert [(o["filters"], o["size"], o["stride"]) for o in convolutions] == [
            (layer.filters, layer.kernel_size[0], layer.strides[0])
            for layer in model.convolutions()
        ]
        assert weight_count(found) == sum(int(np.prod(w.shape)) for w in model.weights)

    def test_the_class_count_follows_from_the_number_of_weights(self):
        assert darknet_class_count(64_429_405) == 80
        assert darknet_class_count(64_429_405 - 1) is None
        assert darknet_class_count(64_429_405, width=0.5) is None
        assert darknet_class_count(weight_count(graph(3, 0.25, 0.33)), 0.25, 0.33) == 3
        assert darknet_class_count(weight_count(graph(0))) is None
        assert darknet_class_count(0) is None


class TestWriting:
    def test_the_files_of_a_network(self, trained, numbers, tmp_path):
        path = tmp_path / "out" / "slim.weights"
        names = ["cat", "dog", "été"]
        files = write_darknet(path, trained, COCO_ANCHORS, SCALE_X_Y, SHAPE, names, seen=640)
        assert [file.name for file in files] == ["slim.weights", "slim.cfg", "slim.names"]
        assert sorted(path.parent.iterdir()) == sorted(files)
        header, written = read_weights(path)
        assert header.seen == 640
        assert written.tobytes() == numbers.tobytes()
        assert files[2].read_text(encoding="utf-8") == "cat\ndog\nété\n"

    @pytest.mark.parametrize("letter_box", [False, True])
    def test_the_cfg_says_whether_images_are_letterboxed(self, trained, tmp_path, letter_box):
        path, names = tmp_path / "x.weights", ["cat", "dog", "cow"]
        _, cfg, _ = write_darknet(
            path, trained, COCO_ANCHORS, SCALE_X_Y, SHAPE, names, letter_box=letter_box
        )
        (net, *_) = read_cfg_sections(cfg)
        assert net.options.get("letter_box") == ("1" if letter_box else None)

    def test_another_epsilon_than_darknets_is_made_up_for(self, tmp_path):
        model = random_weights(YOLOv4(2, **SLIM, epsilon=1e-2), seed=5)
        path = tmp_path / "x.weights"
        write_darknet(path, model, COCO_ANCHORS, SCALE_X_Y, SHAPE, ["a", "b"])
        again = slim(2, seed=6)
        load_darknet(again, path)
        image = np.random.default_rng(2).integers(0, 256, (1, *SHAPE, 3))
        for found, wanted in zip(again(image), model(image), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-5)

    @needs_importer
    @pytest.mark.parametrize(
        ("class_count", "size", "shape"),
        [(3, SLIM, (64, 96)), (1, {"width": 0.1, "depth": 0.5}, (96, 64))],
    )
    def test_opencv_finds_the_same(self, tmp_path, class_count, size, shape):
        model = random_weights(YOLOv4(class_count, **size, input_shape=shape), seed=6)
        anchors, scales = COCO_ANCHORS * np.float32(1 / 3), (1.3, 1.0, 2.0)
        names = [f"class {number}" for number in range(class_count)]
        files = write_darknet(tmp_path / "x.weights", model, anchors, scales, shape, names)
        net = cv2.dnn.readNetFromDarknet(str(files[1]), str(files[0]))
        compare_with_opencv(net, model, anchors, scales, shape)


def compare_with_opencv(net, model, anchors, scale_x_y, shape):
    """Logits of every level, and what is decoded from them, are the same on a random picture."""
    image = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    net.setInput(cv2.dnn.blobFromImage(image, 1 / 255, shape[::-1]))
    detections = net.getUnconnectedOutLayersNames()
    heads = [f"conv_{int(name.split('_')[1]) - 1}" for name in detections]
    *theirs, low, middle, high = net.forward([*heads, *detections])
    logits = model(image[None], training=False)
    for ours, wanted in zip(logits, theirs, strict=True):
        ours = keras.ops.convert_to_numpy(ours)[0]
        ours = ours.reshape(*ours.shape[:2], -1).transpose(2, 0, 1)
        assert np.abs(wanted[0] - ours).max() < 1e-3 * np.abs(wanted).max()

    wanted = np.concatenate([low, middle, high])
    decoded = decode(logits, anchors.tolist(), STRIDES, scale_x_y)
    boxes, confidence, classes = (keras.ops.convert_to_numpy(part)[0] for part in decoded)
    center, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    np.testing.assert_allclose(center / shape[::-1], wanted[:, :2], rtol=0, atol=1e-4)
    np.testing.assert_allclose(sides / shape[::-1], wanted[:, 2:4], rtol=0, atol=1e-4)
    np.testing.assert_allclose(confidence, wanted[:, 4], rtol=0, atol=1e-4)
    scores = confidence[:, None] * classes
    found = wanted[:, 5:] > 0  # OpenCV leaves out scores under 0.2
    np.testing.assert_allclose(scores[found], wanted[:, 5:][found], rtol=0, atol=1e-4)
    assert (scores[~found] < 0.2 + 1e-4).all()
    assert found.mean() > 0.1


@needs_importer
@pytest.mark.slow
@pytest.mark.parametrize("size", [416, 608])
def test_opencv_computes_the_same_from_the_same_full_size_file(tmp_path, size):
    path, cfg = tmp_path / "yolov4.weights", tmp_path / "yolov4.cfg"
    path.write_bytes(reference.weights(random_weights(YOLOv4(80), seed=7)))
    cfg.write_text(reference.cfg(size))
    model = YOLOv4(80, input_shape=(size, size))
    load_darknet(model, path, whole=True)
    net = cv2.dnn.readNetFromDarknet(str(cfg), str(path))
    compare_with_opencv(net, model, COCO_ANCHORS, SCALE_X_Y, (size, size))
