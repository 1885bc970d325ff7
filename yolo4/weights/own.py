"""The weights of a run, which `yolo4.build.save_weights` writes in the format of Keras 3."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nets.networks import NetworkSpec
from utils.errors import FileError
from utils.files.intact import require_intact
from yolo4.run import Run
from yolo4.weights import WeightsFormat
from yolo4.weights.keras3 import keras3_class_count, layer_classes, read_keras3

if TYPE_CHECKING:
    from nets.yolov4 import YOLOv4

_NORM_CLASS = "batch_norm"  # `nets.batch_norm.BatchNorm`; Keras's own is `batch_normalization`


def is_own(path: Path) -> bool:
    """Whether a file holds the layers of this project, in a run or elsewhere."""
    try:
        return _NORM_CLASS in layer_classes(path)
    except FileError:
        return False


def load_own(model: "YOLOv4", path: Path, whole: bool = False) -> str:
    """Fill a network, as `yolo4.weights.Load` describes."""
    from yolo4.weights.keras_graph import fill_own

    return fill_own(model, read_keras3(path), whole)


def require_network(run: Run) -> None:
    """Refuse a run whose files make no network, before Keras is imported to build it.

    Raises:
        UserError: the settings, class names, anchors or weights are missing or damaged.
    """
    for read in (run.config, run.class_names, run.anchors):
        read()
    path = run.weights()
    require_intact(path)
    layer_classes(path)  # of weights without a checksum: HDF5 notices that their end is missing


def _run_of(path: Path) -> Run | None:
    """The run that a file belongs to, in its folder or in a folder of that."""
    runs = map(Run, (path.parent, path.parent.parent))
    return next((run for run in runs if run.config_file.is_file()), None)


def _network(path: Path, network: NetworkSpec) -> NetworkSpec:
    run = _run_of(path)
    return read_keras3(path).network(network) if run is None else run.network()


def _settings(path: Path, network: NetworkSpec) -> dict[str, Any]:
    run = _run_of(path)
    if run is None:
        return {}
    config = run.config()
    own = config.grid_sensitivity == network.scale_x_y
    return {
        "scale_x_y": None if own else config.scale_x_y,
        "batch_norm_epsilon": config.batch_norm_epsilon,
        "resize": config.resize,
    }


def _anchors_file(path: Path) -> Path | None:
    run = _run_of(path)
    return None if run is None else run.anchors_file


OWN = WeightsFormat(
    "this project", is_own, keras3_class_count, load_own, _network, _settings, _anchors_file
)
