"""A network of one weight with the loss terms of a detector, for the callbacks of a training."""

import keras

from nets.losses import TERMS
from yolo4.train.optimizer.optimizers import SGD

LOSSES = {"loss": 6.0, "box": 1.0, "confidence": 2.0, "class": 3.0}


class Network(keras.Model):
    """One weight, trained to nothing, with the named terms of a detector's loss."""

    bad_step = bad_term = bad_value = None

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        self.steps = getattr(self, "steps", -1) + 1
        terms = dict.fromkeys(TERMS, keras.ops.sum(y_pred))
        if self.steps == self.bad_step:
            terms[self.bad_term] = terms[self.bad_term] + self.bad_value
        for name, value in terms.items():
            self.term_means[name].update_state(value)
        return sum(terms.values())


def network(**attributes):
    inputs = keras.Input((1,))
    model = Network(inputs, keras.layers.Dense(1)(inputs))
    model.term_means = {name: keras.metrics.Mean(name=name) for name in TERMS}
    for name, value in attributes.items():
        setattr(model, name, value)
    optimizer = SGD(learning_rate=0.125, decay=0.0, average=0.5)
    model.compile(optimizer, run_eagerly=True)
    model.optimizer.build(model.trainable_variables)
    return model
