"""Make a run folder of foreign weights, which all other commands take like a trained run.

`python -m yolo4.convert yolov4` downloads the released weights; `python -m yolo4.convert
my.weights --cfg my.cfg --classes my.names --output logs/my` reads Darknet's files, and an `.h5`
file of Keras 2 takes the place of the `.weights`.
"""

from yolo4.cli import parse, run_command
from yolo4.convert.options import ConvertOptions


def _main() -> None:
    options = parse(ConvertOptions(), __doc__)
    print("starting the network")
    from yolo4.quiet import quiet_start

    with quiet_start():
        from yolo4.convert.command import convert
    convert(options)


if __name__ == "__main__":
    run_command(_main)
