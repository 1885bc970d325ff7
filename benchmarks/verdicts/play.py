"""Play simulated studies look by look, by several rules on the same studies."""

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context

import numpy as np

from benchmarks.verdicts.rules import Rule, Study, before
from benchmarks.verdicts.simulation import Scenario
from benchmarks.verdicts.studies import DetectionStudy, ScoreStudy
from yolo4.compare.contrast import LEVEL, Interval, excludes_zero
from yolo4.compare.design import Design


@dataclass(frozen=True)
class Game:
    """Studies of one kind.

    Attributes:
        scenario: what is simulated.
        difference: the true one between the first two arms, a fraction of mAP.
        skills: of all arms, which make it; None for studies by scores, which take no skills.
        design: what the studies declare.
        rules: by name.
        differences: by name of a rule, the true one of what it judges, if that is not mAP.
    """

    scenario: Scenario
    difference: float
    skills: tuple[float, ...] | None
    design: Design
    rules: dict[str, Rule]
    differences: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class End:
    """How a study ended by a rule."""

    verdict: str
    seeds: int
    covers: bool


@dataclass(frozen=True)
class AtOneSize:
    """What a study says after a number of seeds if it was planned for this number alone.

    Attributes:
        covers: whether the 95% interval contains the true difference.
        excludes_zero: whether it excludes zero.
        excluded_zero_before: whether the rule before found a difference.
    """

    covers: bool
    excludes_zero: bool
    excluded_zero_before: bool


@dataclass(frozen=True)
class Record:
    """One study: its end by each rule, its interval at each number of seeds, and its scatter."""

    ends: dict[str, End]
    sizes: list[AtOneSize]
    run_variance: float


def play_all(game: Game, studies: int) -> list[Record]:
    """Play so many studies, on all processors."""
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        return list(pool.map(partial(play, game), range(studies), chunksize=8))


def play(game: Game, number: int) -> Record:
    """Simulate a study and judge it by each rule."""
    scenario, design = game.scenario, game.design
    if game.skills is None:
        others = (0.0,) * (len(scenario.noise) - 2)
        study = ScoreStudy.draw(scenario, (0.0, game.difference, *others), design, number)
        reference = study.scores[0].mean(axis=1)
    else:
        study = DetectionStudy.draw(scenario, game.skills, design, number)
        reference = np.array([row[0] for row in study.maps["0"].values()])
    truth = dict.fromkeys(game.rules, game.difference) | game.differences
    return Record(
        {name: _end(study, rule, truth[name]) for name, rule in game.rules.items()},
        [_at_one_size(study, index, game.difference) for index in range(len(design.looks))],
        float(reference.var(ddof=1)),
    )


def _end(study: Study, rule: Rule, difference: float) -> End:
    looks = study.design.looks
    for index, seeds in enumerate(looks):
        judged = rule(study, index)
        if judged.stops or seeds == looks[-1]:
            return End(judged.verdict, seeds, _contains(judged.interval, difference))
    raise ValueError("a study without looks")


def _at_one_size(study: Study, index: int, difference: float) -> AtOneSize:
    found = study.estimate(study.design.looks[index])
    assert found.variances is not None
    half = found.variances.half_width(LEVEL)
    interval = (found.mean - half, found.mean + half)
    return AtOneSize(
        _contains(interval, difference),
        excludes_zero(interval),
        before(study, index).verdict != "undecided",
    )


def _contains(interval: Interval, value: float) -> bool:
    return interval[0] <= value <= interval[1]
