"""Evaluation of runs, through an injected detector, and of text files, from end to end."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.helpers.made_boxes import detections, record
from tests.helpers.small_weights import write_weights
from tests.helpers.yolov4 import COCO_ANCHORS
from utils.anchors import format_anchors
from utils.annotations import load_dataset
from utils.errors import UserError
from utils.files.lock import FolderInUseError
from utils.metrics.summary import evaluate
from utils.postprocess import EVALUATION
from utils.records import Detections
from yolo4.evaluate.command import evaluate as evaluate_command
from yolo4.evaluate.command import evaluate_run, write_results
from yolo4.evaluate.options import EvaluateOptions
from yolo4.inference.detector import Detector
from yolo4.run import Run
from yolo4.sample_data.make import make_sample_data


def test_results_are_written(tmp_path):
    metrics = evaluate([detections()], [record()], ["cat"])
    write_results(metrics, tmp_path / "a" / "b", {})
    names = {path.name for path in (tmp_path / "a" / "b").iterdir()}
    plots = {"precision_recall.png", "score_thresholds.png", "average_precision.png"}
    assert names == plots | {"metrics.json", "score_thresholds.csv"}


@pytest.mark.quick
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"iou_thresholds": (0.5, 0.0)}, "--iou-thresholds is 0.0"),
        ({"iou_thresholds": (50.0,)}, "--iou-thresholds is 50.0"),
        ({"score_threshold": 2.0}, "--score-threshold is 2.0"),
        ({"nms": "soft"}, "--nms is 'soft'"),
        ({"detections": "x"}, "go together"),
        ({"detections": "x", "ground_truth": "y", "run": "z"}, "remove these"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(UserError, match=message):
        EvaluateOptions(**options)


def test_text_files_have_a_report_without_pictures(tmp_path, capsys):
    for folder, line in (("found", "cat 0.75 0 0 10 10\n"), ("truth", "cat 0 0 10 10\n")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.txt").write_text(line)
    found, truth, output = (str(tmp_path / name) for name in ("found", "truth", "out"))
    evaluate_command(EvaluateOptions(detections=found, ground_truth=truth, output=output))
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "mAP is 100.0 points" in page
    assert "they chose it themselves" in page
    assert not (tmp_path / "out" / "report_images").exists()
    assert f"page: {tmp_path / 'out' / 'report.html'}" in capsys.readouterr().out


def test_two_folders_of_text_files_side_by_side(tmp_path, capsys):
    lines = {"one": "dog 0.75 0 0 10 10\n", "two": "cat 0.5 0 0 10 10\n", "truth": "dog 0 0 9 9\n"}
    for folder, line in lines.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.txt").write_text(line)
    one, two, truth, output = (str(tmp_path / name) for name in ("one", "two", "truth", "out"))
    options = EvaluateOptions(detections=one, against=two, ground_truth=truth, output=output)
    evaluate_command(options)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "mAP is 100.0 points" in page
    assert f"The mAP of <strong>{two}</strong> is 0.0 points" in page
    printed = capsys.readouterr().out
    assert f"{one}: 1 images, IoU 0.5" in printed
    assert f"{two}: 1 images, IoU 0.5" in printed
    values = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert values["objects"] == {"cat": 0, "dog": 1}


class Blind:
    """A detector that finds nothing."""

    batch_size, parallel, infer = 8, 1, "OpenVINO float32"

    def detect_batch(self, images):
        return [detections() for _ in images]


class TestRun:
    @pytest.fixture
    def run(self, tmp_path, monkeypatch):
        """The latest run, without weights, and a detector that knows the test split by heart."""
        monkeypatch.chdir(tmp_path)
        data = make_sample_data("data", train=2, val=2, test=3)
        dataset = load_dataset(data, progress=False)
        run = Path("logs/mine")
        run.mkdir(parents=True)
        (run / "config.json").write_text(json.dumps({"data": [str(data)]}))
        (run / "classes.txt").write_text("\n".join(dataset.class_names))
        (run / "anchors.txt").write_text(format_anchors(COCO_ANCHORS))
        write_weights(run / "best.weights.h5")

        class Oracle:
            batch_size, parallel, infer = 8, 1, "OpenVINO bfloat16"

            def __init__(self, path, settings, **options):
                assert (Path(path), settings) == (run, EVALUATION)
                self.records = iter(dataset.splits["test"])

            def detect_batch(self, images):
                records = [next(self.records) for _ in images]
                assert all(i.shape[1::-1] == r.size for i, r in zip(images, records, strict=True))
                return [Detections(r.boxes, r.labels * 0 + 0.5, r.labels) for r in records]

        monkeypatch.setattr(Detector, "from_run", Oracle)
        return run

    def test_without_options_the_latest_run_is_measured_on_its_test_split(self, run, capsys):
        evaluate_command(EvaluateOptions())
        values = json.loads((run / "evaluation" / "test" / "metrics.json").read_text())
        assert values["source"] == {"run": "logs/mine", "data": "data", "split": "test"}
        assert (values["images"], values["voc"]["map"], values["coco"]["AP"]) == (3, 1, 1)
        assert "3 images, split test, with OpenVINO bfloat16\n" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({}, "these images chose neither the epoch nor a setting of the training"),
            ({"split": "val"}, "these images chose the epoch"),
            ({"split": "train"}, "the network was trained on these images"),
            ({"split": "all"}, "the network was trained on these images, or on part of them"),
            ({"data": ("data/.",)}, "these images chose neither"),
            ({"data": ("other",)}, "this is not the data of the training"),
        ],
    )
    def test_the_report_says_what_the_images_chose(self, run, monkeypatch, options, expected):
        monkeypatch.setattr(Detector, "from_run", lambda *_, **__: Blind())
        shutil.copytree("data", "other")
        evaluate_command(EvaluateOptions(output="out", **options))
        assert expected in Path("out/report.html").read_text(encoding="utf-8")

    def test_another_run_is_measured_on_the_same_images(self, run, monkeypatch):
        other = Path("logs/other")
        shutil.copytree(run, other)
        names = (run / "classes.txt").read_text().split("\n")
        (other / "classes.txt").write_text("\n".join(names[::-1]))
        oracle = Detector.from_run

        class Reordered:
            batch_size, parallel, infer = 8, 1, "OpenVINO float32"

            def __init__(self, known):
                self.known = known

            def detect_batch(self, images):
                found = self.known.detect_batch(images)
                return [replace(each, labels=len(names) - 1 - each.labels) for each in found]

        def open_detector(path, settings, **options):
            known = oracle(run, settings, **options)
            return known if Path(path) == run else Reordered(known)

        monkeypatch.setattr(Detector, "from_run", open_detector)
        evaluate_command(EvaluateOptions(run=str(run), against=str(other), output="out"))
        page = Path("out/report.html").read_text(encoding="utf-8")
        assert "The mAP of <strong>logs/other</strong> is 100.0 points" in page
        assert "Both find the same objects." in page

    def test_a_run_of_other_classes_is_refused_before_a_network_starts(self, run, monkeypatch):
        monkeypatch.setattr(Detector, "from_run", lambda *_, **__: pytest.fail("loaded first"))
        shutil.copytree(run, "logs/other")
        Path("logs/other/classes.txt").write_text("unicorn\n")
        with pytest.raises(UserError, match=r"^--against logs/other: its classes .*unicorn"):
            evaluate_command(EvaluateOptions(run=str(run), against="logs/other"))
        with pytest.raises(UserError, match="no such run"):
            evaluate_command(EvaluateOptions(run=str(run), against="logs/none"))

    def test_data_split_and_output_can_be_named(self, run):
        (run.parent / "other").mkdir()
        options = {"run": str(run), "data": ("data",), "split": "val", "output": "out"}
        evaluate_command(EvaluateOptions(**options))
        values = json.loads(Path("out/metrics.json").read_text())
        assert values["images"] == 2
        assert values["voc"]["map"] < 1
        with pytest.raises(UserError, match="no split 'valid'"):
            evaluate_command(EvaluateOptions(split="valid"))

    def test_all_splits_together(self, run, monkeypatch):
        monkeypatch.setattr(Detector, "from_run", lambda *_, **__: Blind())
        evaluate_command(EvaluateOptions(split="all"))
        values = json.loads((run / "evaluation" / "all" / "metrics.json").read_text())
        assert (values["images"], values["source"]["split"]) == (7, "all")

    def test_an_output_that_cannot_be_written_is_reported_before_the_network_starts(
        self, run, monkeypatch
    ):
        def load(*_, **__):
            pytest.fail("the network was loaded first")

        monkeypatch.setattr(Detector, "from_run", load)
        Path("taken").touch()
        for output in ("taken", "taken/deeper"):
            with pytest.raises(UserError, match=f"^--output {output}: cannot write there: .*taken"):
                evaluate_command(EvaluateOptions(output=output))

        def deny(_):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("utils.files.writing.temporary_folder", deny)
        with pytest.raises(UserError, match=r"--output locked: .*Permission denied"):
            evaluate_command(EvaluateOptions(output="locked"))

    def test_two_processes_do_not_write_into_one_folder(self, run, monkeypatch):
        refused = []

        def load(*_, **__):
            with pytest.raises(FolderInUseError, match=r"^out: in use by process") as caught:
                evaluate_command(EvaluateOptions(output="out"))
            refused.append(caught.value)
            raise UserError("the network is broken")

        monkeypatch.setattr(Detector, "from_run", load)
        for _ in range(2):
            with pytest.raises(UserError, match="the network is broken"):
                evaluate_command(EvaluateOptions(output="out"))
        assert len(refused) == 2
        assert [path.name for path in Path("out").iterdir()] == ["data_report.csv"]

    def test_a_result_that_cannot_be_written_is_reported(self, run):
        Path("out/metrics.json").mkdir(parents=True)
        with pytest.raises(UserError, match=r"--output out: cannot write there: .*directory"):
            evaluate_command(EvaluateOptions(output="out"))

    def test_a_program_gets_the_metrics_and_nothing_is_written(self, run):
        before = sorted(run.rglob("*"))
        metrics = evaluate_run(str(run))
        assert (metrics.images, metrics.map50, metrics.coco["AP"]) == (3, 1, 1)
        assert sorted(run.rglob("*")) == before

    def test_a_program_names_run_data_split_settings_and_backend(self, run, monkeypatch):
        chosen = {}

        def open_detector(path, settings, **options):
            chosen.update(options, path=path, settings=settings)
            return Blind()

        monkeypatch.setattr(Detector, "from_run", open_detector)
        settings = replace(EVALUATION, score_threshold=0.25, nms="diou", max_detections=7)
        metrics = evaluate_run(Run(run), ["data"], "train", settings, "keras")
        assert (metrics.images, metrics.map50) == (2, 0)
        assert (chosen["path"], chosen["settings"], chosen["backend"]) == (run, settings, "keras")
        with pytest.raises(UserError, match="no such run"):
            evaluate_run("logs/none")
