import dataclasses
import re
import shutil

import cv2
import numpy as np
import pytest

from tests.helpers.made_run import NAMES, SIZE, some_images, write_copy, write_run
from utils.errors import UserError
from utils.postprocess import EVALUATION
from yolo4.evaluate.options import EvaluateOptions
from yolo4.formats.openvino import OPENVINO
from yolo4.inference import engine, int8
from yolo4.inference.detector import Detector
from yolo4.inference.engine import open_engine
from yolo4.inference.engine_cache import cached_model
from yolo4.inference.int8 import Int8Result, int8_model
from yolo4.predict.options import PredictOptions

SCORE = 0.5  # all objects score higher than anything that is not one


@pytest.fixture(scope="module", name="run")
def run_with_data(run, tmp_path_factory):
    """A run whose data set has what its own network detects as objects."""
    folder = tmp_path_factory.mktemp("logs")
    made = write_run(folder / "run")
    exported = cached_model(run, OPENVINO).parent  # of the same network
    shutil.copytree(exported, made.folder / "engines" / exported.name)
    data = folder / "data"
    surely = dataclasses.replace(EVALUATION, score_threshold=SCORE)
    detector = Detector.from_run(made.folder, surely, backend="keras")
    for number, image in enumerate(some_images(12)):
        split = "val" if number < 4 else "train"
        file = data / split / "images" / f"{number}.png"
        labels = data / split / "labels" / f"{number}.txt"
        for parent in (file.parent, labels.parent):
            parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file), image[..., ::-1])
        found = detector.detect(image)
        corners = found.boxes / np.tile(SIZE[::-1], 2)
        centers, sides = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
        rows = np.column_stack([found.labels, centers, sides])
        labels.write_text("".join(f"{int(r[0])} {r[1]} {r[2]} {r[3]} {r[4]}\n" for r in rows))
    config = dataclasses.replace(made.config(), data=(str(data),))
    (data / "classes.txt").write_text("".join(f"{name}\n" for name in NAMES))
    made.config_file.write_text(config.to_json())
    return made


def test_float32_finds_all_of_its_own_objects_and_int8_is_measured_beside_it(run, capsys):
    path, result = int8_model(run)
    assert result.images == 4
    assert result.float32 > 0.99
    assert 0 <= result.int8 < result.float32  # the scores of noise are close to each other
    assert "FakeQuantize" in path.read_text()
    # Boxes are pixels and exponentials, for which 8 bits are too few.
    quantized = re.findall(r'name="([^"]*)" type="FakeQuantize"', path.read_text())
    assert not [name for name in quantized if "decode" in name]


def test_a_second_start_reads_what_was_measured(run, monkeypatch):
    first = int8_model(run)
    monkeypatch.setattr(int8, "quantize_int8", None)
    assert int8_model(run) == first


def test_another_processor_measures_again(run, monkeypatch):
    def refuse(*_):
        raise UserError("quantized again")

    first = int8_model(run)
    monkeypatch.setattr(int8, "processor_and_version", lambda: "another")
    monkeypatch.setattr(int8, "quantize_int8", refuse)
    with pytest.raises(UserError, match="quantized again"):
        int8_model(run)
    monkeypatch.undo()
    assert int8_model(run) == first


def test_int8_that_loses_mean_ap_is_named_and_not_used(run, capsys):
    opened = open_engine(run, precision="int8")
    assert "int8" not in str(opened.infer)
    _, result = int8_model(run)
    assert not result.is_accepted
    assert f"{result}\n" in capsys.readouterr().out
    assert str(result).endswith(", more than 0.5 points less: int8 is not used")


def test_int8_that_keeps_the_mean_ap_is_used(run, monkeypatch):
    monkeypatch.setattr(int8, "_MAX_MAP_LOSS", 1.0)
    opened = open_engine(run, precision="int8", throughput=True)
    assert str(opened.infer) == "OpenVINO int8"
    detector = Detector.from_run(run.folder, precision="int8", rect=True)
    assert str(detector.infer) == "OpenVINO int8"
    assert len(detector.detect(some_images(1, size=(32, 64))[0])) > 0


@pytest.mark.parametrize(
    ("float32", "int8_map", "accepted"),
    [
        (0.800, 0.796, True),
        (0.800, 0.794, False),
        (0.5, 0.9, True),
        (0.5, float("nan"), False),
    ],
)
@pytest.mark.quick
def test_half_a_point_of_mean_ap_is_accepted(float32, int8_map, accepted):
    assert Int8Result(10, float32, int8_map).is_accepted == accepted


@pytest.mark.parametrize("backend", ["keras", "onnxruntime", "litert"])
@pytest.mark.quick
def test_other_backends_refuse_int8(backend):
    message = f"^--precision int8 needs --backend openvino, not {backend}$"
    with pytest.raises(UserError, match=message):
        open_engine(None, backend, precision="int8")


@pytest.mark.quick
def test_a_network_that_cannot_be_opened_is_one_line(tmp_path, monkeypatch):
    path = tmp_path / "model.xml"
    path.write_text("no model")
    monkeypatch.setattr(engine, "_accepted_int8", lambda *_: path)
    with pytest.raises(UserError, match=r"^OpenVINO cannot open .*model\.xml: ") as error:
        open_engine(None, "openvino", precision="int8")
    assert "\n" not in str(error.value)


def test_a_run_without_its_data_is_refused(run, tmp_path):
    missing = tmp_path / "none"
    for name, data, reason in (
        ("gone", (str(missing),), re.escape(str(missing))),
        ("bare", (), "the run has no data set, which --precision int8 needs"),
    ):
        copy = write_copy(run, tmp_path / name, data=data)
        shutil.copytree(run.folder / "engines/openvino", copy.folder / "engines/openvino")
        with pytest.raises(UserError, match=reason):
            int8_model(copy)
        assert [f.name for f in (copy.folder / "engines").iterdir()] == ["openvino"]


@pytest.mark.quick
def test_the_commands_take_the_precision():
    assert PredictOptions(precision="int8").precision == "int8"
    with pytest.raises(UserError, match=r"--precision changes nothing about the text files"):
        EvaluateOptions(detections="a", ground_truth="b", precision="int8")
