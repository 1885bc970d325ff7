import dataclasses
import json
from pathlib import Path

import pytest
from PIL import Image

from tests.helpers.study_folder import begin_run, detect_first, make_images, make_plan
from utils.errors import UserError
from utils.process.children import ChildKilledError
from yolo4.compare import judging
from yolo4.compare import study as studies
from yolo4.compare.design import Design
from yolo4.compare.options import CompareOptions
from yolo4.compare.planning.declaration import Declaration
from yolo4.compare.running import jobs
from yolo4.compare.running.carry_out import carry_out
from yolo4.compare.running.worker import train_and_measure
from yolo4.compare.study import continue_or_start, open_study
from yolo4.compare.study_files import MeasuredImages, Study, save_detections, write_json
from yolo4.sample_data.make import make_sample_data

pytestmark = pytest.mark.quick


@pytest.fixture
def runs(monkeypatch):
    """Replaces the training: lists each run, and finishes it unless `runs.end` handles it."""

    class Runs(list):
        end = None

    done = Runs()

    def run(function, study_folder, arm, reference, shared, seed, folds, measure, settings):
        assert function is train_and_measure
        assert reference.name == "bce"
        done.append((arm.name, seed))
        folder = Study(study_folder).run(arm.folder, seed)
        if done.end and done.end(arm.name, seed, folder):
            return
        save_detections(folder.detections_file, detect_first(images, 1))

    images = None
    monkeypatch.setattr(jobs, "call_in_child", run)

    def with_images(made):
        nonlocal images
        images = made
        return done

    return with_images


def test_every_arm_runs_with_every_seed_and_only_once(tmp_path, runs):
    done = runs(make_images(tmp_path))
    plan = make_plan(tmp_path)
    carry_out(plan)
    assert done == [("bce", 0), ("focal", 0), ("bce", 1), ("focal", 1)]
    carry_out(plan)
    assert len(done) == 4
    carry_out(make_plan(tmp_path, arms=("bce", "focal", "ohem"), seeds=(0, 1, 2)))
    assert done[4:] == [("ohem", 0), ("ohem", 1), ("bce", 2), ("focal", 2), ("ohem", 2)]


def test_a_run_that_diverges_is_reported_and_the_study_continues(tmp_path, runs, capsys):
    done = runs(make_images(tmp_path))

    def diverge(name, seed, folder):
        if (name, seed) == ("focal", 0):
            write_json(folder.failure_file, {"reason": "the loss is nan"})
        return (name, seed) == ("focal", 0)

    done.end = diverge
    plan = make_plan(tmp_path)
    carry_out(plan)
    assert len(done) == 4
    assert "failed: focal, seed 0: the loss is nan" in capsys.readouterr().out
    carry_out(plan)
    assert len(done) == 4, "it would diverge again"


def test_a_process_that_dies_is_tried_again_by_the_next_command(tmp_path, runs, capsys):
    done = runs(make_images(tmp_path))

    def die(name, seed, folder):
        if len(done) == 1:
            raise ChildKilledError

    done.end = die
    plan = make_plan(tmp_path)
    carry_out(plan)
    assert "bce, seed 0: the process was killed" in capsys.readouterr().out
    carry_out(plan)
    assert done[4:] == [("bce", 0)]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A contrast as far as carrying out a study looks at it."""

    verdict: str
    arm: str = "focal"
    futile: bool = False
    sentence: str = "a sentence"


@pytest.mark.parametrize(
    ("outcomes", "seeds"),
    [
        ([["better"]], 3),
        ([["undecided"], ["practically the same"]], 5),
        ([["undecided"], ["undecided"]], 6),
        ([["better", "undecided"], ["better", "worse"]], 5),
    ],
    ids=str,
)
def test_a_study_ends_at_the_first_look_that_decides(
    tmp_path, runs, monkeypatch, outcomes, seeds, capsys
):
    done = runs(make_images(tmp_path))
    looked = []

    def look(plan):
        looked.append(len(plan.seeds))
        return [Outcome(verdict) for verdict in outcomes[len(looked) - 1]]

    monkeypatch.setattr(judging, "judge_stored", look)
    plan = dataclasses.replace(
        make_plan(tmp_path, seeds=range(6)),
        declared=(Declaration(Design(looks=(3, 5, 6)), 0, ""),),
        until_decided=True,
    )
    carried_out = carry_out(plan)
    assert len(carried_out.seeds) == seeds
    assert len(done) == 2 * seeds
    assert looked == [3, 5][: len(outcomes)]
    assert "run 1 of at most 12" in capsys.readouterr().out


def test_without_until_decided_no_look_ends_a_study(tmp_path, runs, monkeypatch):
    done = runs(make_images(tmp_path))
    monkeypatch.setattr(judging, "judge_stored", lambda plan: [Outcome("better")])
    plan = make_plan(tmp_path, seeds=range(4))
    assert carry_out(plan) == plan
    assert len(done) == 8


def test_a_study_that_may_end_early_is_reported_up_to_the_last_seed_begun(tmp_path):
    plan = make_plan(tmp_path, seeds=range(7, 12))
    assert plan.begun().seeds == (7,)
    begin_run(plan, "bce", 7)
    begin_run(plan, "bce", 9)
    assert plan.begun().seeds == (7, 8, 9)


def test_progress_shows_the_run_and_the_time_left(tmp_path, runs, capsys):
    runs(make_images(tmp_path))
    carry_out(make_plan(tmp_path))
    lines = capsys.readouterr().out.split("\n\n")
    assert "run 1 of 4: bce, seed 0" in lines[0]
    assert "run 3 of 4: bce, seed 1, about 0 min left" in "".join(lines)


def declared(*values, **named):
    """A design with the co-outcome that new studies declare."""
    return Design(*values, **named, co_outcome="AP of all objects as one class")


@pytest.fixture
def options(tmp_path):
    data = make_sample_data(tmp_path / "data", train=4, val=2, test=2, size=96)
    return CompareOptions(data=(str(data),), output=str(tmp_path / "study"))


def test_heads_start_fresh_but_in_a_study_that_began_with_loaded_ones(options):
    assert continue_or_start(options).shared.fresh_heads
    file = Study(Path(options.output)).options_file
    stored = json.loads(file.read_text(encoding="utf-8"))
    del stored["fresh_heads"]  # older versions had no such setting
    write_json(file, stored)
    assert not continue_or_start(options).shared.fresh_heads
    assert not open_study(options.output).shared.fresh_heads


def test_a_study_that_is_continued_keeps_its_options(options):
    file = continue_or_start(options).study.options_file
    begun = file.read_bytes()
    assert json.loads(begun)["split"] == "test"
    continue_or_start(options)
    assert file.read_bytes() == begun


def test_a_study_is_started_and_opened_again(options):
    plan = continue_or_start(options)
    assert [arm.name for arm in plan.arms] == ["bce", "focal"]
    assert plan.seeds == tuple(range(12))
    assert plan.shared.data == options.data
    again = open_study(options.output)
    assert again == plan


def test_a_study_that_declared_no_co_outcome_gets_none_later(options):
    """One version declared a design without it; a co-outcome chosen after results is none."""
    plan = continue_or_start(options)
    stored = json.loads(plan.study.options_file.read_text(encoding="utf-8"))
    del stored["co_outcome"], stored["measure"], stored["declared"][0]["design"]["co_outcome"]
    write_json(plan.study.options_file, stored)
    for again in (open_study(options.output), continue_or_start(options)):
        assert again.declared == (dataclasses.replace(plan.declared[0], design=Design()),)
        assert again.measure == "best"


def test_the_measured_weights_stay_the_same(options):
    assert continue_or_start(options).measure == "best"
    with pytest.raises(UserError, match="found a study with --measure best, not last; name"):
        continue_or_start(dataclasses.replace(options, measure="last"))


def test_validation_images_that_have_chosen_nothing_are_tested_too(options):
    options = dataclasses.replace(options, measure="last", split="val+test")
    images = MeasuredImages.load(continue_or_start(options).study.images_file)
    names = [record.image.stem for record in images.records]
    assert (images.split, sorted(names)) == (
        "val+test", ["test_00000", "test_00001", "val_00000", "val_00001"],
    )  # fmt: skip
    with pytest.raises(UserError, match="choose the settings of a tuned arm"):
        continue_or_start(dataclasses.replace(options, protocol="tuned", output="other"))


def test_a_study_names_images_that_are_nearly_the_same_in_two_splits(options, capsys):
    plan = continue_or_start(options)
    assert MeasuredImages.load(plan.study.images_file).leaks == ()
    assert "two splits" not in capsys.readouterr().out
    train, test = (
        Path(options.data[0], "JPEGImages", f"{name}.jpg") for name in ("train_00001", "test_00000")
    )
    Image.open(train).save(test, quality=50)
    (leak,) = MeasuredImages.load(continue_or_start(options).study.images_file).leaks
    assert (leak.split, leak.image, leak.other_image) == ("test", str(test), str(train))
    printed = capsys.readouterr().out
    assert "1 of 2 images of test is nearly the same as an image of train" in printed
    assert f"test: {test} and train: {train}" in printed


def test_a_study_is_extended_but_not_changed(options):
    continue_or_start(options)
    longer = dataclasses.replace(options, max_seeds=4, arms=("bce", "ohem"), resamples=3000)
    assert len(continue_or_start(longer).runs()) == 8
    with pytest.raises(
        UserError, match=r"study: found a study with --epochs 100, not 7; name another --output"
    ):
        continue_or_start(dataclasses.replace(options, epochs=7))


def test_a_study_is_measured_on_one_split(options):
    explored = dataclasses.replace(options, split="val")
    assert MeasuredImages.load(continue_or_start(explored).study.images_file).split == "val"
    again = continue_or_start(options)  # no split is named, so it stays the same
    images = MeasuredImages.load(again.study.images_file)
    assert images.split == "val"
    assert [r.image for r in images.records] == [r.image for r in images.val]
    with pytest.raises(UserError, match="measured on val images, not on test; name another"):
        continue_or_start(dataclasses.replace(options, split="test"))


def test_what_was_declared_is_stored_and_a_change_is_told(options, runs):
    plan = continue_or_start(dataclasses.replace(options, max_seeds=5))
    assert plan.design == declared(0.02, (3, 5))
    stored = json.loads(plan.study.options_file.read_text(encoding="utf-8"))
    assert stored["declared"][0]["design"] == {
        "smallest_difference": 0.02,
        "looks": [3, 5],
        "folds": 0,
        "co_outcome": "AP of all objects as one class",
    }
    longer = dataclasses.replace(options, max_seeds=6, looks=(2, 4), smallest_difference=1.0)
    replanned = continue_or_start(longer)
    assert [each.design for each in replanned.declared] == [declared(0.01, (2, 4, 6))]
    runs(MeasuredImages.load(plan.study.images_file))
    carry_out(replanned.first(1))
    changed = continue_or_start(dataclasses.replace(options, max_seeds=5))
    assert [each.finished_runs for each in changed.declared] == [0, 2]
    assert changed.design == plan.design
    assert open_study(options.output).declared == changed.declared


def test_a_study_of_an_older_version_is_opened(options):
    plan = continue_or_start(options)
    stored = json.loads(plan.study.options_file.read_text(encoding="utf-8"))
    for name in ("declared", "looks", "smallest_difference", "until_decided", "split"):
        del stored[name]
    del stored["co_outcome"], stored["measure"]
    del stored["max_seeds"]
    write_json(plan.study.options_file, stored | {"seeds": 2})
    opened = open_study(options.output)
    assert opened.seeds == (0, 1)
    assert opened.design == Design(looks=(2,))


def test_the_seeds_test_the_folds_in_turn(options):
    plan = continue_or_start(dataclasses.replace(options, folds=2, max_seeds=3))
    assert plan.design == declared(folds=2, looks=(3,))
    files = [plan.images_file(seed) for seed in plan.seeds]
    assert files[0] == files[2] != files[1]
    tested = [MeasuredImages.load(file).records for file in files[:2]]
    whole = MeasuredImages.load(plan.study.images_file)
    names = {record.image for records in tested for record in records}
    assert len(names) == sum(map(len, tested)) == len(whole.records) == 8
    with pytest.raises(UserError, match="found a study with --folds 2, not 0; name another"):
        continue_or_start(options)
    assert continue_or_start(dataclasses.replace(options, folds=2)).images_file(0) == files[0]


def test_without_a_split_test_images_are_measured(options):
    images = MeasuredImages.load(continue_or_start(options).study.images_file)
    assert (images.split, len(images.records)) == ("test", 2)


@pytest.mark.parametrize(
    "change",
    [{"workers": 7}, {"cache": "ram"}, {"confidence_loss": "bce"}, {"preset": "sample"}],
    ids=str,
)
def test_what_changes_no_result_may_change(options, change):
    started = continue_or_start(options)
    resumed = continue_or_start(dataclasses.replace(options, **change))
    assert [run.folder for *_, run in resumed.runs()] == [run.folder for *_, run in started.runs()]
    ((name, value),) = change.items()
    stored = json.loads(resumed.study.options_file.read_text(encoding="utf-8"))
    assert stored[name] == value


def test_a_study_of_a_relative_path_is_continued_with_the_absolute_one(
    options, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    continue_or_start(dataclasses.replace(options, data=("data",)))
    assert continue_or_start(options).shared.data == options.data
    with pytest.raises(UserError, match="found a study with --data"):
        continue_or_start(dataclasses.replace(options, data=("data/../data", "data")))


def test_a_study_of_the_sample_data_that_was_relative_to_the_checkout(
    options, tmp_path, monkeypatch
):
    """The path of the sample data was stored as `model_data/sample` before it became absolute."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(studies, "SAMPLE_DATA", tmp_path / "model_data" / "sample")
    sample = make_sample_data("model_data/sample", train=4, val=2, test=2, size=96)
    monkeypatch.setattr(studies, "make_sample_data", lambda folder: folder)
    continue_or_start(dataclasses.replace(options, data=(str(sample),)))
    plan = continue_or_start(dataclasses.replace(options, data=()))
    assert plan.shared.data == (str(tmp_path / "model_data" / "sample"),)


def test_mistakes_leave_no_folder_behind(options, tmp_path):
    with pytest.raises(UserError, match="vocal"):
        continue_or_start(dataclasses.replace(options, arms=("bce", "vocal")))
    with pytest.raises(UserError, match="no such"):
        continue_or_start(dataclasses.replace(options, data=("nowhere",)))
    assert not (tmp_path / "study").exists()


def test_a_folder_without_a_study_is_reported(tmp_path):
    with pytest.raises(UserError, match="the folder of a study"):
        open_study(str(tmp_path))


def test_a_separate_process_passes_errors_on(tmp_path):
    with pytest.raises(UserError, match="no such file"):  # the study has no images
        carry_out(make_plan(tmp_path))
