"""Find objects in images, folders, videos, webcams and streams with a trained network.

Edit CONFIG and run `python predict.py`, or give flags: `python predict.py photos/ --crop`.
"""

from yolo4.cli import run_command
from yolo4.options import from_mapping
from yolo4.predict.options import PredictOptions

CONFIG = dict(
    sources=(),  # files, folders, "glob patterns", videos, webcam numbers, stream addresses
    run=None,  # a folder like "logs/my_run"; None: the latest run
    output="output",
    score_threshold=0.3,
    nms_threshold=0.45,
    nms="iou",  # or "diou"
    crop=False,
    count=False,
    heatmap=False,
    show=False,
)

if __name__ == "__main__":
    run_command(
        "yolo4.predict.command:predict",
        lambda: from_mapping(PredictOptions, CONFIG, "CONFIG"),
        __doc__,
    )
