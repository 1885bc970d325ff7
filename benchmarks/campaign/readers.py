"""What reads files that others have written: a valid example of each, and how it is read."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from benchmarks.campaign.data_sets import BOXES, FORMATS, NAMES, SIZE, write_images
from benchmarks.campaign.studies import FILES as FILES_OF_A_STUDY
from benchmarks.campaign.studies import read_study, write_study
from utils.annotations import load_dataset
from utils.annotations.digest import DataDigest
from utils.image import read_image
from utils.metrics.history import read_history
from utils.metrics.text_boxes import read_text_boxes
from utils.printable import printable
from utils.records import Record
from yolo4.run import Run

if TYPE_CHECKING:
    from nets.yolov4 import YOLOv4

_CHECKSUM = re.compile(rb"\nsha256 [0-9a-f]{64}\n\Z")


@dataclass(frozen=True)
class Reader:
    """A reader of files.

    Attributes:
        name: for the table.
        write: writes valid files into a folder.
        patterns: of the files that are changed.
        read: reads the folder.
        has_checksum: whether every change has to be noticed.
    """

    name: str
    write: Callable[[Path], Any]
    patterns: tuple[str, ...]
    read: Callable[[Path], Any]
    has_checksum: bool = False

    @property
    def file_name(self) -> str:
        """The name, as a part of file names."""
        return re.sub(r"\W+", "_", self.name)

    def files(self, folder: Path) -> dict[Path, bytes]:
        """The files that are changed, and their content."""
        paths = sorted(path for pattern in self.patterns for path in folder.glob(pattern))
        return {path: path.read_bytes() for path in paths}


def _read_data(folder: Path) -> None:
    report = load_dataset([folder], progress=False).report
    if any(printable(line) != line for line in report.text.split("\n")):
        raise ValueError("the report shows control characters, or a very long line")
    report.to_csv()


def _write_image_set(suffix: str, folder: Path) -> None:
    write_images(folder / "images", suffix)
    for stem in ("a", "b", "c"):
        (folder / "images" / f"{stem}.txt").write_text("0 0.5 0.5 0.5 0.5\n")


def _read_image_set(folder: Path) -> None:
    _read_data(folder)
    for path in sorted(folder.glob("images/a.*[!t]")):
        read_image(path)


def _write_run(folder: Path) -> None:
    """A run with random weights, its state, and Darknet's files of the network."""
    from utils.anchors import format_anchors
    from yolo4.build import save_weights
    from yolo4.train.state.checkpoint import save_state
    from yolo4.train.state.progress import Progress
    from yolo4.weights.darknet.write import write_darknet

    run, config, model = Run(folder), _config(), _network()
    run.config_file.write_text(config.to_json())
    run.classes_file.write_text("".join(f"{name}\n" for name in NAMES))
    anchors = np.array(config.network_spec.anchors)
    run.anchors_file.write_text(format_anchors(anchors))
    run.history_file.write_text("epoch,map50\n1,\n2,0.5\n")
    save_weights(model, run.last_weights)
    save_state(run.state_file, model, Progress(epoch=2, history=[{"epoch": 1, "loss": 2.5}]))
    scales = config.grid_sensitivity
    write_darknet(folder / "a.weights", model, anchors.tolist(), scales, (64, 64), NAMES)


def _write_old_run(folder: Path) -> None:
    """A run of an older version, whose files have no checksum."""
    _write_run(folder)
    for path in (Run(folder).last_weights, Run(folder).state_file):
        path.write_bytes(_CHECKSUM.sub(b"", path.read_bytes()))


@cache
def _config() -> Any:
    from yolo4.config import Config

    return Config(width=0.0625, depth=0.1, input_size=64, precision="float32")


@cache
def _network() -> "YOLOv4":
    import keras

    from yolo4.build import build_model

    keras.utils.set_random_seed(0)
    model = build_model(_config(), len(NAMES))
    model.compile(keras.optimizers.AdamW(), "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def _read_settings(folder: Path) -> None:
    run = Run(folder)
    run.config()
    run.class_names()
    run.anchors()
    read_history(run.history_file)


def _digest(folder: Path) -> DataDigest:
    return DataDigest.of(NAMES, "1,2 3,4", {"train": _records(folder), "val": []})


def _write_digest(folder: Path) -> None:
    write_images(folder)
    _digest(folder).save(Run(folder).data_file)


def _read_digest(folder: Path) -> None:
    DataDigest.load(Run(folder).data_file).differences(_digest(folder))


def _records(folder: Path) -> list[Record]:
    """The image `a.jpg` with its boxes."""
    boxes = np.array([box for _, *box in BOXES], np.float32)
    labels = np.array([label for label, *_ in BOXES], np.int32)
    return [Record(folder / "a.jpg", SIZE, boxes, labels, np.zeros(len(BOXES), bool))]


def _read_state(folder: Path) -> None:
    from yolo4.train.state.checkpoint import load_state
    from yolo4.train.state.progress import recover_progress

    progress = recover_progress(Run(folder))
    load_state(Run(folder).state_file, _network(), optimizer=True)
    json.dumps(progress.history)


def _read_weights(name: str, folder: Path) -> None:
    from yolo4.weights.source import find_weights

    source = find_weights(str(folder / name), _config().network_spec)
    source.class_count()
    source.settings()
    source.load_into(_network(), whole=True)


def _read_cfg(folder: Path) -> None:
    from yolo4.weights.darknet.cfg import read_cfg

    read_cfg(folder / "a.cfg")


def _write_keras2(folder: Path) -> None:
    import h5py

    with h5py.File(folder / "a.h5", "w") as stored:
        stored.attrs["layer_names"] = ["conv2d", "conv2d_1"]
        for name in ("conv2d", "conv2d_1"):
            group = stored.create_group(name)
            group.attrs["weight_names"] = [f"{name}/kernel:0", f"{name}/bias:0"]
            group[f"{name}/kernel:0"] = np.ones((3, 3, 4, 4), "f4")
            group[f"{name}/bias:0"] = np.ones(4, "f4")


def _read_keras2(folder: Path) -> None:
    from yolo4.weights.keras2 import is_keras2, read_keras2

    is_keras2(folder / "a.h5")
    read_keras2(folder / "a.h5")


def _write_text_boxes(folder: Path) -> None:
    for name, score in (("found", "0.9 "), ("truth", "")):
        (folder / name).mkdir()
        lines = [f"{NAMES[label]} {score}{x1} {y1} {x2} {y2}\n" for label, x1, y1, x2, y2 in BOXES]
        (folder / name / "a.txt").write_text("".join(lines))


def _read_text_boxes(folder: Path) -> None:
    from utils.metrics.summary import evaluate

    both = read_text_boxes(folder / "found", folder / "truth")
    evaluate(both.detections, both.records, both.class_names, [0.5], coco=True).to_dict()


def _image_readers() -> tuple[Reader, ...]:
    suffixes = sorted({".jpg", ".png", ".webp", ".tiff", ".bmp", ".gif"} & set(_writable()))
    return tuple(
        Reader(
            f"{suffix} images",
            partial(_write_image_set, suffix),
            (f"images/a{suffix}",),
            _read_image_set,
        )
        for suffix in suffixes
    )


def _writable() -> set[str]:
    Image.init()
    return {suffix for suffix, name in Image.registered_extensions().items() if name in Image.SAVE}


_WEIGHTS, _STATE = "last.weights.h5", "state.npz"
READERS = (
    *(Reader(name, write, files, _read_data) for name, (write, files) in FORMATS.items()),
    *_image_readers(),
    Reader("text boxes", _write_text_boxes, ("*/a.txt",), _read_text_boxes),
    Reader("files of a study", write_study, FILES_OF_A_STUDY, read_study),
    Reader("settings of a run", _write_run, ("*.json", "*.txt", "*.csv"), _read_settings),
    Reader("data of a run", _write_digest, ("data.json",), _read_digest),
    Reader("state", _write_run, (_STATE,), _read_state, has_checksum=True),
    Reader("state, no checksum", _write_old_run, (_STATE,), _read_state),
    Reader("weights", _write_run, (_WEIGHTS,), partial(_read_weights, _WEIGHTS), True),
    Reader("weights, no checksum", _write_old_run, (_WEIGHTS,), partial(_read_weights, _WEIGHTS)),
    Reader("Keras 2 weights", _write_keras2, ("a.h5",), _read_keras2),
    Reader("Darknet .weights", _write_run, ("a.weights",), partial(_read_weights, "a.weights")),
    Reader("Darknet .cfg", _write_run, ("a.cfg",), _read_cfg),
)
