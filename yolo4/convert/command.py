"""Makes a run folder of foreign weights, which all other commands take like a trained run."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nets.networks import NETWORKS
from utils.anchors import format_anchors, read_anchors
from utils.errors import UserError
from utils.files.lock import locked
from utils.files.writing import MODEL_DATA, temporary_folder, write_atomically, writing_to
from utils.text import chosen_class_names
from yolo4.config import Config
from yolo4.convert.options import ConvertOptions
from yolo4.presets import PRESETS
from yolo4.quiet import quiet_start
from yolo4.run import RUNS, Run
from yolo4.weights.darknet.cfg import DarknetNetwork, read_cfg
from yolo4.weights.darknet.load import DARKNET
from yolo4.weights.own import OWN
from yolo4.weights.source import WeightsSource, find_weights, network_of

if TYPE_CHECKING:
    from nets.yolov4 import YOLOv4

# The 80 categories of COCO (https://cocodataset.org) in the order of their numbers there, which is
# that of the classes of yolov4.weights.
COCO_CLASSES = MODEL_DATA / "coco_classes.txt"

_WAIT = 60.0  # seconds; more than a run takes to be written


def convert(options: ConvertOptions) -> None:
    """Make a run folder of the weights, atomically.

    Raises:
        UserError: the weights or one of the other files cannot be read, they do not fit together,
            or the folder is in use or cannot be written.
    """
    run = Run(Path(options.output or RUNS / Path(options.weights).stem))
    _require_unused(run.folder)
    # Read first, so that a mistake in these files is reported before a download.
    names_file = options.classes or COCO_CLASSES
    names = chosen_class_names(names_file)
    described = read_cfg(Path(options.cfg)) if options.cfg else None
    network = described.network if described else network_of(options.weights)
    anchors = read_anchors(options.anchors, len(network.anchors)) if options.anchors else None
    source = dataclasses.replace(find_weights(options.weights), network=network)
    _check_format(source, options.cfg)
    source.class_count()  # refuses a damaged file before the network is built
    class_count = described.class_count if described else _class_count(source)
    if len(names) != class_count:
        raise UserError(
            f"{source.path} is for {class_count} classes, but {names_file} names {len(names)}; "
            "give a file of its class names, --classes"
        )
    if anchors is None:
        anchors = np.array((described or network).anchors, np.float32)
    config = _config(options, run, source, described)
    with quiet_start():
        from yolo4.build import build_model
    model = build_model(config, class_count)
    print(source.load_into(model, whole=True))
    print(
        f"{network.title}, scale_x_y {config.grid_sensitivity}, batch norm's epsilon "
        f"{config.batch_norm_epsilon:g}"
    )
    if source.format is DARKNET:
        print(f"resize {config.resize}: Darknet stretches images unless the .cfg has letter_box=1")
    _write(run, config, names, anchors, model)
    print(_next_steps(run, config))


def _require_unused(folder: Path) -> None:
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise UserError(f"{folder}: exists already; name a new folder with --output")


def _check_format(source: WeightsSource, cfg: str | None) -> None:
    """Refuse weights of a run, and a .cfg for weights that are not Darknet's."""
    if source.format is OWN:
        raise UserError(
            f"{source.path}: weights of this project need no conversion; predict.py and the other "
            "commands take their run folder, --run"
        )
    if cfg is not None and source.format is not DARKNET:
        raise UserError(
            f"--cfg {cfg} describes weights of Darknet, but {source.path} is of "
            f"{source.format.name}"
        )


def _class_count(source: WeightsSource) -> int:
    class_count = source.class_count()
    if class_count is None:
        *others, last = (network.title for network in NETWORKS.values())
        raise UserError(
            f"{source.path}: weights of {source.format.name}, whose size, "
            f"{source.path.stat().st_size:,} bytes, fits no class count of {', '.join(others)} or "
            f"{last}; is it incomplete, or for another network, which --cfg describes?"
        )
    return class_count


def _config(
    options: ConvertOptions, run: Run, source: WeightsSource, described: DarknetNetwork | None
) -> Config:
    """The settings of the run, as a training with this network would have them."""
    settings = source.settings()
    if source.format is DARKNET:
        settings["resize"] = "stretch"  # as Darknet does by default
    if described is not None:
        names = ("width", "depth", "scale_x_y", "input_size", "resize")
        settings |= {name: getattr(described, name) for name in names}
    if options.input_size is not None:
        settings["input_size"] = options.input_size
    return Config(
        **settings,
        weights=options.weights,
        classes=str(run.classes_file),
        anchors=str(run.anchors_file),
        run_dir=str(run.folder),
    )


def _write(
    run: Run, config: Config, names: tuple[str, ...], anchors: np.ndarray, model: "YOLOv4"
) -> None:
    """Write the run under a hidden name, then rename it."""
    from yolo4.build import save_weights

    with writing_to(run.folder):
        parent = run.folder.parent
        with (
            locked(parent, _WAIT, "name a folder that can be written with --output"),
            temporary_folder(parent) as temporary,
        ):
            fresh = Run(temporary / "run")
            write_atomically(fresh.config_file, config.to_json())
            write_atomically(fresh.classes_file, "".join(f"{name}\n" for name in names))
            write_atomically(fresh.anchors_file, format_anchors(anchors) + "\n")
            save_weights(model, fresh.best_weights)
            if run.folder.is_dir():
                run.folder.rmdir()  # it is empty
            fresh.folder.rename(run.folder)


def _next_steps(run: Run, config: Config) -> str:
    class_count = len(run.class_names())
    preset = "tiny" if config.network == PRESETS["tiny"]["network"] else "full"
    return (
        f"{run.folder} is a run of {class_count} classes; next:\n"
        f"  python predict.py <images, folders or videos> --run {run.folder}\n"
        f"  python get_map.py --run {run.folder} --data <data set>\n"
        f"  python train.py --preset {preset} --weights {run.folder} --anchors {run.anchors_file} "
        f"--width {config.width:g} --depth {config.depth:g} --data <data set>"
    )
