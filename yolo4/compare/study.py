"""Runs a study: every arm with every seed, from wherever it stopped."""

import dataclasses
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

from utils.errors import UserError
from yolo4.compare.arms import Arm, parse_arms
from yolo4.compare.options import CompareOptions
from yolo4.compare.study_files import MeasuredImages, Study, StudyRun, read_json, write_json
from yolo4.compare.worker import train_and_measure
from yolo4.config import Config
from yolo4.options import flag, from_mapping

# What may change when a study goes on: it is extended, or its report is made anew.
_EXTENDABLE = {"arms", "seeds", "protocol", "resamples", "output", "report_only", "workers"}


@dataclasses.dataclass(frozen=True)
class Plan:
    """The runs of a study.

    Attributes:
        study: its folder.
        arms: what is compared, the reference first.
        seeds: each arm has a run with each.
        shared: settings of all runs.
        resamples: of the test images.
    """

    study: Study
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    shared: Config
    resamples: int

    def runs(self) -> list[tuple[Arm, int, StudyRun]]:
        """Seed by seed, so that an early look at the study compares all arms."""
        return [
            (arm, seed, self.study.run(arm.folder, seed))
            for seed in self.seeds
            for arm in self.arms
        ]


def begin(options: CompareOptions) -> Plan:
    """Read the data and settle what is run, in a new folder or one that holds a part of it.

    Raises:
        UserError: bad arms, data or settings, or the folder holds another study.
    """
    from yolo4.sample_data.make import SAMPLE_DATA, make_sample_data

    parse_arms(options.arms, options.protocol)  # mistakes there are told before data is drawn
    data = options.data or (str(make_sample_data(SAMPLE_DATA)),)
    options = dataclasses.replace(options, data=data)
    study = Study(Path(options.output))
    _check_same(study, options)
    images = _measured_images(options)
    images.save(study.images_file)
    write_json(study.options_file, dataclasses.asdict(options))
    return _plan(study, options)


def reopen(folder: str) -> Plan:
    """The plan of a study that was begun.

    Raises:
        UserError: the folder holds no study.
    """
    study = Study(Path(folder))
    return _plan(study, _stored_options(study))


def carry_out(plan: Plan) -> None:
    """Do the runs that are not finished, one after the other, each in a process of its own.

    A training that diverges is noted and the study goes on.

    Raises:
        UserError: the data or the settings do not allow a training.
        KeyboardInterrupt: says how to go on.
    """
    runs = plan.runs()
    durations: list[float] = []
    for number, (arm, seed, run) in enumerate(runs, start=1):
        if run.is_done or run.failure is not None:
            continue
        left = sum(not (other.is_done or other.failure) for _, _, other in runs[number - 1 :])
        print(
            f"\nrun {number} of {len(runs)}: {arm.name}, seed {seed}{_time_left(durations, left)}"
        )
        start = time.perf_counter()
        try:
            _in_own_process(plan, arm, seed)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                "\nstopped; the same command goes on after the last finished epoch"
            ) from None
        except BrokenProcessPool:
            print(
                f"error: {arm.name}, seed {seed}: the process ended without a word; too little "
                "memory? The same command tries this run again"
            )
            continue
        if run.failure:
            print(f"failed: {arm.name}, seed {seed}: {run.failure}")
        durations.append(time.perf_counter() - start)


def _in_own_process(plan: Plan, arm: Arm, seed: int) -> None:
    """A fresh process gives its memory back, and a crash there leaves the study alive."""
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        pool.submit(train_and_measure, plan.study.folder, arm, plan.shared, seed).result()


def _time_left(durations: list[float], left: int) -> str:
    if not durations:
        return ""
    minutes = left * sum(durations) / len(durations) / 60
    return f", about {minutes:.0f} min left"


def _check_same(study: Study, options: CompareOptions) -> None:
    """A folder holds one study: what its finished runs share can't be changed under them."""
    if not study.options_file.is_file():
        return
    stored = _stored_options(study)
    for field in dataclasses.fields(CompareOptions):
        old, new = getattr(stored, field.name), getattr(options, field.name)
        if old != new and field.name not in _EXTENDABLE:
            raise UserError(
                f"{study.folder} holds a study with {flag(field.name)} {old}, not {new}: "
                "name another --output"
            )


def _stored_options(study: Study) -> CompareOptions:
    where = study.options_file
    return from_mapping(CompareOptions, read_json(where), where=str(where))


def _measured_images(options: CompareOptions) -> MeasuredImages:
    from utils.annotations import load_dataset
    from utils.text import read_class_names
    from yolo4.inference.records import choose_records

    names = read_class_names(options.classes) if options.classes else None
    dataset = load_dataset(options.data, names, options.on_bad_data, options.split_seed)
    split, records = choose_records(dataset.splits, None)
    counts = {name: len(images) for name, images in dataset.splits.items()}
    return MeasuredImages(
        dataset.class_names, split, records, dataset.splits.get("val", []), counts
    )


def _plan(study: Study, options: CompareOptions) -> Plan:
    return Plan(
        study,
        parse_arms(options.arms, options.protocol),
        tuple(range(options.seed, options.seed + options.seeds)),
        options.settings(),
        options.resamples,
    )
