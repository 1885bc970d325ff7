"""A training step, a forward pass and a matrix product of this project, on Keras's backend.

The process that imports this inherits the settings of `quiet_start`, which would itself occupy the
GPU while another process is measured.
"""

import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from benchmarks.peers.work import Work
from benchmarks.training.plain import SEED, compiled_model, random_batch
from benchmarks.workers import Steps, peak_memory, timed


def keras_steps(work: Work) -> Steps:
    """A job as this project does it; a training step as in `fit`."""
    keras.utils.set_random_seed(SEED)
    model, precision = compiled_model(work, work.precision)
    images, targets = random_batch(work.input_size, work.batch_size, work.classes)
    if work.job == "training":
        run = _fit_steps(model, (images, targets))
    else:
        run = timed(_forward(model, images), _wait)
    return Steps(run, _memory, precision)


def keras_product(side: int, precision: str) -> Steps:
    """The product of two square matrices."""
    a, b = (keras.random.normal((side, side), dtype=precision) for _ in range(2))
    return Steps(timed(lambda: keras.ops.matmul(a, b), _wait), _memory, precision)


def _wait(result: Any) -> None:
    np.asarray(keras.ops.convert_to_numpy(result[(0,) * len(result.shape)]))


def _forward(model: keras.Model, images: np.ndarray) -> Callable[[], Any]:
    """A call of the compiled network, from images in main memory to the logits of a level."""
    if keras.backend.backend() == "jax":
        import jax

        weights = (model.trainable_variables, model.non_trainable_variables)
        values = [[variable.value for variable in variables] for variables in weights]
        call = jax.jit(lambda t, n, x: model.stateless_call(t, n, x, training=False)[0])
        return lambda: call(*values, images)[0]
    import tensorflow as tf

    from yolo4.train.optimizer.compile import jit_compile

    function = tf.function(
        lambda x: model(x, training=False), jit_compile=jit_compile() == "auto", autograph=False
    )
    return lambda: function(tf.constant(images))[0]


def _fit_steps(model: keras.Model, batch: tuple) -> Callable[[int], float]:
    """Steps in one call of `fit`, without what `fit` does before and after them."""

    class Batches(keras.utils.PyDataset):
        def __init__(self, count: int) -> None:
            super().__init__()
            self.count = count

        def __len__(self) -> int:
            return self.count

        def __getitem__(self, index: int) -> tuple:
            return batch

    class Clock(keras.callbacks.Callback):
        async_safe = True  # Keras waits for the numbers of every step otherwise
        start = seconds = 0.0

        def on_train_batch_begin(self, step: int, logs: Any = None) -> None:
            self.start = self.start or time.perf_counter()

        def on_train_batch_end(self, step: int, logs: Any = None) -> None:
            if step + 1 == self.params["steps"]:
                float(logs["loss"])
                self.seconds = time.perf_counter() - self.start

    def run(count: int) -> float:
        clock = Clock()
        model.fit(Batches(count), shuffle=False, verbose=0, callbacks=[clock])
        return clock.seconds

    return run


def _memory() -> int:
    """The most bytes that the GPU's memory had in use, or main memory without one."""
    if keras.backend.backend() == "jax":
        import jax

        used = jax.local_devices()[0].memory_stats()  # None on a CPU
        return used["peak_bytes_in_use"] if used else peak_memory()
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        return peak_memory()
    return tf.config.experimental.get_memory_info("GPU:0")["peak"]
