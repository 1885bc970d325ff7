"""A network is described once: the same description gives layers, `.cfg`, loss and decoding."""

from dataclasses import replace

import cv2
import keras
import numpy as np
import pytest

from nets.assign import assign
from nets.decode import anchor_grid, decode
from nets.losses import bce
from nets.networks import NETWORKS, YOLOV4, NetworkSpec
from nets.yolov4 import YOLOv4
from tests.helpers.keras2_file import write_keras2
from tests.helpers.random_weights import random_weights
from tests.helpers.yolov4 import make_loss
from tests.nets.toy_network import ANCHORS, TOY
from utils.errors import UserError
from yolo4.build import save_weights
from yolo4.weights.darknet.cfg import read_cfg
from yolo4.weights.darknet.files import format_cfg
from yolo4.weights.darknet.graph import head_levels, sections, weight_count
from yolo4.weights.darknet.load import darknet_class_count, load_darknet
from yolo4.weights.darknet.write import write_darknet
from yolo4.weights.keras2 import KERAS2
from yolo4.weights.own import OWN
from yolo4.weights.source import open_weights

SHAPE = (64, 96)
GRIDS = [(4, 6), (2, 3)]
LEVELS = TOY.strides, TOY.scale_x_y
needs_importer = pytest.mark.skipif(
    not hasattr(cv2.dnn, "readNetFromDarknet"), reason="this OpenCV has no Darknet importer"
)


def _other_backbone(graph, images, width, depth):
    return TOY.backbone(graph, graph.max_pool(images), width, depth)


def toy(classes=2, **options):
    return YOLOv4(classes, input_shape=SHAPE, network=TOY, **options)


@pytest.mark.quick
class TestSpec:
    def test_yolov4_is_that_of_yolov4_cfg(self):
        assert NETWORKS["yolov4"] is YOLOV4
        assert (YOLOV4.levels, YOLOV4.anchors_per_level, YOLOV4.input_multiple) == (3, 3, 32)
        assert YOLOV4.anchors == YOLOV4.cfg_anchors
        assert YOLOV4.own_masks == YOLOV4.masks
        assert YOLOV4.logit_names == ("p3", "p4", "p5")
        assert YOLOV4.grids((64, 96)) == [(8, 12), (4, 6), (2, 3)]
        assert YOLOV4.predictors((64, 96)) == 3 * (96 + 24 + 6)

    def test_a_shared_anchor_is_written_out_in_each_level(self):
        first, *used = TOY.cfg_anchors
        assert TOY.anchors == (*used[:3], *used[2:])
        assert first not in TOY.anchors
        assert TOY.own_masks == ((0, 1, 2), (3, 4, 5))
        assert TOY.by_level("abcdef") == list("bcddef")
        assert TOY.logit_names == ("p4", "p5")
        assert TOY.predictors(SHAPE) == 3 * (24 + 6)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"scale_x_y": (1.0,)}, "strides, masks and scale_x_y differ in length"),
            ({"masks": ((0, 1), (2,))}, "the levels differ in their number of anchors"),
        ],
    )
    def test_parts_that_do_not_go_together_are_refused(self, change, message):
        with pytest.raises(ValueError, match=f"toy: {message}"):
            NetworkSpec(**{**vars(TOY), **change})


@pytest.mark.quick
class TestModel:
    def test_logits_are_those_of_the_levels(self):
        shapes = [tuple(level.shape) for level in toy().outputs]
        assert shapes == [(None, *grid, 3, 7) for grid in GRIDS]

    def test_the_backbone_is_counted_from_the_graph(self):
        assert toy(depth=1.0).backbone_convolutions == 7
        model = toy(depth=2.0)
        assert model.backbone_convolutions == 9
        model.freeze_backbone(True)
        trainable = {variable.path.split("/")[0] for variable in model.trainable_variables}
        names = [layer.name for layer in model.convolutions()]
        assert trainable.isdisjoint(names[:9])
        assert set(names[9:]) <= trainable

    def test_its_config_names_the_network(self, monkeypatch):
        config = toy().get_config()
        assert config["network"] == "toy"
        monkeypatch.setitem(NETWORKS, "toy", TOY)
        assert YOLOv4.from_config(config).network is TOY

    def test_a_config_from_before_there_were_others_is_yolov4s(self):
        config = YOLOv4(1, 0.05, 0.05).get_config()
        del config["network"]
        assert YOLOv4.from_config(config).network is YOLOV4


class TestTraining:
    @pytest.mark.quick
    def test_an_object_is_assigned_in_each_level_that_has_its_best_anchor(self):
        width, height = TOY.cfg_anchors[3]
        boxes = np.array([[[40 - width / 2, 30 - height / 2, 40 + width / 2, 30 + height / 2]]])
        there = np.ones((1, 1), bool)
        fine, coarse = (1 * 6 + 2) * 3 + 2, (24 + 0 * 3 + 1) * 3
        for threshold in (None, 0.99):
            found = assign(
                boxes.astype(np.float32), there, ~there, ANCHORS, TOY.strides, GRIDS, threshold
            )
            assert np.flatnonzero(found.positive[0]).tolist() == [fine, coarse]
        grid = anchor_grid(GRIDS, ANCHORS, *LEVELS)
        assert grid.strides.shape == (TOY.predictors(SHAPE), 1)
        for predictor, stride in ((fine, 16), (coarse, 32)):
            assert float(grid.strides[predictor, 0]) == stride
            np.testing.assert_array_equal(grid.anchors[predictor], [width, height])

    def test_training_lowers_the_loss(self):
        keras.utils.set_random_seed(0)
        model = toy()
        model.criterion = make_loss(
            ANCHORS,
            lambda logits, targets, loss_mask: loss_mask * bce(logits, targets),
            strides=TOY.strides,
            scale_x_y=TOY.scale_x_y,
        )
        model.compile(keras.optimizers.Adam(5e-3), jit_compile=False)
        images = np.random.default_rng(0).integers(0, 256, (2, *SHAPE, 3), np.uint8)
        targets = {
            "boxes": np.array([[[10, 8, 50, 60], [60, 20, 70, 34]]] * 2, np.float32),
            "labels": np.array([[0, 1], [1, -1]], np.int32),
            "difficult": np.zeros((2, 2), bool),
        }
        losses = []
        for _ in range(10):
            model.reset_metrics()
            losses.append(model.train_on_batch(images, targets, return_dict=True)["loss"])
        assert losses[-1] < 0.8 * losses[0], losses


class TestWeights:
    def test_our_own_files_are_read_with_the_levels_of_the_network(self, tmp_path):
        path, model = tmp_path / "toy.weights.h5", random_weights(toy(4))
        save_weights(model, path)
        opened = open_weights(str(path), TOY)
        assert (opened.format, opened.class_count()) == (OWN, 4)
        again = toy(4)
        assert "not loaded" not in opened.load_into(again, whole=True)
        for ours, theirs in zip(again.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)
        with pytest.raises(UserError, match="not of YOLOv4, whose 3 convolutions"):
            open_weights(str(path), YOLOV4)

    def test_keras_2_files_are_read_with_the_levels_of_the_network(self, tmp_path):
        path, model = tmp_path / "toy.h5", random_weights(toy(4))
        write_keras2(model, path)
        opened = open_weights(str(path), TOY)
        assert (opened.format, opened.class_count()) == (KERAS2, 4)
        assert opened.settings()["scale_x_y"] == (1.0, 1.0)
        again = toy(4)
        opened.load_into(again, whole=True)
        for ours, theirs in zip(again.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)
        with pytest.raises(UserError, match="not of YOLOv4, whose 3 convolutions"):
            open_weights(str(path), YOLOV4)

    def test_darknet_files_are_read_with_the_levels_of_the_network(self, tmp_path):
        path, _, _ = write_darknet(
            tmp_path / "toy.weights", toy(4), ANCHORS, TOY.scale_x_y, SHAPE, list("abcd")
        )
        assert open_weights(str(path), TOY).class_count() == 4
        assert open_weights(str(path), YOLOV4).class_count() is None


@pytest.mark.quick
class TestDarknet:
    def test_the_cfg_reads_back_with_its_size(self, tmp_path):
        path = tmp_path / "toy.cfg"
        for width, depth in ((1.0, 1.0), (0.75, 0.5), (2.5, 3.0)):
            graph = sections(TOY, 4, ANCHORS, TOY.scale_x_y, SHAPE, width, depth)
            path.write_text(format_cfg(graph))
            described = read_cfg(path, [YOLOV4, TOY])
            assert (described.network, described.class_count) == (TOY, 4)
            np.testing.assert_array_equal(described.anchors, ANCHORS)
            assert (described.input_size, described.scale_x_y) == (SHAPE, TOY.scale_x_y)
            size = described.width, described.depth
            assert sections(TOY, 4, ANCHORS, TOY.scale_x_y, SHAPE, *size) == graph

    def shared(self, path, masks=("3,4,5", "1,2,3")):
        """The `.cfg` as the network's authors write it, with masks into one list of anchors."""
        graph = sections(TOY, 4, ANCHORS, TOY.scale_x_y, SHAPE)
        sides = tuple(side for anchor in TOY.cfg_anchors for side in anchor)
        left = iter(masks)
        for name, options in graph:
            if name == "yolo":
                options.update(mask=next(left), anchors=sides)
        path.write_text(format_cfg(graph))
        return path

    def test_a_cfg_whose_levels_share_an_anchor(self, tmp_path):
        described = read_cfg(self.shared(tmp_path / "toy.cfg"), [YOLOV4, TOY])
        np.testing.assert_array_equal(described.anchors, ANCHORS)
        with pytest.raises(UserError, match=r"\[yolo\] has mask 1,2,3, where Toy has 3,4,5"):
            read_cfg(self.shared(tmp_path / "toy.cfg", masks=("1,2,3", "3,4,5")), [TOY])

    def test_another_half_of_the_channels_is_another_network(self, tmp_path):
        path = tmp_path / "toy.cfg"
        text = format_cfg(sections(TOY, 4, ANCHORS, TOY.scale_x_y, SHAPE))
        assert text.count("group_id=1") == 1
        path.write_text(text.replace("group_id=1", "group_id=0"))
        with pytest.raises(UserError, match=r"\[route\] has group_id 0, where Toy has 1"):
            read_cfg(path, [TOY])

    def test_of_several_networks_the_one_that_fits_is_found(self, tmp_path):
        path = tmp_path / "toy.cfg"
        path.write_text(format_cfg(sections(TOY, 4, ANCHORS, TOY.scale_x_y, SHAPE)))
        other = replace(TOY, name="other", backbone=_other_backbone)
        assert read_cfg(path, [YOLOV4, other, TOY]).network is TOY

    def test_a_difference_is_one_from_the_most_similar_network(self, tmp_path):
        path = tmp_path / "toy.cfg"
        text = format_cfg(sections(TOY, 4, ANCHORS, TOY.scale_x_y, SHAPE))
        without_a_head = text[: text.rindex("[yolo]")]
        path.write_text(without_a_head)
        count = without_a_head.count("[") - 1
        for networks in ([YOLOV4, TOY], [TOY, YOLOV4]):
            message = f"{count} sections after \\[net\\], where Toy has {count + 1}"
            with pytest.raises(UserError, match=message):
                read_cfg(path, networks)

    def test_the_coarse_head_comes_first(self):
        assert head_levels(TOY) == [1, 0]
        assert head_levels(YOLOV4) == [0, 1, 2]

    def test_the_class_count_follows_from_the_number_of_weights(self):
        model = toy(5, width=0.5)
        count = sum(int(np.prod(weight.shape)) for weight in model.weights)
        graph = sections(TOY, 5, ANCHORS, TOY.scale_x_y, SHAPE, 0.5)
        assert weight_count(graph) == count
        assert darknet_class_count(count, 0.5, 1.0, TOY) == 5
        assert darknet_class_count(count - 1, 0.5, 1.0, TOY) is None

    @needs_importer
    def test_opencv_computes_the_same_from_the_files(self, tmp_path):
        model = random_weights(toy(2, width=2.0, epsilon=1e-6), seed=3)  # the epsilon of OpenCV
        files = write_darknet(
            tmp_path / "toy.weights", model, ANCHORS, TOY.scale_x_y, SHAPE, ["a", "b"]
        )
        opencv_model = toy(2, width=2.0, epsilon=1e-6)
        assert "not loaded" not in load_darknet(opencv_model, files[0], whole=True)
        net = cv2.dnn.readNetFromDarknet(str(files[1]), str(files[0]))
        image = np.random.default_rng(1).integers(0, 256, (*SHAPE, 3), np.uint8)
        net.setInput(cv2.dnn.blobFromImage(image, 1 / 255, SHAPE[::-1]))
        names = net.getUnconnectedOutLayersNames()
        heads = [f"conv_{int(name.split('_')[1]) - 1}" for name in names]
        outputs = net.forward([*heads, *names])
        by_level = np.argsort(head_levels(TOY))
        logits = opencv_model(image[None], training=False)
        for ours, place in zip(logits, by_level, strict=True):
            ours = keras.ops.convert_to_numpy(ours)[0]
            ours = ours.reshape(*ours.shape[:2], -1).transpose(2, 0, 1)
            theirs = outputs[place][0]
            assert np.abs(theirs - ours).max() < 1e-3 * np.abs(theirs).max()
        theirs = np.concatenate([outputs[len(heads) + place] for place in by_level])
        decoded = decode(logits, ANCHORS, *LEVELS)
        boxes, confidence, _ = (keras.ops.convert_to_numpy(part)[0] for part in decoded)
        low, high = boxes[:, :2] / SHAPE[::-1], boxes[:, 2:] / SHAPE[::-1]
        np.testing.assert_allclose((low + high) / 2, theirs[:, :2], rtol=0, atol=1e-3)
        np.testing.assert_allclose(high - low, theirs[:, 2:4], rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(confidence, theirs[:, 4], rtol=0, atol=1e-3)
