"""The beginning of a training, killed at every moment, and what an interruption says."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from utils.errors import UserError
from utils.files.intact import keep_previous
from utils.files.lock import locked
from utils.files.writing import write_atomically
from yolo4.config import Config
from yolo4.run import Run, open_run
from yolo4.sample_data.make import make_sample_data
from yolo4.train import loop
from yolo4.train.data import training_set
from yolo4.train.setup import prepare, require_unused
from yolo4.train.state import beginning
from yolo4.train.state.progress import Progress

pytestmark = pytest.mark.quick


class Killed(BaseException):
    """Stands for a kill."""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(make_sample_data(tmp_path_factory.mktemp("data") / "set", 3, 2, 2, size=96))


@pytest.fixture
def config(data, tmp_path):
    return Config(data=(data,), run_dir=str(tmp_path / "run"), input_size=64)


def save_state(path, *_):
    """Keeps the state that it replaces, as the real one does."""
    if path.exists():
        keep_previous(path)
    write_atomically(path, "a state")


@pytest.fixture
def save_beginning(config, monkeypatch):
    """Writes the first files of a run, without a network."""
    monkeypatch.setattr(beginning, "fingerprint", lambda *_: {"initial_weights": "a"})
    monkeypatch.setattr(beginning, "save_state", save_state)

    setup = prepare(config)
    dataset = training_set(setup.config, setup.train)

    def save():
        require_unused(setup.run)  # as `prepare` does
        beginning.save_beginning(setup, None, Progress(), dataset, 2, "1")
        return setup.run

    return save


def killed_at(moment, save):
    """Whether the program is killed before a rename, of which `moment` have been done."""
    rename, done = Path.replace, []

    def replace(self, target):
        if Path(target).parent.name == "run" and not Path(target).name.startswith("."):
            if len(done) == moment:
                shutil.copy(self, self.with_name(f".yolov4-{'0' * 16}.tmp"))
                raise Killed
            done.append(target)
        return rename(self, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        try:
            save()
        except Killed:
            return True
    return False


def files_of(run):
    return {path.name for path in run.folder.iterdir()}


def test_killed_at_any_moment_of_the_beginning_it_begins_again(save_beginning, tmp_path):
    run, moment = Run(tmp_path / "run"), 0
    while killed_at(moment, save_beginning):
        with pytest.raises(UserError, match="has no config" + ".*begin it again" * (moment > 0)):
            open_run(run.folder)
        assert "the same command begins it again" in loop._interrupted(run)
        with locked(run.folder):
            save_beginning()
        whole = files_of(run)
        assert {"config.json", "state.npz", "fingerprint.json", "first_batch.png"} <= whole
        assert not [name for name in whole if name.startswith(".")]
        assert not run.previous_state_file.exists()
        assert open_run(run.folder).config().run_dir == str(run.folder)
        shutil.rmtree(run.folder)
        moment += 1
    assert moment == len(whole)
    assert files_of(run) == whole


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
    run.progress_page.write_text('<p class="lead" id="state" data-latest="9">Training</p>')
    assert loop._interrupted(run) == (
        f"\nstopped; {saved}. Resume with: python train.py --resume {run.folder}"
    )
    page = run.progress_page.read_text()
    assert page.startswith('<p class="lead" id="state"><strong>Interrupted</strong> at ')
    assert page.endswith(f"; {saved}. Resume with: python train.py --resume {run.folder}</p>")


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
