"""The training step on several devices under `tf.distribute`.

Each device has a replica of the network and a part of the batch. The gradients add up over the
replicas, since the divisor of the loss is a constant. Then every replica makes the same update.

Keras's own step is not used: it would clip the gradients of each replica by themselves, assign each
statistic of batch normalization in a separate exchange, and fails with several workers.
"""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from nets import Tensor
from nets.batch_norm import collected_statistics
from nets.losses import TERMS
from nets.yolov4 import YOLOv4

Strategy = Any  # tf.distribute.Strategy, which is imported with TensorFlow


def distribute(model: YOLOv4, strategy: Strategy) -> None:
    """Replace the functions that `fit` and `predict_on_batch` call.

    Args:
        model: made in the strategy's scope, and compiled out of it.
        strategy: of the local devices, or of all workers.
    """
    keras_model: Any = model  # Keras does not declare these attributes
    # `fit` itself sees one device, with this worker's part of each batch.
    keras_model._distribute_strategy = None
    keras_model.train_function = _train_function(model, strategy)
    keras_model.predict_function = _predict_function(model, strategy)


def gather(array: np.ndarray, strategy: Strategy) -> np.ndarray:
    """Concatenate the arrays of all workers; the first device of each one carries it."""
    import tensorflow as tf

    parts = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(array if _local_number(context, strategy) == 0 else array[:0])
    )
    return strategy.gather(parts, axis=0).numpy()


def _local_devices(strategy: Strategy) -> int:
    return len(strategy.extended.worker_devices)


def _local_number(context: Any, strategy: Strategy) -> int:
    """The number of a replica among those of its worker."""
    return context.replica_id_in_sync_group % _local_devices(strategy)


def _split(batch: Any, strategy: Strategy) -> Any:
    """Divide the arrays of a batch among the devices of this worker."""
    import tensorflow as tf

    count = _local_devices(strategy)

    def part(context: Any) -> Any:
        number = _local_number(context, strategy)
        return tf.nest.map_structure(
            lambda a: a[len(a) * number // count : len(a) * (number + 1) // count], batch
        )

    return strategy.experimental_distribute_values_from_function(part)


def _train_function(model: YOLOv4, strategy: Strategy) -> Callable[[Iterator], dict[str, Tensor]]:
    import tensorflow as tf

    step = tf.function(_training_step(model, strategy), autograph=False, reduce_retracing=True)
    total = next(metric for metric in model.metrics if metric.name == "loss")

    @tf.function(autograph=False)
    def logged(terms: list[Tensor], images: int) -> dict[str, Tensor]:
        for name, value in zip(TERMS, terms, strict=True):
            model.term_means[name].update_state(value)
        # Weighted as by Keras, so that another number of devices can continue the mean.
        total.update_state(sum(terms), sample_weight=images)
        return model.get_metrics_result()

    def train(iterator: Iterator) -> dict[str, Tensor]:
        batch = next(iterator)
        terms = step(_split(batch, strategy))
        images = len(batch[0]) * strategy.num_replicas_in_sync // _local_devices(strategy)
        return logged([strategy.experimental_local_results(value)[0] for value in terms], images)

    return train


def _training_step(model: YOLOv4, strategy: Strategy) -> Callable[[Any], list[Any]]:
    """One step of all replicas, which returns the terms of the whole batch."""
    import tensorflow as tf

    variables = list(model.trainable_variables)
    count = strategy.num_replicas_in_sync

    def replica_step(batch: Any) -> list[Tensor]:
        images, targets = batch
        with collected_statistics() as statistics, tf.GradientTape() as tape:
            terms = model.required_criterion()(targets, model(images, training=True))
            # A term is a mean over images, so the whole batch has the mean of the replicas' terms.
            terms = [terms[name] / count for name in TERMS]
            loss: Any = sum(terms)
        gradients = tape.gradient(loss, variables)
        moving, averages = zip(*statistics, strict=True) if statistics else ((), ())
        averages = [average / count for average in averages]
        context = tf.distribute.get_replica_context()
        # Together, so that small arrays travel with large ones.
        sums = context.all_reduce("SUM", [*gradients, *averages, *terms])
        parts = sums[: len(gradients)], sums[len(gradients) : len(sums) - len(terms)]

        def update(_: Any, gradients: list[Tensor], averages: list[Tensor]) -> None:
            model.optimizer.apply(gradients, variables)
            for variable, average in zip(moving, averages, strict=True):
                variable.assign(average)

        def update_all(strategy: Strategy, *parts: Any) -> None:
            strategy.extended.update(variables[0].value, update, args=parts, group=False)

        context.merge_call(update_all, args=parts)
        return sums[len(sums) - len(terms) :]

    return lambda batch: strategy.run(replica_step, args=(batch,))


def _predict_function(model: keras.Model, strategy: Strategy) -> Callable[[Any], list[Tensor]]:
    import tensorflow as tf

    @tf.function(autograph=False, reduce_retracing=True)
    def outputs(images: Any) -> Any:
        return strategy.run(lambda part: model(part, training=False), args=(images,))

    def predict(data: Any) -> list[Tensor]:
        ((images,),) = data
        levels = outputs(_split(tf.convert_to_tensor(images), strategy))
        return [tf.concat(strategy.experimental_local_results(level), 0) for level in levels]

    return predict
