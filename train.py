"""Train YOLOv4. Edit CONFIG or give flags: `python train.py --help`."""

from yolo4.cli import run_command
from yolo4.train.command import train_command

CONFIG = dict(
    # Your data: VOC, LabelImg, COCO, YOLO or list files. () draws a small sample data set.
    data=(),
    # The confidence loss: "focal", "bce", "balanced_bce", "focal_star" or "ohem".
    confidence_loss="focal",
    focal_alpha=0.25,
    focal_gamma=2.0,
    # The network. YOLOv4 is width 1, depth 1, 416 or 608 pixels; this is a slim one that two cores
    # train in minutes.
    width=0.25,
    depth=0.33,
    input_size=192,
    weights=None,
    # The training.
    epochs=16,
    batch_size=8,
    learning_rate=4e-3,
    warmup_epochs=1.0,
    ema=None,
    # The augmentation.
    mosaic=0.5,
    mixup=0.0,
    special_aug_ratio=0.6,
    # How often validation mAP is measured, in epochs.
    eval_period=4,
)

if __name__ == "__main__":
    run_command(lambda: train_command(CONFIG, __doc__))
