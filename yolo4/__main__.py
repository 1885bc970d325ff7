"""The commands without a script, such as `python -m yolo4 export ...`.

Without a command it lists all commands of the project.
"""

import sys

from yolo4.cli import refuse, run_command
from yolo4.convert.options import ConvertOptions
from yolo4.data.options import DataOptions
from yolo4.demo.options import DemoOptions
from yolo4.export.options import ExportOptions
from yolo4.runs.options import RunsOptions

PROGRAM = "python -m yolo4"

COMMANDS = {
    "python train.py": "train a network on your data",
    "python predict.py": "find objects in images, videos, webcams and streams",
    "python get_map.py": "measure average precision by VOC's and COCO's rules",
    "python compare.py": "compare confidence losses on your data",
    f"{PROGRAM} data": "show what is in your data, as a page",
    f"{PROGRAM} runs": "list the runs with their scores and states",
    f"{PROGRAM} demo": "find objects on a page in the browser, with runs side by side",
    f"{PROGRAM} convert": "make a run of Darknet's or Keras 2's weights",
    f"{PROGRAM} export": "write the network of a run for other programs",
}

DATA = """Show what is in a data set: one page to look at, and its main numbers here.

For example `python -m yolo4 data --data my_data`. The page shows classes, sizes, shapes with the
anchors, images of each class, odd boxes, and images that are nearly the same in two splits. It
advises settings. It is one file that works offline.
"""

RUNS = """List the runs, one per line: data, network, loss, epochs, mAP, time and state.

For example `python -m yolo4 runs --sort val`. A run is running, finished, failed,
converted (its weights were not trained here), can be resumed, or is unreadable.
"""

DEMO = """Serve a page to try runs on: upload an image, take one with the camera, or upload a video.

For example `python -m yolo4 demo --run logs/focal logs/bce`. All runs see the same image, side by
side. Only this machine can open the page, unless --host says otherwise; nothing is sent elsewhere.
It needs Gradio: `pip install -r requirements-demo.txt`.
"""

CONVERT = """Make a run folder of Darknet's or Keras 2's weights. All other commands take it like a
trained run.

`python -m yolo4 convert yolov4` downloads the released weights. `python -m yolo4 convert my.weights
--cfg my.cfg --classes my.names --output logs/my` reads Darknet's files; an `.h5` file of Keras 2 is
given the same way.
"""

EXPORT = """Write the network of a run as a model for other programs.

For example `python -m yolo4 export --run logs/my_run --format onnx --with-nms`. The model is run on
an image with the format's own runtime, and is kept if it agrees with Keras.
"""


_WITHOUT_SCRIPT = {
    "data": ("yolo4.data.command:show_data", DataOptions, DATA),
    "runs": ("yolo4.runs.command:list_runs", RunsOptions, RUNS),
    "demo": ("yolo4.demo.command:demo", DemoOptions, DEMO),
    "convert": ("yolo4.convert.command:convert", ConvertOptions, CONVERT),
    "export": ("yolo4.export.command:export", ExportOptions, EXPORT),
}


def main(argv: list[str]) -> None:
    """Run the command that the first argument names, or list all commands.

    Args:
        argv: the command and its arguments.
    """
    command, *arguments = argv or ["--help"]
    program = f"{PROGRAM} {command}"
    if command in ("--help", "-h"):
        width = max(map(len, COMMANDS))
        print("Commands, each with --help:\n")
        print("\n".join(f"  {call:{width}}  {what}" for call, what in COMMANDS.items()))
    elif command in _WITHOUT_SCRIPT:
        target, options, description = _WITHOUT_SCRIPT[command]
        run_command(target, options, description, arguments, program)
    else:
        refuse(f"unknown command {command!r}; the commands are {', '.join(COMMANDS)}")


if __name__ == "__main__":
    main(sys.argv[1:])
