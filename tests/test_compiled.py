"""What is compiled ahead of its first use is what is used then."""

import threading

import keras
import numpy as np

from nets.losses import YOLOv4Loss, bce
from utils.anchors import COCO_ANCHORS

CLASSES, OBJECTS, BATCH = 2, 8, 2
SHAPES = [(None, side, side, 3, 5 + CLASSES) for side in (8, 4, 2)]


def test_a_loss_compiled_ahead_is_not_traced_again_by_the_training_step():
    import tensorflow as tf

    traced = []

    def confidence(logits, targets, keep):
        traced.append(threading.current_thread().name)
        return keep * bce(logits, targets)

    criterion = YOLOv4Loss(COCO_ANCHORS, confidence)
    criterion.compile_ahead([keras.KerasTensor(shape) for shape in SHAPES], OBJECTS, BATCH)
    for thread in threading.enumerate():
        if thread.name == "compile the loss":
            thread.join()
    assert traced
    assert set(traced) == {"compile the loss"}
    before = len(traced)

    @tf.function(input_signature=[[tf.TensorSpec(shape) for shape in SHAPES], *target_specs(tf)])
    def step(logits, boxes, labels, difficult):
        targets = {"boxes": boxes, "labels": labels, "difficult": difficult}
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = sum(criterion(targets, logits).values())
        return tape.gradient(loss, logits)

    rng = np.random.default_rng(0)
    logits = [rng.normal(size=(BATCH, *shape[1:])).astype(np.float32) for shape in SHAPES]
    boxes = np.tile(np.float32([4, 4, 40, 50]), (BATCH, OBJECTS, 1))
    labels = np.zeros((BATCH, OBJECTS), np.int32)
    gradient = step(logits, boxes, labels, np.zeros((BATCH, OBJECTS), bool))
    assert len(traced) == before
    assert all(np.isfinite(level).all() and np.any(level) for level in gradient)


def target_specs(tf):
    objects = (None, OBJECTS)
    return (
        tf.TensorSpec((*objects, 4)),
        tf.TensorSpec(objects, tf.int32),
        tf.TensorSpec(objects, tf.bool),
    )
