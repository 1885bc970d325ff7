"""Train YOLOv4. Edit CONFIG or give flags: `python train.py --help`."""

from yolo4.cli import run_command
from yolo4.train_command import train_command

CONFIG = dict(
    # Your data: VOC, LabelImg, COCO, YOLO or list files. () draws a small sample data set.
    data=(),
    # The confidence loss: "focal", "bce", "balanced_bce", "focal_star" or "ohem".
    confidence_loss="focal",
    focal_alpha=0.25,
    focal_gamma=2.0,
    # The network: width=1.0 is YOLOv4; 0.25 is a slim one that a CPU can train.
    width=0.25,
    input_size=256,
    weights=None,
    # The training.
    epochs=30,
    batch_size=16,
    learning_rate=1e-3,
)


if __name__ == "__main__":
    run_command(lambda: train_command(CONFIG, __doc__))
