"""How far a training has come: read from its state, or from the one before."""

import json
import re

import numpy as np
import pytest

from tests.yolo4.train.toy_network import compiled, network, train
from utils.errors import UserError
from yolo4.run import Run
from yolo4.train.state.checkpoint import save_state
from yolo4.train.state.progress import Progress, load_progress, recover_progress


def test_progress_comes_back(tmp_path):
    history = [{"epoch": 1, "loss": 0.1 + 0.2, "map50": float("nan")}, {"epoch": 2, "lr": 1e-9}]
    progress = Progress(2, 205, 0.75, 1.5, 1, history=history, class_ap=[[2, 0.5, None]])
    progress.resumed.append(progress.position)
    save_state(tmp_path / "state.npz", compiled(network()), progress)
    found = load_progress(tmp_path / "state.npz")
    assert np.isnan(found.history[0].pop("map50"))
    del history[0]["map50"]
    assert found == progress


FOREIGN = [
    (None, "no such file"),
    (b"", ".*; expected the state of a training"),
    (b"epoch,loss\n", ".*; expected the state of a training"),
    (b"PK\x03\x04half", ".*; expected the state of a training"),
]


@pytest.mark.parametrize(("data", "message"), FOREIGN)
def test_a_foreign_file_is_refused(tmp_path, data, message):
    path = tmp_path / "state.npz"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(UserError) as caught:
        load_progress(path)
    assert re.fullmatch(f"{path}: {message}", str(caught.value))


@pytest.mark.parametrize("arrays", [{"boxes": 1}, {"progress": json.dumps({"epok": 1})}])
def test_other_arrays_are_refused(tmp_path, arrays):
    np.savez(tmp_path / "state.npz", **arrays)
    with pytest.raises(UserError, match=r"state\.npz: .*; expected the state of a training"):
        load_progress(tmp_path / "state.npz")


@pytest.fixture
def run(tmp_path):
    """A run that has saved two states, after epochs 1 and 2."""
    run, model = Run(tmp_path), compiled(network())
    for epoch in (1, 2):
        train(model, epoch, 1)
        save_state(run.state_file, model, Progress(epoch=epoch))
    return run


class TestPreviousState:
    def test_there_is_one_and_no_other_file(self, run):
        assert {path.name for path in run.folder.iterdir()} == {"state.npz", "state.previous.npz"}
        assert load_progress(run.previous_state_file).epoch == 1

    def test_an_intact_state_needs_no_other(self, run, capsys):
        run.previous_state_file.write_bytes(b"not looked at")
        assert recover_progress(run).epoch == 2
        assert capsys.readouterr().out == ""

    def test_it_takes_the_place_of_one_with_a_flipped_bit_wherever_that_is(self, run, capsys):
        content, previous = run.state_file.read_bytes(), run.previous_state_file.read_bytes()
        for place in np.random.default_rng(0).integers(0, len(content) - 73, 50):
            changed = bytearray(content)
            changed[place] ^= 1 << (place % 8)
            run.state_file.write_bytes(changed)
            run.previous_state_file.write_bytes(previous)
            assert recover_progress(run).epoch == 1
            assert run.state_file.read_bytes() == previous
            assert not run.previous_state_file.exists()
            (line,) = capsys.readouterr().out.splitlines()
            assert line.startswith(f"{run.state_file}: damaged: ")
            assert line.endswith("the state before it, from the end of epoch 1")

    @pytest.mark.parametrize("damage", [None, b"", b"half of it"])
    def test_it_takes_the_place_of_one_that_is_gone_or_cut_off(self, run, damage, capsys):
        run.state_file.unlink()
        if damage is not None:
            run.state_file.write_bytes(damage)
        assert recover_progress(run).epoch == 1
        assert "from the end of epoch 1" in capsys.readouterr().out

    def test_where_both_are_damaged_nothing_changes(self, run):
        run.state_file.write_bytes(b"half")
        run.previous_state_file.write_bytes(b"of it")
        with pytest.raises(UserError, match=r"state\.previous\.npz: .*expected the state of a"):
            recover_progress(run)
        assert run.state_file.read_bytes() == b"half"

    def test_the_first_state_has_none_before_it(self, tmp_path):
        run = Run(tmp_path)
        save_state(run.state_file, compiled(network()), Progress())
        assert list(tmp_path.iterdir()) == [run.state_file]
        run.state_file.write_bytes(b"half")
        with pytest.raises(UserError, match=r"state\.npz: .*; expected the state of a training"):
            recover_progress(run)
