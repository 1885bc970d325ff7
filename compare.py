"""Compare confidence losses on your data: edit CONFIG or give flags: `python compare.py --help`.

All other settings are those of train.py.
"""

from train import CONFIG as TRAINING
from yolo4.cli import run_command
from yolo4.compare.options import compare_defaults

CONFIG = dict(
    # A confidence loss each, the reference first.
    arms=("bce", "focal"),
    # Runs of each arm. Three show the noise of training; a close race takes more.
    seeds=3,
    # "as_is": only the elementwise loss differs. "matched": and its gradient begins as large as
    # BCE's.
    protocol="as_is",
    # Where it all goes. The same command goes on with what is there.
    output="comparison",
)

if __name__ == "__main__":
    run_command(
        "yolo4.compare.command:compare", lambda: compare_defaults(TRAINING | CONFIG), __doc__
    )
