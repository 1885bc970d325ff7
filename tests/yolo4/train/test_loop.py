"""The beginning of a training, killed at every moment, and what an interruption says."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from utils.annotations import digest
from utils.errors import UserError
from utils.files.intact import keep_previous
from utils.files.lock import locked
from utils.files.writing import write_atomically
from utils.records import Record
from yolo4.config import Config
from yolo4.run import Run, open_run
from yolo4.train import loop
from yolo4.train.checkpoint import Progress
from yolo4.train.setup import prepare

pytestmark = pytest.mark.quick

BEGINNING = (
    "classes.txt",
    "anchors.txt",
    "data.json",
    "data_report.csv",
    "fingerprint.json",
    "first_batch.png",
    "state.npz",
    "config.json",
)


class Killed(BaseException):
    """Stands for a kill."""


def save_state(path, *_):
    """Keeps the state that it replaces, as the real one does."""
    if path.exists():
        keep_previous(path)
    write_atomically(path, "a state")


@pytest.fixture
def save_beginning(tmp_path, monkeypatch):
    """Writes the first files of a run, without a network."""
    run = Run(tmp_path / "run")
    config = Config(data=("nowhere",), run_dir=str(run.folder))
    anchors = np.ones((9, 2), np.float32)
    box, label = np.array([[0, 0, 9, 9]], np.float32), np.zeros(1, np.int32)
    images = [Record(tmp_path / "a.jpg", (9, 9), box, label, np.zeros(1, bool), b"content")]
    setup = SimpleNamespace(
        run=run,
        config=config,
        class_names=("cat",),
        anchors=anchors,
        train=images,
        val=images,
        data_report=SimpleNamespace(to_csv=lambda: b"file,line\n"),
    )
    monkeypatch.setattr(loop, "fingerprint", lambda *_: {"initial_weights": "a"})
    monkeypatch.setattr(loop, "save_batch", lambda path, *_: write_atomically(path, "a picture"))
    monkeypatch.setattr(loop, "save_state", save_state)
    dataset = SimpleNamespace(batch=lambda *_: (None, None))
    return lambda: loop._save_beginning(setup, None, Progress(), dataset, 4) or run


def files_of(run):
    return {path.name for path in run.folder.iterdir()}


@pytest.mark.parametrize("moment", range(len(BEGINNING)))
def test_killed_at_any_moment_of_the_beginning_it_begins_again(
    save_beginning, tmp_path, monkeypatch, moment
):
    write, written = loop.write_atomically, []

    def killed(path, data):
        if len(written) == moment:
            (path.parent / ".yolov4-0123456789abcdef.tmp.npz").write_text("half of i")
            raise Killed
        written.append(path.name)
        write(path, data)

    run = Run(tmp_path / "run")
    run.folder.mkdir()
    with monkeypatch.context() as patch:
        for name in ("write_atomically", "save_batch", "save_state"):
            patch.setattr(loop, name, lambda path, data, *_: killed(path, str(data)))
        patch.setattr(digest, "write_atomically", killed)
        with pytest.raises(Killed):
            save_beginning()
    assert tuple(written) == BEGINNING[:moment]
    with pytest.raises(UserError, match="has no config" + ".*begin it again" * (moment > 0)):
        open_run(run.folder)
    assert "the same command begins it again" in loop._how_to_go_on(run)
    with pytest.raises(UserError, match="nowhere"):  # it reads the data: the folder is accepted
        prepare(Config(data=("nowhere",), run_dir=str(run.folder)))
    with locked(run.folder):
        save_beginning()
    assert files_of(run) == set(BEGINNING)


def test_once_there_is_a_config_everything_is_there(save_beginning):
    run = save_beginning()
    assert files_of(run) == set(BEGINNING)
    assert open_run(run.folder).config().run_dir == str(run.folder)


@pytest.mark.parametrize(
    ("epoch", "saved"),
    [
        (0, "everything up to the start is saved"),
        (3, "everything up to the end of epoch 3 is saved"),
    ],
)
def test_an_interruption_says_what_is_saved_and_how_to_resume(save_beginning, epoch, saved):
    run = save_beginning()
    np.savez(run.state_file, progress=json.dumps({"epoch": epoch}))
    assert loop._how_to_go_on(run) == (
        f"\nstopped; {saved}. Resume with: python train.py --resume {run.folder}"
    )


def test_a_run_has_one_owner(save_beginning):
    run = save_beginning()
    with locked(run.folder):
        with pytest.raises(UserError, match="in use by process"):
            loop.train_model(Config(data=("nowhere",), run_dir=str(run.folder)))
        with pytest.raises(UserError, match="in use by process"):
            loop.resume_run(run.folder)


def test_a_refused_training_leaves_no_folder(tmp_path):
    with pytest.raises(UserError, match="nowhere"):
        loop.train_model(Config(data=("nowhere",), run_dir=str(tmp_path / "run")))
    assert list(tmp_path.iterdir()) == []
