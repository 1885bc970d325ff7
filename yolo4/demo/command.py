"""The command behind `python -m yolo4 demo`."""

import threading

from yolo4.demo.answers import Answers
from yolo4.demo.isolation import isolated_gradio
from yolo4.demo.options import DemoOptions
from yolo4.demo.port import free_port
from yolo4.formats.libraries import library
from yolo4.inference.detector import Detector
from yolo4.run import Run, open_run
from yolo4.weights.own import require_network


def demo(options: DemoOptions) -> None:
    """Serve a page that finds objects in images and videos, until it is interrupted.

    Raises:
        UserError: there is no such run, Gradio or the backend is not installed, or the page cannot
            be served at this address.
    """
    runs = [open_run(folder) for folder in options.run or (None,)]
    for run in runs:
        require_network(run)
    port = free_port(options.host, options.port)
    stop = threading.Event()
    with isolated_gradio() as uploads:
        library("gradio", "requirements-demo.txt")
        detectors = dict(zip(_names(runs), (_start(run, options) for run in runs), strict=True))
        # Here, because they import Gradio, whose settings have to be made first.
        from yolo4.demo.page import make_page
        from yolo4.demo.server import serve

        try:
            serve(make_page(Answers(detectors, uploads, stop)), options.host, port)
        finally:
            stop.set()


def _names(runs: list[Run]) -> list[str]:
    """The names of the runs' folders, or their paths if two have the same name."""
    names = [run.folder.resolve().name for run in runs]
    return names if len(set(names)) == len(names) else [str(run.folder) for run in runs]


def _start(run: Run, options: DemoOptions) -> Detector:
    print(f"{run.folder}: starting the network")
    detector = Detector.from_run(run.folder, backend=options.backend, precision=options.precision)
    print(f"computing with {detector.infer}")
    return detector
