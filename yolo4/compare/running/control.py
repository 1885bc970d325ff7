"""The control of a comparison: a training like the reference's but for the last digits."""

import keras
import numpy as np

from yolo4.run import Run
from yolo4.train.state.progress import load_progress

RELATIVE_SIZE = 1e-6


class PerturbWeights(keras.callbacks.Callback):
    """Changes the initial weights by about a millionth of their size.

    Two trainings with the same seed are equal bit for bit. This makes them as different as two
    trainings of the same arm are by chance, while all else stays shared. The fingerprint of the
    run is that of the weights before the change.

    Args:
        run: the run; a resumed one is changed only if its first step is not done.
        seed: of the changes.
    """

    def __init__(self, run: Run, seed: int) -> None:
        super().__init__()
        self.run = run
        self.seed = seed

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Change the trainable weights of an untrained network."""
        if load_progress(self.run.state_file).has_begun:
            return
        rng = np.random.default_rng(self.seed)
        for variable in self.model.trainable_variables:
            noise = RELATIVE_SIZE * rng.standard_normal(variable.shape)
            variable.assign(np.array(variable, np.float64) * (1 + noise))
