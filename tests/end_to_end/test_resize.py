"""Every command fits images to the input as the training of the run did."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.annotation_files import CAT, DOG, write_voc
from tests.helpers.made_run import write_run
from utils.annotations import load_dataset
from utils.image import read_image
from utils.metrics import summary
from utils.postprocess import EVALUATION
from yolo4.config import Config
from yolo4.evaluate.command import evaluate
from yolo4.evaluate.options import EvaluateOptions
from yolo4.inference import detector as detector_module
from yolo4.inference.detector import Detector
from yolo4.inference.engine import open_engine
from yolo4.predict.command import predict
from yolo4.predict.options import PredictOptions
from yolo4.train import loop, phases
from yolo4.train.validation import Evaluator

NAMES = ("cat", "dog")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data set of images of 60 x 40 pixels."""
    images = {stem: [CAT, DOG] for stem in "abcdef"}
    splits = {"train": "abcd", "val": "e", "test": "f"}
    return str(write_voc(tmp_path_factory.mktemp("data") / "set", images, splits))


@pytest.fixture(scope="module")
def stretched(tmp_path_factory, data):
    """A run whose random network was trained on stretched images."""
    folder = tmp_path_factory.mktemp("logs") / "stretched"
    return write_run(folder, NAMES, data=(data,), resize="stretch", input_size=64)


@pytest.fixture(scope="module")
def engine(stretched):
    return open_engine(stretched, "keras")


@pytest.fixture
def detectors(stretched, engine, monkeypatch):
    """Detectors of the run, by how images are fitted; all commands share their network."""
    monkeypatch.setattr(detector_module, "open_engine", lambda *_, **__: engine)
    return {
        resize: Detector.from_run(stretched.folder, EVALUATION, resize=resize)
        for resize in ("letterbox", "stretch")
    }


def predicted(output, **options):
    """Boxes and scores that `predict.py` finds in the test images."""
    thresholds = {"score_threshold": EVALUATION.score_threshold, "backend": "keras"}
    assert predict(PredictOptions(output=str(output), **thresholds, **options)) == 0
    entries = json.loads((output / "detections.json").read_text(encoding="utf-8"))
    return [(np.array(entry["boxes"]), np.array(entry["scores"])) for entry in entries]


def test_predict(stretched, data, detectors, tmp_path):
    records = load_dataset(data, NAMES, progress=False).splits["test"]
    images = [read_image(record.image) for record in records]
    for flags, used in (({}, "stretch"), ({"resize": "letterbox"}, "letterbox")):
        found = predicted(tmp_path / used, run=str(stretched.folder), **flags)
        for (boxes, scores), wanted in zip(
            found, detectors[used].detect_batch(images), strict=True
        ):
            np.testing.assert_allclose(boxes, wanted.boxes, atol=0.01)
            np.testing.assert_allclose(scores, wanted.scores, atol=1e-5)
    stretch, letterbox = (detectors[name].detect_batch(images) for name in detectors)
    assert stretch[0].boxes.tolist() != letterbox[0].boxes.tolist()


def test_get_map(stretched, data, detectors, tmp_path):
    """What the network finds in stretched images is taken for the truth."""
    records = load_dataset(data, NAMES, progress=False).splits["test"]
    images = [read_image(record.image) for record in records]
    found = {name: each.detect_batch(images) for name, each in detectors.items()}
    (best,) = found["stretch"]
    shown = [
        (NAMES[label], *box) for label, box in zip(best.labels[:5], best.boxes[:5], strict=True)
    ]
    truth = write_voc(tmp_path / "truth", {"f": shown}, {"test": "f"})
    (truth / "JPEGImages/f.jpg").write_bytes(records[0].image.read_bytes())
    objects = load_dataset(str(truth), NAMES, progress=False).splits["test"]
    wanted = {n: summary.evaluate(d, objects, NAMES).voc.main.map for n, d in found.items()}
    assert wanted["stretch"] > wanted["letterbox"]
    for flags, used in (({}, "stretch"), ({"resize": "letterbox"}, "letterbox")):
        options = {"run": str(stretched.folder), "data": (str(truth),), "backend": "keras"}
        evaluate(EvaluateOptions(output=str(tmp_path / used), **options, **flags))
        metrics = json.loads((tmp_path / used / "metrics.json").read_text(encoding="utf-8"))
        assert metrics["voc"]["map"] == pytest.approx(wanted[used])


def test_training_and_its_validation(stretched, tmp_path, monkeypatch):
    class Built(Exception):  # noqa: N818 - it is an event, not an error
        """Stands for the training, which would follow."""

    class Recording(Evaluator):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            raise Built(self._images.sample(0)[1], arguments[4])

    monkeypatch.setattr(phases, "Evaluator", Recording)
    config = replace(
        stretched.config(),
        resize=Config.resize,
        weights=str(stretched.folder),
        run_dir=str(tmp_path / "run"),
    )
    with pytest.raises(Built) as caught:
        loop.train_model(config)
    fit, resize = caught.value.args
    assert (fit.source_size, fit.resized) == ((60, 40), (64, 64))
    assert resize == "stretch", "the setting of the weights"
