import dataclasses

import pytest

from tests.helpers.study_folder import begin_run, make_plan
from yolo4.compare.pairing import check_pairing

pytestmark = pytest.mark.quick


def test_runs_that_started_alike_are_pairs(tmp_path):
    plan = make_plan(tmp_path)
    for seed in plan.seeds:
        for arm in plan.arms:
            begin_run(plan, arm.name, seed)
    pairing = check_pairing(plan)
    assert pairing.not_comparable == {}
    assert len(pairing.fingerprints) == 4
    hashes = {"initial_weights": "w0", "first_batches": "b0", "onednn": "1", "devices": "1"}
    assert pairing.fingerprints[0] == {"arm": "bce", "seed": 0, **hashes}


def test_other_weights_or_batches_are_reported_with_the_seed(tmp_path):
    plan = make_plan(tmp_path, arms=("bce", "focal", "ohem"))
    for seed in plan.seeds:
        begin_run(plan, "bce", seed)
        begin_run(plan, "focal", seed, **({"first_batches": "other"} if seed == 1 else {}))
        begin_run(plan, "ohem", seed, onednn="0" if seed == 0 else "1")
    assert check_pairing(plan).not_comparable == {
        "focal": "focal and bce differ with seed 1 in first batches",
        "ohem": "ohem and bce differ with seed 0 in onednn",
    }


def test_a_run_without_a_fingerprint_is_reported_unless_it_has_not_begun(tmp_path):
    plan = make_plan(tmp_path, arms=("bce", "focal", "ohem"), seeds=(0,))
    for arm in ("bce", "focal"):
        begin_run(plan, arm, 0)
    plan.study.run(plan.arms[1].folder, 0).fingerprint_file.unlink()
    assert check_pairing(plan).not_comparable == {
        "focal": "focal has no fingerprint.json with seed 0"
    }


def test_a_setting_that_no_arm_names_must_be_the_same(tmp_path):
    plan = make_plan(tmp_path, arms=("bce", "focal:focal_gamma=1"), seeds=(0,))
    bce, focal = plan.arms
    begin_run(plan, bce.name, 0)
    config = dataclasses.replace(focal.config(plan.shared, 0), run_dir="elsewhere", ema=None)
    begin_run(plan, focal.name, 0, config=config)
    assert check_pairing(plan).not_comparable == {
        focal.name: f"{focal.name} and bce differ with seed 0 in ema"
    }


def test_settings_without_influence_may_differ(tmp_path):
    plan = make_plan(tmp_path, seeds=(0,))
    bce, focal = plan.arms
    begin_run(plan, bce.name, 0)
    config = dataclasses.replace(focal.config(plan.shared, 0), workers=7, cache="ram")
    begin_run(plan, focal.name, 0, config=config)
    assert check_pairing(plan).not_comparable == {}


def test_one_folder_may_be_written_as_two_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = make_plan(tmp_path, arms=("bce", "focal", "ohem"), seeds=(0,))
    begin_run(plan, "bce", 0)
    for arm, data in zip(plan.arms[1:], (str(tmp_path / "my_data"), "other"), strict=True):
        config = dataclasses.replace(arm.config(plan.shared, 0), data=(data,))
        begin_run(plan, arm.name, 0, config=config)
    assert check_pairing(plan).not_comparable == {"ohem": "ohem and bce differ with seed 0 in data"}


def test_a_matched_arm_has_its_own_gain_and_a_plain_one_has_not(tmp_path):
    plan = make_plan(tmp_path, arms=("bce", "focal", "focal:protocol=matched"), seeds=(0,))
    begin_run(plan, "bce", 0)
    for arm in plan.arms[1:]:
        config = dataclasses.replace(arm.config(plan.shared, 0), confidence_gain=7.0)
        begin_run(plan, arm.name, 0, config=config)
    assert list(check_pairing(plan).not_comparable) == ["focal"]


def test_a_tuned_arm_has_what_its_trials_chose_and_nothing_else(tmp_path):
    arms = ("bce", "focal:protocol=tuned", "ohem:protocol=tuned")
    plan = make_plan(tmp_path, arms=arms, seeds=(0,))
    begin_run(plan, "bce", 0)
    for arm, gamma in zip(plan.arms[1:], (1.5, 1.6), strict=True):
        chosen = {"learning_rate": 0.003, "confidence_gain": 7.0, "focal_gamma": gamma}
        config = dataclasses.replace(arm.config(plan.shared, 0), **chosen)
        begin_run(plan, arm.name, 0, config=config)
    assert check_pairing(plan).not_comparable == {
        "ohem:protocol=tuned": "ohem:protocol=tuned and bce differ with seed 0 in focal_gamma"
    }


def test_runs_that_have_not_started_are_left_out(tmp_path):
    plan = make_plan(tmp_path)
    begin_run(plan, "focal", 1, initial_weights="alone")
    pairing = check_pairing(plan)
    assert pairing.not_comparable == {}
    assert [entry["seed"] for entry in pairing.fingerprints] == [1]


def test_the_control_is_paired_with_the_reference(tmp_path):
    plan = make_plan(tmp_path, arms=("bce", "bce"), seeds=(0,))
    for arm in plan.arms:
        begin_run(plan, arm.name, 0)
    assert check_pairing(plan).not_comparable == {}
    assert [entry["arm"] for entry in check_pairing(plan).fingerprints] == ["bce", "bce control"]
