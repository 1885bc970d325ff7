"""Makes a run folder of foreign weights, which all other commands take like a trained run."""

import dataclasses
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from utils.errors import UserError
from utils.files import MODEL_DATA, write_atomically, writing_to
from yolo4.config import Config
from yolo4.options import check_ranges, option
from yolo4.run import Run

if TYPE_CHECKING:
    from nets.yolov4 import YOLOv4
    from yolo4.weights.darknet.cfg import DarknetNetwork

# The 80 categories of COCO (https://cocodataset.org) in the order of their numbers there, which is
# that of the classes of yolov4.weights.
COCO_CLASSES = MODEL_DATA / "coco_classes.txt"


@dataclasses.dataclass(frozen=True)
class ConvertOptions:
    """What is converted, and all that the weights themselves do not say."""

    weights: str = option(
        "yolov4",
        "a .weights file of Darknet, an .h5 file of Keras 2, or yolov4: download the released file",
        "input",
        positional=True,
    )
    cfg: str | None = option(
        None, "Darknet's .cfg of the weights; None: that of the released ones", "input"
    )
    classes: str | None = option(
        None, "file of class names, one per line; None: COCO's, where there are 80", "input"
    )
    anchors: str | None = option(
        None, "file of nine anchors 'w,h'; None: those of the .cfg, else COCO's", "input"
    )
    input_size: int | tuple[int, int] | None = option(
        None,
        "pixels, multiples of 32: a side, or height and width; None: that of the .cfg, else 416",
        "input",
        low=32,
    )
    output: str = option("logs/yolov4", "the run folder to make", "output")

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.input_size is not None:
            Config(input_size=self.input_size)  # which knows what sizes there are


def convert(options: ConvertOptions) -> None:
    """Make a run folder of the weights, whole or not at all.

    Raises:
        UserError: the weights or one of the other files cannot be read, they do not go together,
            or the folder is in use or cannot be written.
    """
    folder = Path(options.output)
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise UserError(f"--output {folder}: there is something already; name a new folder")
    from utils.anchors import COCO_ANCHORS, read_anchors
    from utils.text import read_class_names
    from yolo4.quiet import quiet_start

    # Before a download, so that a mistake in them is told at once.
    names = read_class_names(options.classes or COCO_CLASSES)
    anchors = read_anchors(options.anchors) if options.anchors else COCO_ANCHORS
    print("starting the network")
    with quiet_start():
        from yolo4.weights.settings import settings_of
        from yolo4.weights.start import is_darknet, weights_file
    path = weights_file(options.weights)
    if is_darknet(path):
        network, class_count = _of_darknet(path, options.cfg)
    else:
        network, class_count = None, _of_keras2(path, options.cfg)
    if len(names) != class_count:
        raise UserError(
            f"{path} is for {class_count} classes, but {options.classes or COCO_CLASSES} names "
            f"{len(names)}; give a file of its class names, --classes"
        )
    if network and not options.anchors:
        anchors = np.asarray(network.anchors, np.float32)
    config = _config(options, network, settings_of(options.weights))
    model = _filled(config, class_count, path)
    _write(Run(folder), config, names, anchors, model)
    print(
        f"{folder} is a run of {class_count} classes; next:\n"
        f"  python predict.py <images, folders or videos> --run {folder}\n"
        f"  python get_map.py --run {folder} --data <data set>\n"
        f"  python train.py --weights {folder} --anchors {Run(folder).anchors_file} "
        f"--width {config.width:g} --depth {config.depth:g} --data <data set>"
    )


def _of_darknet(path: Path, cfg: str | None) -> "tuple[DarknetNetwork | None, int]":
    """What the .cfg says of the network, and the class count."""
    from yolo4.weights.darknet.cfg import read_cfg
    from yolo4.weights.darknet.files import read_weights
    from yolo4.weights.darknet.load import darknet_class_count

    if cfg is not None:
        network = read_cfg(Path(cfg))
        return network, network.class_count
    size = read_weights(path)[1].size
    class_count = darknet_class_count(size)
    if class_count is None:
        raise UserError(
            f"{path}: {size:,} numbers, which no class count of YOLOv4 gives; was the file cut, or "
            "is it of another network, which --cfg describes?"
        )
    return None, class_count


def _of_keras2(path: Path, cfg: str | None) -> int:
    """The class count."""
    from yolo4.weights.keras2 import is_keras2, keras2_class_count

    if not path.is_file():
        raise UserError(f"{path}: no such weights file")
    if not is_keras2(path):
        raise UserError(
            f"{path}: neither weights of Darknet nor of Keras 2; a run needs no conversion"
        )
    if cfg is not None:
        raise UserError(f"--cfg {cfg} describes weights of Darknet, but {path} is of Keras 2")
    return keras2_class_count(path)


def _config(
    options: ConvertOptions, network: "DarknetNetwork | None", settings: dict[str, object]
) -> Config:
    """The settings of the run, as a training with this network would have them."""
    known = dict(settings)
    if network is not None:
        known |= {name: getattr(network, name) for name in ("width", "depth", "scale_x_y")}
        known["input_size"] = network.input_size
    if options.input_size is not None:
        known["input_size"] = options.input_size
    run = Run(Path(options.output))
    return Config(
        **known,
        weights=options.weights,
        classes=str(run.classes_file),
        anchors=str(run.anchors_file),
        run_dir=str(run.folder),
    )


def _filled(config: Config, class_count: int, path: Path) -> "YOLOv4":
    """The network with the weights; says how many, and with which settings."""
    from yolo4.build import build_model
    from yolo4.weights.darknet.load import load_darknet
    from yolo4.weights.keras2 import load_keras2
    from yolo4.weights.start import is_darknet

    model = build_model(config, class_count)
    darknet = is_darknet(path)
    print(load_darknet(model, path, whole=True) if darknet else load_keras2(model, path))
    print(f"scale_x_y {config.scale_x_y}, batch norm's epsilon {config.batch_norm_epsilon:g}")
    return model


def _write(
    run: Run, config: Config, names: tuple[str, ...], anchors: np.ndarray, model: "YOLOv4"
) -> None:
    from utils.anchors import format_anchors
    from yolo4.build import save_weights

    with writing_to(run.folder):
        run.folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".convert-", dir=run.folder.parent) as temporary:
            fresh = Run(Path(temporary, "run"))
            write_atomically(fresh.config_file, config.to_json())
            write_atomically(fresh.classes_file, "".join(f"{name}\n" for name in names))
            write_atomically(fresh.anchors_file, format_anchors(anchors) + "\n")
            save_weights(model, fresh.best_weights)
            if run.folder.is_dir():
                run.folder.rmdir()  # it is empty
            fresh.folder.rename(run.folder)
