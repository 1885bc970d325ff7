"""What is compiled ahead of its first use is what is used then."""

import threading

import keras
import numpy as np
import pytest

from nets import batch_norm
from nets.batch_norm import BatchNorm
from nets.compiled import compile_ahead, compiled
from nets.losses import bce
from nets.yolov4 import YOLOv4
from tests.helpers.yolov4 import COCO_ANCHORS, make_loss

CLASSES, OBJECTS, BATCH, SIDE = 2, 8, 2, 64


@pytest.fixture
def traced(monkeypatch):
    """What was traced: "loss", or the shape of Mish's features."""
    found = []
    gradient = batch_norm._normalized_mish_gradient

    def traced_gradient(x, *others):
        found.append(tuple(x.shape))
        return gradient(x, *others)

    monkeypatch.setattr(batch_norm, "_compiled_normalized_mish_gradient", compiled(traced_gradient))
    return found


@pytest.fixture
def model(traced):
    def confidence(logits, targets, loss_mask):
        traced.append("loss")
        return loss_mask * bce(logits, targets)

    made = YOLOv4(CLASSES, 1 / 16, 1 / 8, (SIDE, SIDE))
    made.criterion = make_loss(COCO_ANCHORS, confidence)
    made.compile("sgd", jit_compile=False)
    return made


class Batches(keras.utils.PyDataset):
    """One batch, whose size Keras does not know beforehand."""

    def __len__(self):
        return 1

    def __getitem__(self, index):
        images = np.zeros((BATCH, SIDE, SIDE, 3), np.uint8)
        boxes = np.tile(np.float32([4, 4, 40, 50]), (BATCH, OBJECTS, 1))
        labels = np.zeros((BATCH, OBJECTS), np.int32)
        difficult = np.zeros((BATCH, OBJECTS), bool)
        return images, {"boxes": boxes, "labels": labels, "difficult": difficult}


def wait_for_compilation():
    for thread in threading.enumerate():
        if thread.name == "compile ahead":
            thread.join()


def test_a_training_step_traces_nothing_of_what_was_compiled_ahead(model, traced):
    model.compile_ahead(OBJECTS, BATCH)
    wait_for_compilation()
    norms = [layer for layer in model.layers if isinstance(layer, BatchNorm)]
    shapes = {tuple(layer.output.shape) for layer in norms if layer.activation == "mish"}
    assert sorted(map(str, traced)) == sorted(map(str, ["loss", *shapes]))
    model.fit(Batches(), verbose=0)
    assert len(traced) == 1 + len(shapes)


def test_a_call_ahead_is_made_with_its_shapes_and_the_batch_size():
    seen = []

    def double(x):
        import tensorflow as tf

        tf.py_function(lambda value: seen.append(value.numpy()), [x], [])
        return 2 * x

    compile_ahead([(double, [keras.KerasTensor((None, 3), "float16")])], batch_size=5)
    wait_for_compilation()
    assert [(value.shape, value.dtype) for value in seen] == [((5, 3), np.float16)]
