"""What is missing or damaged is refused before Keras is imported, which takes seconds."""

import json
import subprocess
import sys

import pytest

from tests.helpers import ROOT
from tests.helpers.small_weights import write_weights
from utils.anchors import format_anchors
from yolo4.config import Config
from yolo4.run import Run
from yolo4.sample_data.make import make_sample_data

pytestmark = pytest.mark.quick

ANSWERS_WITHIN = 2.0  # seconds of processor time, imports included
# What is called, and what the line begins with. Of the runs, "run" has weights, and those of
# "flipped" and "cut" are damaged; of the files in the data set "gone", there is none.
CASES = {
    "train --data none": "none: ",
    "train --data data --classes none.txt": "none.txt: no such file",
    "train --data data --weights none.h5": "none.h5: no such weights file",
    "train --data data --weights broken.h5": "broken.h5: ",
    "train --data data --anchors none.txt": "none.txt: no such file",
    "train --data data --run-dir run": "run: this folder holds config.json",
    "train --resume none": "none: no such run folder",
    "train --resume run": "run/state.npz: no such file",
    "train --resume damaged": "damaged/config.json, line 1: bad JSON",
    "compare --data none": "none: ",
    "compare --data data --weights none.h5": "none.h5: no such weights file",
    "compare --data data --arms bce focal:anchors=none.txt": "none.txt: no such file",
    "compare --report-only none": "none/study.json: no such file",
    "predict data --run none": "none: no such run folder",
    "predict data --run without_weights --backend keras": "without_weights: no weights yet",
    "train --data data --weights flipped": "flipped/best.weights.h5: damaged: its bytes are not",
    "predict data --run without_weights": "without_weights: no weights yet",
    "predict data --run damaged": "damaged/config.json, line 1: bad JSON",
    "predict none.jpg --run run": "none.jpg: no such file",
    "predict --run run": "gone: ",
    "predict data --run flipped": "flipped/best.weights.h5: damaged: its bytes are not those",
    "predict data --run cut --backend keras": "cut/best.weights.h5: ",
    "get_map --run none": "none: no such run folder",
    "get_map --run flipped --data data": "flipped/best.weights.h5: damaged: its bytes are not",
    "get_map --run run --against cut --data data": "cut/best.weights.h5: ",
    "get_map --run without_weights --data data": "without_weights: no weights yet",
    "get_map --run run": "gone: ",
    "get_map --run run --data none": "none: ",
    "get_map --run run --data data --split best": "the data has no split 'best'",
    "get_map --detections none --ground-truth data": "none: ",
    "convert none.weights": "none.weights: no such weights file",
    "convert broken.weights --cfg none.cfg": "none.cfg: no such file",
    "convert broken.weights --classes none.txt": "none.txt: no such file",
    "convert broken.weights": "broken.weights: ",
    "convert run": "run/best.weights.h5: ",
    "data --data none": "none: no such file or folder",
    "runs --folder none": "none: no such folder",
    "demo --run none": "none: no such run folder",
    "demo --run run without_weights": "without_weights: no weights yet",
    "export --run none": "none: no such run folder",
    "export --run without_weights": "without_weights: no weights yet",
    "export --run flipped": "flipped/best.weights.h5: damaged: its bytes are not those",
    "export --run cut": "cut/best.weights.h5: ",
    "export --run run --image none.jpg": "none.jpg: ",
    "export --run run --image broken.h5": "broken.h5: ",
    "export --run run --format openvino --precision int8": "gone: ",
    "export --run run --data none": "none: ",
}
RUN_ALL = """
import contextlib, importlib.util, io, json, runpy, sys, time

class NoKeras:
    def find_spec(name, path=None, target=None):
        if name == "keras":
            wanted.append(name)
            raise ImportError("Keras is imported")

sys.meta_path.insert(0, NoKeras)
cases, root = json.loads(sys.stdin.read()), sys.argv[1]
sys.path.insert(0, root)
results = {}
for case in cases:
    name, *rest = case.split()
    errors, wanted, start, status = io.StringIO(), [], time.process_time(), None
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        try:
            if name in ("convert", "export", "data", "runs", "demo"):
                sys.argv = ["yolo4", name, *rest]
                runpy.run_module("yolo4", run_name="__main__")
            else:
                sys.argv = [name, *rest]
                runpy.run_path(f"{root}/{name}.py", run_name="__main__")
        except SystemExit as exit:
            status = exit.code
        except ImportError:
            pass
    results[case] = status, errors.getvalue(), wanted, time.process_time() - start
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    make_sample_data(folder / "data", train=3, val=2, test=2, size=96)
    config = Config(data=("gone",))
    for name in ("run", "without_weights", "damaged", "flipped", "cut"):
        run = Run(folder / name)
        run.folder.mkdir()
        run.config_file.write_text(config.to_json() if name != "damaged" else "{")
        run.classes_file.write_text("apple\nleaf\n")
        run.anchors_file.write_text(format_anchors(config.network_spec.anchors))
    weights = write_weights(folder / "run" / "best.weights.h5")
    (folder / "flipped" / "best.weights.h5").write_bytes(weights.replace(b"batch", b"botch"))
    (folder / "cut" / "best.weights.h5").write_bytes(weights[: len(weights) // 2])
    for name in ("broken.h5", "broken.weights"):
        (folder / name).write_bytes(b"neither weights nor an image")
    return folder


def run_all(cases, folder):
    """Status, errors, imports of Keras and processor time of each case, all in one process."""
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL, str(ROOT)],
        cwd=folder,
        input=json.dumps(list(cases)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def results(folder):
    return run_all(CASES, folder)


@pytest.mark.parametrize("case", CASES)
def test_a_refusal_does_not_wait_for_keras(results, case):
    status, errors, imported, seconds = results[case]
    *others, last = errors.replace("\r", "\n").strip().splitlines()
    assert (status, imported) == (2, []), errors
    assert last.startswith(f"error: {CASES[case]}")
    assert all("%|" in line or not line.strip() for line in others), "progress bars"
    assert seconds < ANSWERS_WITHIN


def test_an_import_of_keras_would_be_noticed(folder):
    case = "export --run run --image data/JPEGImages/val_00000.jpg"  # nothing is missing
    _, _, imported, _ = run_all([case], folder)[case]
    assert imported == ["keras"]
