"""The campaign's own parts: what it changes, what it counts, and what it takes for a fault."""

import os
import random
import signal
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.campaign import inputs, kills
from benchmarks.campaign.commands import Command, content_of, files_of
from benchmarks.campaign.data_sets import FORMATS
from benchmarks.campaign.inputs import changed_file, outcome_of, try_inputs
from benchmarks.campaign.mutations import mutate
from benchmarks.campaign.readers import Reader
from utils.annotations import load_dataset
from utils.errors import UserError

VALID = b'{"a": [1, 2, {"b": "c"}], "d": null}'


def write(folder):
    (folder / "a.json").write_bytes(VALID)


def reads(folder):
    (folder / "a.json").read_bytes()


def is_broken(folder):
    if (folder / "a.json").read_bytes() != VALID:
        raise KeyError("injected")


def refuses(folder):
    if (folder / "a.json").read_bytes() != VALID:
        raise UserError("a.json: found this; expected that")


def hangs(folder):
    if (folder / "a.json").read_bytes() != VALID:
        time.sleep(1000)


def crashes(folder):
    if (folder / "a.json").read_bytes() != VALID:
        os.kill(os.getpid(), signal.SIGSEGV)


def takes_memory(folder):
    if (folder / "a.json").read_bytes() != VALID:
        np.ones(3 << 27).sum()  # 3 GB


def reader(read, **options):
    return Reader(read.__name__, write, ("a.json",), read, **options)


@pytest.mark.quick
@given(data=st.binary(max_size=100), seed=st.integers())
def test_the_same_seed_changes_any_file_in_the_same_way(data, seed):
    changed = mutate(data, random.Random(seed))
    assert changed == mutate(data, random.Random(seed))
    assert isinstance(changed, bytes)


@pytest.mark.quick
def test_inputs_depend_on_seed_and_number(tmp_path):
    write(tmp_path)
    files = reader(reads).files(tmp_path)
    changed = [changed_file(reader(reads), files, seed, n)[1] for seed in (0, 1) for n in range(99)]
    # Short cuts and empty files repeat.
    assert len(set(changed)) > len(changed) / 2
    assert sum(data == VALID for data in changed) < len(changed) / 10


@pytest.mark.quick
@pytest.mark.parametrize(
    ("read", "checksum", "outcome"),
    [
        (reads, False, inputs.READ),
        (reads, True, inputs.UNNOTICED),
        (refuses, True, inputs.REFUSED),
        (is_broken, False, inputs.TRACEBACK),
    ],
)
def test_outcomes(tmp_path, read, checksum, outcome):
    write(tmp_path)
    path = tmp_path / "a.json"
    assert outcome_of(reader(read, has_checksum=checksum), tmp_path, path, b"x")[0] == outcome
    assert path.read_bytes() == VALID
    assert outcome_of(reader(read, has_checksum=checksum), tmp_path, path, VALID)[0] == inputs.READ


@pytest.mark.parametrize(
    ("read", "outcome"),
    [
        (is_broken, inputs.TRACEBACK),
        (crashes, inputs.TRACEBACK),
        pytest.param(hangs, inputs.HANG, marks=pytest.mark.slow),
        pytest.param(takes_memory, inputs.MEMORY, marks=pytest.mark.slow),
    ],
)
def test_faults_of_a_child_are_counted_and_their_inputs_kept(tmp_path, monkeypatch, read, outcome):
    monkeypatch.setattr(inputs, "SECONDS", 2.0 if read is hangs else 120.0)
    counts, faults = try_inputs(reader(read), tmp_path, 2, seed=0)
    kept = list(tmp_path.glob("fault_*"))
    assert counts[outcome] == len(faults) == len(kept) > 0
    assert counts[outcome] + counts[inputs.READ] == 2
    assert all(path.read_bytes() != VALID for path in kept)


@pytest.mark.quick
@pytest.mark.parametrize("name", FORMATS)
def test_valid_data_sets_are_read_without_a_problem(tmp_path, name):
    write, patterns = FORMATS[name]
    write(tmp_path)
    data = load_dataset([tmp_path], progress=False)
    assert not data.report.findings
    records = [record for split in data.splits.values() for record in split]
    assert {len(record.labels) for record in records} == {2}
    assert all(list(tmp_path.glob(pattern)) for pattern in patterns)


@pytest.mark.quick
def test_only_times_may_differ(tmp_path):
    for name, speed, loss in (("a", 1, 2), ("b", 3, 2), ("c", 1, 4)):
        (tmp_path / name).mkdir()
        text = f"epoch,images_per_second,loss\n1,{speed},{loss}\n"
        (tmp_path / name / "history.csv").write_text(text)
        text = f'{{"made": "{speed}", "arms": [{{"minutes": {speed}, "map": {loss}}}]}}'
        (tmp_path / name / "report.json").write_text(text)
        np.savez(tmp_path / name / "state.npz", progress=str(speed), weight_0=[loss])
    for name in ("history.csv", "report.json", "state.npz"):
        a, b, c = (content_of(tmp_path / folder / name) for folder in "abc")
        assert a == b != c


@pytest.mark.quick
def test_names_of_events_do_not_count(tmp_path):
    for name in ("run/tensorboard/train/events.1", "run/tensorboard/train/events.2", "run/.lock"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert set(files_of(tmp_path, ["run"])) == {"run/tensorboard", "run/.lock"}


BEGIN = """
import atexit, os, pathlib, time
folder = pathlib.Path("found")
folder.mkdir(exist_ok=True)
left = list(folder.glob("*.tmp"))
temporary = folder / f"{os.getpid()}.tmp"
"""
END = """
temporary.touch()
time.sleep(2)
temporary.unlink()
(folder / "result").write_text(content)
"""
SWEEPS = "[path.unlink() for path in left]; content = 'same'"


@pytest.mark.parametrize(
    ("middle", "seen"),
    [
        (SWEEPS, "continued, bit for bit the same"),
        (SWEEPS.replace("'same'", "f'{len(left)}'"), "other content"),
        ("content = 'same'", "leftovers"),
        (f"{SWEEPS}; left and exit(2)", "no way to continue"),
        (f"{SWEEPS}; left or atexit.register(open, 'found/more', 'w')", "files missing"),
    ],
    ids=lambda value: value if value in kills.COLUMNS else "",
)
def test_a_killed_command_is_judged(tmp_path, middle, seen):
    command = Command("toy", ("-c", BEGIN + middle + END), ("found",), needs_run=False)
    seed = next(n for n in range(99) if 0.6 < random.Random(f"{n} toy 0").random() < 0.8)
    counts, faults = kills.kill_often(command, tmp_path, 1, seed)
    assert counts["killed"] == counts[seen] == 1
    assert counts["processes left"] == 0
    assert bool(faults) == (seen != "continued, bit for bit the same")
