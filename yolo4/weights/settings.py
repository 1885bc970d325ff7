"""The settings of a network that weights were trained with."""

from typing import Any

import numpy as np

from yolo4.run import Run
from yolo4.weights.keras2 import KERAS2_SETTINGS, is_keras2
from yolo4.weights.start import is_darknet, weights_file


def settings_of(weights: str) -> dict[str, Any]:
    """Settings that weights do not show in their shapes and yet depend on.

    Args:
        weights: as `yolo4.weights.start.start_from` takes them.

    Returns:
        Values of `Config`: of a Keras 2 file the usual ones, of a run its own. Empty for others:
        Darknet's are the defaults.

    Raises:
        UserError: there is no such run, or a download failed.
    """
    path = weights_file(weights)
    if is_keras2(path):
        return dict(KERAS2_SETTINGS)
    run = Run(path.parent)
    if is_darknet(path) or not run.config_file.is_file():
        return {}
    config = run.config()
    return {name: getattr(config, name) for name in KERAS2_SETTINGS}


def remark_on_anchors(weights: str, anchors: np.ndarray, class_count: int) -> None:
    """Tell where the heads of a run are loaded, which was trained with other anchors.

    Args:
        weights: as `settings_of` takes them.
        anchors: `[9, 2]`, those of the training to come.
        class_count: of the training to come.

    Raises:
        UserError: the run's files are not whole.
    """
    path = weights_file(weights)
    run = Run(path.parent)
    if is_darknet(path) or is_keras2(path) or not run.config_file.is_file():
        return
    if len(run.class_names()) == class_count and not np.allclose(run.anchors(), anchors):
        print(
            f"{weights} was trained with other anchors, and its heads are loaded: "
            f"--anchors {run.anchors_file} goes on with them"
        )
