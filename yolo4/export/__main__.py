"""Write the network of a run as a model that other programs run.

For example `python -m yolo4.export --run logs/my_run --format onnx --with-nms`. The written model
is tried with the format's own runtime on a real image; it is kept when it agrees with Keras.
"""

from yolo4.cli import parse, run_command
from yolo4.export.command import export
from yolo4.export.options import ExportOptions

if __name__ == "__main__":
    run_command(lambda: export(parse(ExportOptions(), __doc__)))
