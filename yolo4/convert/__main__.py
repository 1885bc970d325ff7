"""Make a run folder of foreign weights, which all other commands take like a trained run.

`python -m yolo4.convert yolov4` downloads the released weights; `python -m yolo4.convert
my.weights --cfg my.cfg --classes my.names --output logs/my` reads Darknet's files, and an `.h5`
file of Keras 2 goes in its place.
"""

from yolo4.cli import parse, run_command
from yolo4.convert.command import ConvertOptions, convert

if __name__ == "__main__":
    run_command(lambda: convert(parse(ConvertOptions(), __doc__)))
