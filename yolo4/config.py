"""The settings of a training run: meaning, unit and allowed values, in one flat dataclass."""

import dataclasses
import json
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nets.networks import NETWORKS, YOLOV4, NetworkSpec
from utils.errors import FileError, UserError
from utils.files.reading import MOST_BYTES, read_json
from utils.resize import Resize
from utils.training_data.sizes import sizes_between
from yolo4.environment.devices import DeviceChoice
from yolo4.options import check_ranges, from_mapping, option

# Settings that change no result. A comparison may change them between runs. `on_bad_data` is not
# among them: it decides whether a record that cannot be read is left out of the training.
WITHOUT_INFLUENCE = frozenset({"workers", "cache", "run_dir", "save_minutes", "save_top_k"})

_PATHS = {"data", "classes", "anchors", "weights"}

ConfidenceLoss = Literal["focal", "bce", "balanced_bce", "focal_star", "ohem"]
if TYPE_CHECKING:
    NetworkName = str
else:  # the registry is the only list of networks
    NetworkName = Literal[tuple(NETWORKS)]


@dataclasses.dataclass(frozen=True)
class Config:
    """All settings of a training run. `train.py` has a flag for each field."""

    # --- data
    data: tuple[str, ...] = option(
        (), "data set: folders or files; none: the sample data set", "data"
    )
    classes: str | None = option(
        None, "file of class names, one per line; None: as found in the data", "data"
    )
    on_bad_data: Literal["skip", "error"] = option(
        "skip", "skip bad records and report them, or stop at the first", "data"
    )
    split_seed: int = option(0, "seed of the splits, if the data has none", "data", low=0)
    workers: int = option(
        2, "workers that load and augment images: threads; above 4, processes", "data", 1, 256
    )
    cache: Literal["none", "ram", "disk"] = option(
        "none", "where decoded training images are cached; changes no pixel", "data"
    )
    resize: Resize = option(
        "letterbox",
        "how an image is fitted to the input: letterbox keeps its shape and pads, stretch does "
        "neither",
        "data",
    )
    # --- network
    network: NetworkName = option(
        YOLOV4.name,
        "the graph with its levels and anchors; the tiny ones suit a CPU",
        "network",
    )
    input_size: int | tuple[int, int] = option(
        416, "pixels, multiples of 32: a side, or height and width", "network", low=32
    )
    width: float = option(
        1.0, "channels, relative to the network's own", "network", low=0.05, high=4
    )
    depth: float = option(
        1.0, "residual blocks, relative to YOLOv4; tiny networks have none", "network", 0.05, 4
    )
    anchors: str = option(
        "coco", "'coco', 'auto' (k-means on the training boxes) or a file", "network"
    )
    weights: str | None = option(
        None,
        "initial weights: a run, a weights file (ours, Darknet's, Keras's) or a released one: "
        + ", ".join(f"'{release.name}'" for spec in NETWORKS.values() for release in spec.releases),
        "network",
    )
    fresh_heads: bool = option(
        False,
        "the heads, the last convolutions, start fresh, even if those of --weights would fit",
        "network",
    )
    scale_x_y: tuple[float, ...] | None = option(
        None,
        "grid sensitivity of each level, finest first; None: the network's own",
        "network",
        low=1,
        high=3,
    )
    batch_norm_epsilon: float = option(
        1e-5, "added to the variance in batch normalization", "network", low=1e-7, high=0.1
    )
    # --- loss
    confidence_loss: ConfidenceLoss = option("focal", "the elementwise confidence loss", "loss")
    focal_alpha: float = option(
        0.25, "weight of positives; negatives have 1 - alpha (focal, balanced_bce)", "loss", 0, 1
    )
    focal_gamma: float = option(
        2.0,
        "focusing; 0 makes focal a weighted cross entropy (focal, focal_star)",
        "loss",
        low=0,
        high=10,
    )
    focal_beta: float = option(1.0, "shift of the logit (focal_star)", "loss", low=-10, high=10)
    ohem_ratio: float = option(3.0, "hardest negatives per positive (ohem)", "loss", 0, 1e6)
    box_loss: Literal["ciou", "diou", "giou"] = option("ciou", "the box term", "loss")
    box_gain: float = option(5.0, "multiplier of the box term", "loss", low=0)
    confidence_gain: float = option(1.0, "multiplier of the confidence term", "loss", low=0)
    class_gain: float = option(1.0, "multiplier of the class term", "loss", low=0)
    label_smoothing: float = option(
        0.0, "moves class targets from 0 and 1 toward 1/2", "loss", low=0, high=0.5
    )
    ignore_threshold: float = option(
        0.7, "IoU with any object above which a negative is ignored", "loss", low=0, high=1
    )
    anchor_match_threshold: float | None = option(
        0.213,
        "shape IoU above which further anchors are assigned; None: the best one only",
        "loss",
        low=0,
        high=1,
    )
    positives_per_image: float | None = option(
        None,
        "mean number of assigned predictors, by which the loss is divided; None: counted at the "
        "start and kept in the run",
        "loss",
        low=1e-6,
    )
    confidence_prior: float = option(
        0.01, "initial confidence of every predictor", "loss", low=1e-6, high=0.5
    )
    # --- optimization
    epochs: int = option(100, "passes over the training images", "optimization", low=1)
    batch_size: int = option(16, "images per step, on all devices", "optimization", low=1)
    freeze_epochs: int = option(
        0, "epochs with a frozen backbone, at the start", "optimization", low=0
    )
    freeze_batch_size: int = option(16, "images per step while frozen", "optimization", low=1)
    freeze_bn: bool = option(
        False, "keep the batch normalization statistics of --weights", "optimization"
    )
    optimizer: Literal["sgd", "adam", "adamw"] = option(
        "adamw", "sgd: with Nesterov momentum; adam: without weight decay", "optimization"
    )
    learning_rate: float = option(
        1e-3,
        "peak, for a batch of 16; scaled in proportion to the batch size",
        "optimization",
        0,
        10,
    )
    backbone_lr_fraction: float = option(
        1.0, "learning rate of the backbone, relative to the rest's", "optimization", 0, 1
    )
    momentum: float = option(
        0.937, "momentum of sgd; beta 1 of adam and adamw", "optimization", low=0, high=0.9999
    )
    weight_decay: float = option(5e-4, "decay of the kernels", "optimization", low=0, high=1)
    lr_schedule: Literal["cosine", "step"] = option(
        "cosine", "step: divided by 10 after 80% and 90% of the epochs", "optimization"
    )
    warmup_epochs: float = option(2.0, "epochs of linear warm-up", "optimization", low=0)
    min_lr_fraction: float = option(
        0.01, "last learning rate, relative to the peak", "optimization", low=0, high=1
    )
    gradient_clip: float | None = option(
        10.0, "largest global norm of the gradient; None: off", "optimization", low=1e-6
    )
    accumulate: int = option(1, "steps whose gradients make one update", "optimization", low=1)
    ema: float | None = option(
        0.98, "momentum of the average of the weights; None: off", "optimization", 0, 0.99999
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = option(
        "auto",
        "auto: bfloat16 for width 0.75 and above on a CPU with AMX, else float32",
        "optimization",
    )
    sync_batch_norm: bool = option(
        False,
        "on several devices, batch normalization by the whole batch, not by each device's part",
        "optimization",
    )
    seed: int = option(
        0, "seed of initial weights, data order and augmentation", "optimization", 0, 10**9
    )
    # --- augmentation
    mosaic: float = option(0.5, "probability of combining four images", "augmentation", 0, 1)
    mixup: float = option(0.15, "probability of blending two images", "augmentation", 0, 1)
    cutmix: float = option(
        0.0, "probability of pasting a rectangle of another image", "augmentation", 0, 1
    )
    multi_scale: tuple[float, float] | None = option(
        None,
        "smallest and largest size of training batches, relative to the input size; None: one size",
        "augmentation",
    )
    special_aug_ratio: float = option(
        0.7,
        "fraction of the epochs that use mosaic, mixup and cutmix, at the start",
        "augmentation",
        low=0,
        high=1,
    )
    flip: float = option(0.5, "probability of a left-right flip", "augmentation", low=0, high=1)
    scale: float = option(0.4, "zoom by a factor of 1 - scale to 1 + scale", "augmentation", 0, 0.9)
    translate: float = option(
        0.1, "largest shift, relative to the input size", "augmentation", 0, 0.9
    )
    hue: float = option(
        0.015,
        "largest change of hue, as a fraction of the color circle",
        "augmentation",
        low=0,
        high=0.5,
    )
    saturation: float = option(0.6, "largest relative change of saturation", "augmentation", 0, 1)
    value: float = option(
        0.4, "largest relative change of brightness", "augmentation", low=0, high=1
    )
    # --- the run
    devices: str = option(
        "auto",
        "devices that train together: auto (all GPUs), their number, GPU numbers such as 0,2, or "
        "logical CPU devices such as cpu:2",
        "run",
    )
    run_dir: str | None = option(None, "folder of the run; None: logs/<date and time>", "run")
    save_minutes: float = option(
        10.0, "minutes between saves of the state within an epoch; 0: at its end only", "run", low=0
    )
    save_top_k: int = option(
        1,
        "epochs, the best by validation mAP, whose weights are kept in top/; 1: best.weights.h5 "
        "alone",
        "run",
        low=1,
    )
    eval_period: int = option(5, "epochs between measurements of validation mAP", "run", low=1)
    early_stopping: int | None = option(
        None, "stop after this many epochs without a better mAP; None: never", "run", low=1
    )

    def __post_init__(self) -> None:
        check_ranges(self)
        DeviceChoice.parse(self.devices)
        for side in self.input_shape:
            if side % (multiple := self.network_spec.input_multiple):
                raise UserError(f"--input-size is {side}; it must be a multiple of {multiple}")
        if len(self.grid_sensitivity) != (levels := self.network_spec.levels):
            raise UserError(
                f"--scale-x-y is {self.scale_x_y}; it must be {levels} numbers, one for each level"
            )
        if self.confidence_loss == "focal_star" and self.focal_gamma == 0:
            raise UserError(
                "--focal-gamma is 0; it must be above 0 for focal_star, which divides by it"
            )
        if self.freeze_epochs > self.epochs:
            raise UserError(
                f"--freeze-epochs is {self.freeze_epochs}, more than --epochs {self.epochs}"
            )
        self._check_multi_scale()
        if self.freeze_bn and self.weights is None:
            raise UserError(
                "--freeze-bn needs --weights: an untrained network has no statistics to keep"
            )

    def _check_multi_scale(self) -> None:
        if self.multi_scale is None:
            return
        low, high = self.multi_scale
        if not 0.25 <= low <= 1 <= high <= 4:
            raise UserError(
                f"--multi-scale is {low:g} {high:g}; it must be two numbers, from 0.25 to 1 and "
                "from 1 to 4"
            )
        if len(self.training_sizes) == 1:
            raise UserError(
                f"--multi-scale {low:g} {high:g} holds one size alone: sides are multiples of "
                f"{self.network_spec.input_multiple}"
            )

    @property
    def network_spec(self) -> NetworkSpec:
        """The network: its graph, its levels and their anchors."""
        return NETWORKS[self.network]

    @property
    def grid_sensitivity(self) -> tuple[float, ...]:
        """`scale_x_y` of each level: the setting, or else the network's own."""
        return self.network_spec.scale_x_y if self.scale_x_y is None else self.scale_x_y

    @property
    def input_shape(self) -> tuple[int, int]:
        """Height and width of the network's input in pixels."""
        size = self.input_size
        return size if isinstance(size, tuple) else (size, size)

    @property
    def training_sizes(self) -> tuple[tuple[int, int], ...]:
        """Height and width that training batches can have: of `multi_scale`, or the input's."""
        if self.multi_scale is None:
            return (self.input_shape,)
        multiple = self.network_spec.input_multiple
        return sizes_between(self.input_shape, *self.multi_scale, multiple)

    @property
    def data_name(self) -> str:
        """The names of the data set's folders and files, for lists of runs."""
        return " + ".join(Path(path).absolute().name for path in self.data)

    @property
    def network_name(self) -> str:
        """The network, its scaling and its input, for lists of runs: "yolov4 0.25/0.33 at 416"."""
        height, width = self.input_shape
        scaled = f" {self.width:g}/{self.depth:g}" if (self.width, self.depth) != (1, 1) else ""
        size = f"{width}" if height == width else f"{width}x{height}"
        return f"{self.network}{scaled} at {size}"

    def settings(self) -> "Config":
        """The settings alone, without the other options of a command."""
        return Config(**{f.name: getattr(self, f.name) for f in dataclasses.fields(Config)})

    def to_json(self) -> str:
        """The settings as a JSON object."""
        return json.dumps(dataclasses.asdict(self), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def load(cls, path: Path) -> "Config":
        """Read the settings that `to_json` wrote.

        Raises:
            UserError: the file is missing, is not JSON, or has an unknown or bad setting.
        """
        if not path.exists():
            raise FileError(path, f"no such file; is {path.parent} a run folder?")
        values = read_json(path, most=MOST_BYTES)
        if not isinstance(values, dict):
            raise FileError(path, f"found a {type(values).__name__}, expected a JSON object")
        return from_mapping(cls, values, where=str(path))


def differing_settings(
    one: Config, other: Config, ignored: Collection[str] = WITHOUT_INFLUENCE
) -> list[str]:
    """Names of the settings in which two sets differ.

    The same file or folder may be written as a relative path in one and as an absolute path in the
    other.

    Args:
        one: settings.
        other: settings.
        ignored: names of settings that may differ.
    """
    return [
        field.name
        for field in dataclasses.fields(Config)
        if field.name not in ignored
        and _comparable(one, field.name) != _comparable(other, field.name)
    ]


def _comparable(config: Config, name: str) -> Any:
    if name == "scale_x_y":
        return config.grid_sensitivity
    value = getattr(config, name)
    if name not in _PATHS or value is None:
        return value
    return [Path(path).resolve() for path in ([value] if isinstance(value, str) else value)]
