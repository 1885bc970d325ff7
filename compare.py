"""Compare confidence losses on your data: edit CONFIG or give flags: `python compare.py --help`.

All other settings are those of train.py.
"""

from train import CONFIG as TRAINING
from yolo4.cli import run_command
from yolo4.compare.options import compare_defaults

CONFIG = dict(
    # The confidence losses to compare, the reference first.
    arms=("bce", "focal", "focal:protocol=matched"),
    # Most runs of each arm. Three show the noise of training; a small difference takes more.
    max_seeds=3,
    # Points of mAP that would matter. Arms that differ by less are "practically the same".
    smallest_difference=2.0,
    # "as_is": only the elementwise loss differs. "matched": in addition, its gradient is as large
    # as BCE's at initialization. "tuned": trials on validation images choose each arm's settings.
    protocol="as_is",
    # Multiplier of the confidence term; matched arms have their own. It replaces that of train.py,
    # since the preset "sample" has one for focal.
    confidence_gain=1.0,
    # Folder of the study. The same command resumes an existing study.
    output="comparison",
)

if __name__ == "__main__":
    run_command(
        "yolo4.compare.command:compare", lambda: compare_defaults(TRAINING | CONFIG), __doc__
    )
