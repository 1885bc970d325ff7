"""The plan of a study: which runs it has, new or continued."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from utils.annotations import load_dataset
from utils.errors import UserError
from utils.inspection.leaks import find_leaks, list_leaks
from utils.printable import printable
from utils.records import Record
from utils.text import chosen_class_names
from yolo4.compare.arms import Arm, parse_arms
from yolo4.compare.design import Design
from yolo4.compare.options import CompareOptions, Measure
from yolo4.compare.planning.declaration import Declaration, declare, read_declarations
from yolo4.compare.planning.folds import all_images, make_folds
from yolo4.compare.study_files import MeasuredImages, Study, StudyRun, read_object, write_json
from yolo4.compare.tuning import refuse_own_settings, require_optuna
from yolo4.config import Config, differing_settings
from yolo4.inference.records import choose_records
from yolo4.options import flag, from_mapping, option_fields
from yolo4.sample_data.make import SAMPLE_DATA, make_sample_data
from yolo4.train.setup import open_named_files

# What may change when a study is resumed: which runs it has, and how they are evaluated. Each arm
# sets its own confidence loss, and of a preset the resolved settings count.
_MAY_CHANGE = {
    *("arms", "protocol", "confidence_loss", "preset"),
    *("resamples", "output", "report_only"),
}


@dataclasses.dataclass(frozen=True)
class Plan:
    """The runs of a study.

    Attributes:
        study: its files.
        arms: the arms, the reference first.
        seeds: each arm has a run with each of them.
        shared: the settings of all runs.
        resamples: number of bootstrap resamples of the test images.
        declared: the design of the study; several if it was changed after runs had finished.
        until_decided: whether the study ends at a look that decides.
        trials: of each arm that is tuned.
        measure: which weights of each run are measured.
    """

    study: Study
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    shared: Config
    resamples: int
    declared: tuple[Declaration, ...] = (Declaration(Design(), 0, ""),)
    until_decided: bool = False
    trials: int = 0
    measure: Measure = "best"

    @property
    def design(self) -> Design:
        """The design that was declared last."""
        return self.declared[-1].design

    def images_file(self, seed: int) -> Path:
        """What the runs with a seed are measured on."""
        return self.study.measured_file(seed, self.design.folds)

    def first(self, count: int) -> "Plan":
        """The same study with so many seeds."""
        return dataclasses.replace(self, seeds=self.seeds[:count])

    def begun(self) -> "Plan":
        """The study up to the last seed of which a run has begun; at least its first seed."""
        begun = [seed for _, seed, run in self.runs() if run.config_file.is_file()]
        return self.first(max(1, sum(seed <= max(begun, default=0) for seed in self.seeds)))

    def runs(self) -> list[tuple[Arm, int, StudyRun]]:
        """All runs, seed by seed, so that an unfinished study already compares all arms."""
        return [
            (arm, seed, self.study.run(arm.folder, seed))
            for seed in self.seeds
            for arm in self.arms
        ]


def continue_or_start(options: CompareOptions) -> Plan:
    """Read the data and plan the runs, in a new folder or in that of a study to continue.

    Raises:
        UserError: bad arms, data or settings, or the folder holds another study.
    """
    _check_tuning(options)  # reports mistakes before data is drawn
    _check_arms(options)
    data = options.data or (str(make_sample_data(SAMPLE_DATA)),)
    options = dataclasses.replace(options, data=data)
    study = Study(Path(options.output))
    if study.options_file.is_file():
        options = _continued(study, options)
    options = dataclasses.replace(options, split=_save_images(study, options))
    declared = declare(_declared(study), options.design, study.finished_runs())
    values = {field.name: getattr(options, field.name) for field in option_fields(options)}
    write_json(study.options_file, values | {"declared": [each.to_dict() for each in declared]})
    return _plan(study, options, declared)


def _check_arms(options: CompareOptions) -> None:
    """Look at the files that the arms name: the last one begins hours later."""
    shared = options.settings()
    arms = parse_arms(options.arms, options.protocol)
    configs = [arm.config(shared, options.seed) for arm in arms]
    for config in {(each.weights, each.anchors, each.network): each for each in configs}.values():
        open_named_files(config)


def open_study(folder: str) -> Plan:
    """The plan of an existing study.

    Raises:
        UserError: the folder holds no study.
    """
    study = Study(Path(folder))
    options = _stored_options(study)
    # Older versions declared nothing; what they kept is what the report speaks of.
    declared = _declared(study) or declare([], options.design, 0)
    return _plan(study, options, declared)


def _check_tuning(options: CompareOptions) -> None:
    """Refuse arms that cannot be tuned as asked."""
    tuned = [a for a in parse_arms(options.arms, options.protocol) if a.protocol == "tuned"]
    for arm in tuned:
        refuse_own_settings(arm)
    if tuned:
        require_optuna()
        if options.folds:
            raise UserError(
                "--folds: the trials of a tuned arm would see images that its folds test; remove it"
            )
        if options.split == "val+test":
            raise UserError(
                "--split val+test: validation images choose the settings of a tuned arm"
            )
    elif "trials" in options.given:
        raise UserError("--trials: no arm is tuned; add --protocol tuned")


def _continued(study: Study, options: CompareOptions) -> CompareOptions:
    """The options with which a study is continued; its runs are measured on the same images."""
    stored = _stored_options(study)
    options = dataclasses.replace(
        options, fresh_heads=stored.fresh_heads, co_outcome=stored.co_outcome
    )
    _check_same(study, stored, options)
    if options.folds:
        return options
    split = MeasuredImages.load(study.images_file).split
    if options.split not in (None, split):
        raise UserError(
            f"{study.folder}: its runs are measured on {split} images, not on {options.split}; "
            "name another --output"
        )
    return dataclasses.replace(options, split=split)


def _check_same(study: Study, stored: CompareOptions, options: CompareOptions) -> None:
    """Refuse to change what the runs of a study share."""
    of_runs = [n for n in differing_settings(stored, options) if n not in _MAY_CHANGE]
    of_study = [n for n in ("folds", "measure") if getattr(stored, n) != getattr(options, n)]
    for name in (*of_runs, *of_study):
        raise UserError(
            f"{study.folder}: found a study with {flag(name)} {getattr(stored, name)}, not "
            f"{getattr(options, name)}; name another --output"
        )


def _stored_options(study: Study) -> CompareOptions:
    file = study.options_file
    stored = read_object(file)
    stored.pop("declared", None)
    stored.setdefault("fresh_heads", False)  # older versions loaded heads that fit
    stored.setdefault("co_outcome", None)  # and declared none
    if "seeds" in stored:  # its name in older versions
        stored["max_seeds"] = stored.pop("seeds")
    return from_mapping(CompareOptions, stored, where=str(file))


def _declared(study: Study) -> list[Declaration]:
    file = study.options_file
    entries = read_object(file).get("declared", []) if file.is_file() else []
    return read_declarations(entries, file)


def _save_images(study: Study, options: CompareOptions) -> str | None:
    """Read the data and write what the runs are measured on; returns its split, if it is one."""
    names = chosen_class_names(options.classes) if options.classes else None
    dataset = load_dataset(options.data, names, options.on_bad_data, options.split_seed)
    if options.folds:
        folds = make_folds(dataset, options.folds, options.split_seed)
        for number, fold in enumerate(folds):
            fold.save(study.fold_file(number))
        all_images(folds).save(study.images_file)
        return None
    split, records = _measured_split(dataset.splits, options.split)
    counts = {name: len(images) for name, images in dataset.splits.items()}
    leaks = tuple(find_leaks(dataset.splits))
    if leaks:
        print(*map(printable, list_leaks(leaks, counts)), sep="\n")
    val = dataset.splits.get("val", [])
    images = MeasuredImages(dataset.class_names, split, records, val, counts, leaks)
    images.save(study.images_file)
    return split


def _measured_split(splits: dict[str, list[Record]], split: str | None) -> tuple[str, list[Record]]:
    if split != "val+test":
        return choose_records(splits, split)
    parts = [choose_records(splits, name)[1] for name in split.split("+")]
    return split, [record for part in parts for record in part]


def _plan(study: Study, options: CompareOptions, declared: Sequence[Declaration]) -> Plan:
    return Plan(
        study,
        parse_arms(options.arms, options.protocol),
        tuple(range(options.seed, options.seed + options.max_seeds)),
        options.settings(),
        options.resamples,
        tuple(declared),
        options.until_decided,
        options.trials,
        options.measure,
    )
