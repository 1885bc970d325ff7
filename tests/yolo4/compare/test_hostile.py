"""Files of a study or a training that were damaged are read or refused in one line."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.hostile import is_harmless, mutated, refusal
from tests.helpers.made_boxes import record
from tests.helpers.study_folder import begin_run, diagnosis, make_images, make_plan
from utils.errors import FileError
from utils.metrics.calibration import ScoreChoice
from utils.metrics.history import read_history
from utils.records import Detections
from yolo4.compare.design import Design
from yolo4.compare.loss.diagnosis import stored_epochs
from yolo4.compare.loss.stored import read_diagnosis
from yolo4.compare.options import CompareOptions
from yolo4.compare.pairing import check_pairing
from yolo4.compare.planning.declaration import Declaration
from yolo4.compare.study import open_study
from yolo4.compare.study_files import (
    MeasuredImages,
    load_detections,
    save_detections,
    write_json,
)
from yolo4.compare.tuning import Trial
from yolo4.options import option_fields
from yolo4.run import Run
from yolo4.train.state.progress import load_progress

pytestmark = pytest.mark.quick


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with one valid file of each kind."""
    folder = tmp_path_factory.mktemp("study")
    make_images(folder, 2).save(folder / "images.json")
    boxes = np.ones((2, 4), np.float32)
    found = Detections(boxes, np.ones(2, np.float32), np.zeros(2, np.int32))
    save_detections(folder / "detections.npz", [found, found])
    write_json(folder / "diagnosis.json", diagnosis(folder))
    (folder / "diagnosis_epochs.json").write_text('[{"epoch": 1, "levels": []}]')
    (folder / "history.csv").write_text("epoch,map50\n1,\n2,0.5\n")
    (folder / "failed.json").write_text('{"reason": "the loss is NaN"}')
    ScoreChoice(0.5, 1.5).save(folder / "score_choice.json")
    Trial({"learning_rate": 0.001}, "complete", {1: 0.5}).save(folder / "trial.json")
    declared = [Declaration(Design(), 0, "2026-01-01").to_dict()]
    write_json(folder / "study.json", {"data": ["my_data"], "max_seeds": 3, "declared": declared})
    progress = np.array('{"epoch": 3, "history": []}')
    np.savez(folder / "state.npz", progress=progress, weight_0=np.ones(3))
    return folder


# Of which the detections are.
IMAGES = MeasuredImages(("cat", "dog"), "test", [record()] * 2, [], {})

READERS = {
    "images.json": MeasuredImages.load,
    "detections.npz": lambda path: load_detections(path, IMAGES),
    "diagnosis.json": read_diagnosis,
    "diagnosis_epochs.json": lambda path: stored_epochs(Run(path.parent)),
    "history.csv": read_history,
    "failed.json": lambda path: Run(path.parent).failure,
    "state.npz": load_progress,
    "score_choice.json": ScoreChoice.load,
    "trial.json": Trial.load,
    "study.json": lambda path: open_study(str(path.parent)),
}
# An unknown name in study.json is answered with all known ones.
SETTINGS = ", ".join(field.name for field in option_fields(CompareOptions))
EVERY_FILE = pytest.mark.parametrize("name", READERS)


@EVERY_FILE
def test_valid_files_are_read(folder, name):
    assert READERS[name](folder / name) is not None


@EVERY_FILE
@given(data=st.data())
def test_changed_files_are_read_or_refused_in_one_line(folder, name, data):
    (folder / "changed").mkdir(exist_ok=True)
    path = folder / "changed" / name
    path.write_bytes(data.draw(mutated((folder / name).read_bytes())))
    message = refusal(READERS[name], path)
    assert message.startswith(str(path)) or not message
    assert is_harmless(message)
    assert len(message.replace(SETTINGS, "")) < 1000


@pytest.mark.parametrize("content", ["[]", "{}", '{"initial_weights": 1}', "null"])
def test_a_damaged_fingerprint_is_named(tmp_path, content):
    plan = make_plan(tmp_path)
    for arm in plan.arms:
        begin_run(plan, arm.name, 0)
    file = plan.study.run("focal", 0).fingerprint_file
    file.write_text(content)
    with pytest.raises(FileError, match="expected an object with 'initial_weights', 'first_batch"):
        check_pairing(plan)
