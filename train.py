"""Train YOLOv4. Edit CONFIG or give flags: `python train.py --help`."""

from yolo4.cli import run_command
from yolo4.train.options import train_defaults

CONFIG = dict(
    # What to start from: "sample", a small network that two cores train in minutes, "tiny",
    # YOLOv4-tiny, or "full", YOLOv4 itself (yolo4/presets.py). The settings below override it, and
    # flags override both.
    preset="sample",
    # Your data: VOC, LabelImg, COCO, YOLO or list files. () draws a small sample data set.
    data=(),
    # The confidence loss: "focal", "bce", "balanced_bce", "focal_star" or "ohem".
    confidence_loss="focal",
    focal_alpha=0.25,
    focal_gamma=2.0,
    # Initial weights: a run, a weights file, "yolov4" or "yolov4-tiny"; None: random.
    weights=None,
    # The preset "sample" sets these; remove a "#" to set your own, for any preset.
    # network="yolov4-tiny-3l",
    # width=0.5,
    # input_size=192,
    # confidence_gain=3.0,
    # epochs=12,
    # batch_size=8,
    # learning_rate=0.006,
    # warmup_epochs=1.0,
    # ema=None,
    # mixup=0.0,
    # special_aug_ratio=0.5,
    # eval_period=4,
)

if __name__ == "__main__":
    run_command("yolo4.train.command:train", lambda: train_defaults(CONFIG), __doc__)
