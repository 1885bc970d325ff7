"""The README and the chapters in docs/ say what the code does: settings, commands, flags, files."""

import ast
import dataclasses
import importlib
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
from benchmarks.verdicts.__main__ import VerdictOptions
from tests.helpers import ROOT
from utils.annotations import load_dataset
from utils.records import Detections, Record
from yolo4.cli import parse
from yolo4.compare.options import compare_defaults
from yolo4.config import Config
from yolo4.convert.options import ConvertOptions
from yolo4.data.options import DataOptions
from yolo4.demo.options import DemoOptions
from yolo4.evaluate.options import EvaluateOptions
from yolo4.export.options import ExportOptions
from yolo4.options import flag, from_mapping
from yolo4.predict.options import PredictOptions
from yolo4.presets import PRESETS
from yolo4.run import Run
from yolo4.runs.options import RunsOptions
from yolo4.sample_data.make import make_sample_data
from yolo4.train.options import train_defaults

pytestmark = pytest.mark.quick

README = (ROOT / "README.md").read_text(encoding="utf-8")
CHAPTERS = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")}
MANUAL = "\n".join([README, *CHAPTERS.values()])
CHINESE = "README.zh-CN.md"  # tests/test_translation.py compares it with README.md
PAGES = {
    "README.md": README,
    CHINESE: (ROOT / CHINESE).read_text(encoding="utf-8"),
    **CHAPTERS,
}
OPTIONS = {
    "train.py": train_defaults(train.CONFIG, []),
    "predict.py": from_mapping(PredictOptions, predict.CONFIG, "CONFIG"),
    "get_map.py": from_mapping(EvaluateOptions, get_map.CONFIG, "CONFIG"),
    "compare.py": compare_defaults(train.CONFIG | compare.CONFIG, []),
    "yolo4 data": DataOptions(),
    "yolo4 runs": RunsOptions(),
    "yolo4 demo": DemoOptions(),
    "yolo4 convert": ConvertOptions(),
    "yolo4 export": ExportOptions(),
}
# Of the commands that take a preset.
PRESET_DEFAULTS = {
    "train.py": (train_defaults, train.CONFIG),
    "compare.py": (compare_defaults, train.CONFIG | compare.CONFIG),
}
# Flags of commands that belong to other programs, or to the benchmarks.
FOREIGN_FLAGS = {"--address", "--dist", "--head", "--help", "--logdir"}
FOREIGN_FLAGS |= {"--nodes", "--ntasks-per-node", "--gpus-per-node", "--cpus-per-task"}  # Slurm
BENCHMARKS = ("benchmarks.md", "performance.md", "reliability.md", "results.md")


def blocks(text, language):
    """The fenced code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def table(first_heading):
    """The rows of the tables whose first column has this heading, as lists of cells."""
    rows = []
    for head, body in re.findall(r"^(\|.*\|)\n\|[-|]+\|\n((?:\|.*\|\n)+)", MANUAL, re.MULTILINE):
        if head.split("|")[1].strip() == first_heading:
            rows += [[cell.strip() for cell in line[1:-1].split("|")] for line in body.splitlines()]
    assert rows, f"no page has a table with the heading {first_heading!r}"
    return rows


def commands():
    """Every call of one of the commands in the shell blocks: its name and its arguments."""
    for block in (block for text in PAGES.values() for block in blocks(text, "bash")):
        text = block.replace("\\\n", " ").replace("$loss", "bce")  # of a loop over the losses
        for line in re.split(r"\n|&&|;", text):
            words = shlex.split(line, comments=True)
            if words[:3] == ["python", "-m", "yolo4"]:
                yield f"yolo4 {words[3]}", words[4:]
            elif len(words) > 1 and words[0] == "python" and words[1].endswith(".py"):
                yield words[1], words[2:]


def hyperparameters():
    """The table of settings, as it has to be in docs/settings.md."""
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


def test_readme_is_short():
    assert len(README.splitlines()) <= 260


def test_every_chapter_is_linked_from_the_readme():
    assert {f"docs/{name}" for name in CHAPTERS} <= set(re.findall(r"\]\((.*?)[)#]", README))


def test_table_of_settings_is_that_of_the_code():
    expected = hyperparameters()
    assert MANUAL.count("| Flag | Default | Allowed | Meaning |") == 1
    assert expected in CHAPTERS["settings.md"], f"docs/settings.md needs:\n\n{expected}\n"


def test_every_preset_is_described():
    assert PRESETS.keys() == set(re.findall(r"^- `(\w+)` is ", CHAPTERS["settings.md"], re.M))


def test_table_of_predict_flags_is_that_of_the_code():
    defaults = {flag(f.name): f.default for f in dataclasses.fields(PredictOptions)}
    rows = [row for row in table("Flag") if len(row) == 3]
    assert len(rows) == 9
    for name, default, _ in rows:
        assert default == f"`{defaults[name.strip('`')]}`"


@pytest.mark.parametrize(("command", "arguments"), list(commands()))
def test_commands_are_understood(command, arguments):
    default = OPTIONS[command]
    if "--preset" in arguments:
        defaults, config = PRESET_DEFAULTS[command]
        default = defaults(config, arguments)
    before = dataclasses.asdict(OPTIONS[command])
    after = dataclasses.asdict(parse(default, "", arguments))  # exits if it does not understand
    changed = {flag(name) for name, value in after.items() if value != before[name]}
    if "--preset" in arguments:
        changed -= {flag(name) for preset in PRESETS.values() for name in preset}
    assert changed - {"--given"} <= {*arguments, flag("sources"), flag("weights")}
    assert changed or not arguments


def test_every_command_is_called():
    assert {command for command, _ in commands()} == set(OPTIONS)


@pytest.mark.parametrize("page", sorted(PAGES.keys() - set(BENCHMARKS)))
def test_every_flag_exists(page):
    every = (*OPTIONS.values(), VerdictOptions())
    known = {flag(f.name) for options in every for f in dataclasses.fields(options)}
    text = re.sub(r"\]\(.*?\)", "", PAGES[page])  # links to headings are no flags
    assert set(re.findall(r"(?<![-\w])--[a-z][a-z-]*", text)) <= known | FOREIGN_FLAGS


@pytest.mark.parametrize("page", sorted(PAGES))
def test_every_file_of_the_project_exists(page):
    folder = ROOT / "docs" if page in CHAPTERS else ROOT
    linked = [path for path, _ in links(PAGES[page]) if path]
    assert [path for path in linked if not (folder / path).exists()] == []
    named = re.findall(r"`((?:nets|utils|yolo4|tests|\.ci)/[\w./]*)`", PAGES[page])
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_file_to_open_for_a_change_exists():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    # Of `folder/<format>.py` this is the folder.
    named = re.findall(r"`((?:nets|utils|yolo4|tests|docs)/[\w./]*)", text)
    assert {"nets/losses.py", "nets/networks/", "yolo4/weights/"} <= set(named)
    assert [name for name in named if not (ROOT / name).exists()] == []
    layout = re.search(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[1]
    folder, folders = ROOT, []
    for indent, words in re.findall(r"^(  )?(\w+/(?: \w+/)*)", layout, re.MULTILINE):
        folder = folder if indent else ROOT / words
        folders += [folder / word for word in words.split()] if indent else [folder]
    assert len(folders) > 10
    assert [path for path in folders if not path.is_dir()] == []


def test_the_readme_names_the_two_files_of_the_loss():
    assert {"nets/losses.py", "nets/assign.py"} <= set(re.findall(r"`(nets/\w+\.py)`", README))


@pytest.mark.parametrize("page", sorted(PAGES))
def test_links_to_headings_have_a_heading(page):
    for path, heading in links(PAGES[page]):
        if heading:
            target = PAGES[Path(path).name if path else page]
            assert heading in {anchor(h) for h in re.findall(r"^#+ (.*)$", target, re.MULTILINE)}


def links(text):
    """Path and heading of each link that is not to another site; either may be empty."""
    return re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", text)


def anchor(heading):
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_run_folder_is_that_of_the_code():
    run = Run(Path("run"))
    properties = [n for n, value in vars(Run).items() if isinstance(value, property)]
    values = [getattr(run, name) for name in properties]
    there = {value.name for value in values if isinstance(value, Path)}
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
    shown = re.search(r"^Data: .*?(?=\n```)", MANUAL, re.MULTILINE | re.DOTALL)[0]
    # How many bytes of a broken image are left depends on the version of the JPEG library.
    of_bytes = re.compile(r"\d+ bytes")
    assert of_bytes.sub("", report) == of_bytes.sub("", shown)


def test_table_of_data_problems_is_that_of_the_code():
    from utils.annotations import Problem

    assert table("What is wrong") == [list(problem.value) for problem in Problem]


def test_columns_of_the_history_are_those_of_the_code():
    from yolo4.train.callbacks.history import COLUMNS

    assert {row[0].strip("`") for row in table("Column")} == set(COLUMNS)


def test_keys_of_metrics_are_those_of_the_code():
    from utils.metrics.calibration import ScoreChoice
    from utils.metrics.summary import evaluate

    box, label = np.array([[0, 0, 50, 50]], np.float32), np.zeros(1, np.int32)
    record = Record(Path("a.jpg"), (100, 100), box, label, np.zeros(1, bool))
    found = Detections(box, np.ones(1, np.float32), label)
    measured = evaluate([found], [record], ["<class>"], [0.75], True, ScoreChoice(0.5, 1)).to_dict()
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


@pytest.mark.parametrize("block", blocks(MANUAL, "python"))
def test_python_blocks_import_what_exists(block):
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module)
            assert all(hasattr(module, alias.name) for alias in node.names)


def test_the_check_of_everything_runs_the_test_command():
    command = "pip install -r requirements-dev.txt && python -m pytest -n 2 --dist loadfile"
    assert command in README
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    lines = [line.strip() for line in script.splitlines()]
    assert [line for line in lines if line in command.split(" && ")] == command.split(" && ")
