"""The README says what the code does: settings, commands, flags, files and columns."""

import ast
import dataclasses
import re
import shlex
import typing
from pathlib import Path

import numpy as np
import pytest

import compare
import get_map
import predict
import train
from tests.helpers import ROOT
from utils.annotations import Problem, load_dataset
from utils.records import Detections, Record
from yolo4.cli import parse
from yolo4.compare.options import compare_defaults
from yolo4.config import Config
from yolo4.convert.options import ConvertOptions
from yolo4.evaluate.options import EvaluateOptions
from yolo4.export.options import ExportOptions
from yolo4.options import flag, from_mapping
from yolo4.predict.options import PredictOptions
from yolo4.presets import PRESETS
from yolo4.run import Run
from yolo4.sample_data.make import make_sample_data
from yolo4.train.options import train_defaults

README = (ROOT / "README.md").read_text(encoding="utf-8")
OPTIONS = {
    "train.py": train_defaults(train.CONFIG, []),
    "predict.py": from_mapping(PredictOptions, predict.CONFIG, "CONFIG"),
    "get_map.py": from_mapping(EvaluateOptions, get_map.CONFIG, "CONFIG"),
    "compare.py": compare_defaults(train.CONFIG | compare.CONFIG, []),
    "yolo4.convert": ConvertOptions(),
    "yolo4.export": ExportOptions(),
}
MODULES = ("yolo4.convert", "yolo4.export")
# Flags of the commands that are not the project's.
FOREIGN_FLAGS = {"--help", "--logdir"}


def blocks(language):
    """The fenced code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def table(first_heading):
    """The rows of the tables whose first column is headed so, as lists of cells."""
    rows = []
    for head, body in re.findall(r"^(\|.*\|)\n\|[-|]+\|\n((?:\|.*\|\n)+)", README, re.MULTILINE):
        if head.split("|")[1].strip() == first_heading:
            rows += [[cell.strip() for cell in line[1:-1].split("|")] for line in body.splitlines()]
    assert rows, f"the README has no table headed {first_heading!r}"
    return rows


def commands():
    """Every call of one of the scripts in the shell blocks: its name and its arguments."""
    for block in blocks("bash"):
        text = block.replace("\\\n", " ")
        for line in re.split(r"\n|&&|;", text):
            words = shlex.split(line, comments=True)
            if words[:2] == ["python", "-m"]:
                words = ["python", *words[2:]]
            if len(words) > 1 and words[0] == "python" and words[1].endswith((".py", *MODULES)):
                yield words[1], words[2:]


def hyperparameters():
    """The table of hyperparameters, as it has to stand in the README."""
    hints = typing.get_type_hints(Config)
    lines, group = ["| Flag | Default | Allowed | Meaning |", "|---|---|---|---|"], None
    for field in dataclasses.fields(Config):
        if field.metadata["group"] != group:
            group = field.metadata["group"]
            lines.append(f"| **{group}** | | | |")
        default = f"`{field.default}`"
        in_sample = PRESETS["sample"].get(field.name, field.default)
        if in_sample != field.default:
            default += f" (`{in_sample}`)"
        meaning = field.metadata["help"].replace("<", "&lt;")
        name = flag(field.name)
        lines.append(f"| `{name}` | {default} | {allowed(field, hints)} | {meaning} |")
    return "\n".join(lines).replace("|  |", "| |")


def allowed(field, hints):
    if typing.get_origin(hints[field.name]) is typing.Literal:
        return ", ".join(f"`{choice}`" for choice in typing.get_args(hints[field.name]))
    low, high = field.metadata["low"], field.metadata["high"]
    if low is None:
        return ""
    return f"from {low:g}" if high is None else f"{low:g} to {high:g}"


def test_table_of_hyperparameters_is_that_of_the_code():
    expected = hyperparameters()
    assert README.count("| Flag | Default | Allowed | Meaning |") == 1
    assert expected in README, f"the table in README.md should be:\n\n{expected}\n"


def test_table_of_predict_flags_is_that_of_the_code():
    defaults = {flag(f.name): f.default for f in dataclasses.fields(PredictOptions)}
    rows = [row for row in table("Flag") if len(row) == 3]
    assert len(rows) == 6
    for name, default, _ in rows:
        assert default == f"`{defaults[name.strip('`')]}`"


@pytest.mark.parametrize(("script", "arguments"), list(commands()))
def test_commands_are_understood(script, arguments):
    before = dataclasses.asdict(OPTIONS[script])
    after = dataclasses.asdict(parse(OPTIONS[script], "", arguments))  # leaves when it is not
    changed = {flag(name) for name, value in after.items() if value != before[name]}
    assert changed <= {*arguments, flag("sources"), flag("weights")}
    assert changed or not arguments


def test_every_script_is_called():
    assert {script for script, _ in commands()} == set(OPTIONS)


def test_every_flag_exists():
    known = {flag(f.name) for options in OPTIONS.values() for f in dataclasses.fields(options)}
    text = re.sub(r"\]\(#.*?\)", "", README)  # anchors of headings are no flags
    assert set(re.findall(r"(?<![-\w])--[a-z][a-z-]*", text)) <= known | FOREIGN_FLAGS


def test_every_file_of_the_project_exists():
    linked = re.findall(r"\]\((?!#|https?:)(.*?)\)", README)
    named = re.findall(r"`((?:nets|utils|yolo4|tests|\.ci)/[\w./]*|[\w-]+\.py)`", README)
    assert {"nets/losses.py", "nets/assign.py", "train.py", ".ci/run"} <= set(named)
    assert [name for name in (*linked, *named) if not (ROOT / name).exists()] == []


def test_links_within_the_page_have_a_heading():
    headings = re.findall(r"^#+ (.*)$", README, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}
    assert set(re.findall(r"\]\(#(.*?)\)", README)) <= anchors


def test_run_folder_is_that_of_the_code():
    run = Run(Path("run"))
    properties = [n for n, value in vars(Run).items() if isinstance(value, property)]
    there = {getattr(run, name).name for name in properties}
    assert {row[0].strip("`") for row in table("File")} == there


def test_report_is_that_of_the_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = make_sample_data("my_data", train=12, val=3, test=3, size=128)
    image = data / "JPEGImages" / "train_00003.jpg"
    image.write_bytes(image.read_bytes()[: image.stat().st_size // 2])
    for name, right, wrong in (
        ("train_00005", "</bndbox>", "<bndbox>"),
        ("train_00006", "<xmax>119<", "<xmax>140<"),
        ("val_00001", "<xmax>39<", "<xmax>7<"),
    ):
        xml = data / "Annotations" / f"{name}.xml"
        xml.write_text(xml.read_text().replace(right, wrong, 1))
    report = load_dataset([data], progress=False).report.text
    shown = re.search(r"^Data: .*?(?=\n```)", README, re.MULTILINE | re.DOTALL)[0]
    # How many bytes of a broken image are left depends on the version of the JPEG library.
    of_bytes = re.compile(r"\d+ bytes")
    assert of_bytes.sub("", report) == of_bytes.sub("", shown)


def test_table_of_data_problems_is_that_of_the_code():
    assert table("What is wrong") == [list(problem.value) for problem in Problem]


def test_columns_of_the_history_are_those_of_the_code():
    from yolo4.train.callbacks import COLUMNS

    assert {row[0].strip("`") for row in table("Column")} == set(COLUMNS)


def test_keys_of_metrics_are_those_of_the_code():
    from utils.metrics.summary import evaluate

    box, label = np.array([[0, 0, 50, 50]], np.float32), np.zeros(1, np.int32)
    record = Record(Path("a.jpg"), (100, 100), box, label, np.zeros(1, bool))
    found = Detections(box, np.ones(1, np.float32), label)
    measured = evaluate([found], [record], ["<class>"], [0.75], coco=True).to_dict()
    measured["source"] = {}
    measured["voc"]["by_iou"] = {"<iou>": 0}
    best = measured["best_f1"]
    for point in (best["overall"], best["classes"]["<class>"]):
        assert point.keys() == {"threshold", "f1", "precision", "recall"}
    measured["best_f1"] = {"overall": 0, "classes": {"<class>": 0}}
    assert {row[0].strip("`") for row in table("Key")} == set(paths(measured))


def paths(values, before=""):
    """Dotted paths to everything in nested dictionaries that is not a dictionary with entries."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from paths(value, f"{before}{key}.")
        else:
            yield before + key


@pytest.mark.parametrize("block", blocks("python"))
def test_python_blocks_import_what_exists(block):
    tree = ast.parse(block)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = __import__(node.module, fromlist=["*"])
            assert all(hasattr(module, alias.name) for alias in node.names)


def test_the_check_of_everything_runs_the_test_command():
    command = "pip install -r requirements-dev.txt && python -m pytest"
    assert command in README
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    found = [line.strip() for line in lines if line.strip() in command.split(" && ")]
    assert found == command.split(" && ")
