"""Measure VOC and COCO average precision of a trained network, or of any detector's text files.

Edit CONFIG and run `python get_map.py`, or give flags: `python get_map.py --run logs/my_run`.
"""

from yolo4.cli import run_command
from yolo4.evaluate.options import EvaluateOptions
from yolo4.options import from_mapping

CONFIG = dict(
    run=None,  # a folder like "logs/my_run"; None: the latest run
    data=(),  # folders or files of a data set; none: the one the run was trained on
    split=None,  # "train", "val", "test" or "all"; None: test if there is one, else val
    against=None,  # a second run, to see what one finds and the other does not
    output=None,  # folder for report.html, metrics.json and the plots; None: in the run's folder
    iou_thresholds=(0.5, 0.75),  # a detection is a true positive from this IoU on
)


if __name__ == "__main__":
    run_command(
        "yolo4.evaluate.command:evaluate",
        lambda: from_mapping(EvaluateOptions, CONFIG, "CONFIG"),
        __doc__,
    )
