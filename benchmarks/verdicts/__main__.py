"""How often verdicts are wrong, and what they cost: simulated studies whose truth is known.

python -m benchmarks.verdicts prints the tables of docs/comparing.md. Each study has 12 seeds, of
which a rule uses as many as it needs. Detections are simulated, and AP and the paired bootstrap are
those of compare.py. With --scores, each image has a normal score instead, and the outcome is its
mean: 20 times as fast. All rules judge the same studies. With 1000 studies, 5% is known to 1.4%.
"""

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from benchmarks.verdicts.outcomes import OUTCOMES, differences
from benchmarks.verdicts.play import AtOneSize, Game, Record, play_all
from benchmarks.verdicts.rules import (
    Rule,
    before,
    before_at_the_end,
    co_outcome,
    either,
    ignoring_overlap,
    moderated,
    now,
)
from benchmarks.verdicts.simulation import Scenario, co_difference, skill_of
from yolo4.cli import clean_exit, parse
from yolo4.compare.contrast import CO_OUTCOME
from yolo4.compare.design import Design
from yolo4.options import option

TableName = Literal["72", "300", "noise", "moderated", "folds", "val", "outcomes"]
_NOW, _BEFORE, _ONCE = "now", "before", "before, after 12 seeds"
_BESIDE = "co-outcome"
_TODAY: dict[str, Rule] = {_NOW: now, _BEFORE: before, _ONCE: before_at_the_end}
_POINTS = (0.0, 1.0, 2.0, 3.0, 5.0)
# So that runs on 72 images and on 300 scatter by 1.5 points of mAP.
_72, _300 = 1.03, 1.35
# Folds correlate by 0.2: as Nadeau and Bengio assume for five folds.
_TRAINING_SET = 0.0293
# Most objects are of one class, as in BCCD.
_RARE = (6.0, 0.6, 0.6)


@dataclasses.dataclass(frozen=True)
class VerdictOptions:
    """What is simulated."""

    studies: int = option(1000, "of each kind", low=10)
    scores: bool = option(False, "a normal score of each image in place of detections: faster")
    only: tuple[TableName, ...] = option((), "the tables to print; all if none is given")


@dataclasses.dataclass(frozen=True)
class Table:
    """Studies that are shown together.

    Attributes:
        title: above the table.
        scenarios: by the name that its first column shows.
        points: true differences.
        rules: by name.
        co_outcome: as in `Design`; it takes detections.
    """

    title: str
    scenarios: dict[str, Scenario]
    points: Sequence[float]
    rules: dict[str, Rule]
    co_outcome: str | None = None


TABLES: dict[TableName, Table] = {
    "72": Table("72 images", {"72 images": Scenario(72, (_72, _72))}, _POINTS, _TODAY),
    "300": Table("300 images", {"300 images": Scenario(300, (_300, _300))}, _POINTS, _TODAY),
    "noise": Table(
        "Less noise, and noise that is not equal",
        {
            "300 images, half the noise": Scenario(300, (_300 / 2, _300 / 2)),
            "300 images, the arm scatters by 3 points": Scenario(300, (_300, 2 * _300)),
        },
        (0.0, 2.0, 3.0),
        {_NOW: now, _BEFORE: before},
    ),
    "moderated": Table(
        "Three arms: variances shrunk over arms",
        {
            "300 images": Scenario(300, (_300,) * 3),
            "300 images, the arm scatters by 3 points": Scenario(300, (_300, 2 * _300, _300)),
        },
        (0.0, 3.0),
        {_NOW: now, "moderated": moderated},
    ),
    "folds": Table(
        "Five folds of 73 images",
        {
            "training sets don't matter": Scenario(365, (_72, _72), 5),
            "folds correlate by 0.2": Scenario(365, (_72, _72), 5, _TRAINING_SET),
        },
        (0.0, 2.0, 3.0),
        {_NOW: now, "without the correction": ignoring_overlap},
    ),
    "val": Table(
        "72 test images, and as many as 87 validation images besides",
        {
            "72 images": Scenario(72, (_72, _72)),
            "159 images": Scenario(159, (_72, _72)),
        },
        (0.0, 2.0, 3.0),
        {_NOW: now},
    ),
    "outcomes": Table(
        "VOC mAP, and AP of all objects as one class at half the error",
        {
            "two classes": Scenario(72, (_72, _72)),
            "two rare classes of three": Scenario(72, (_72, _72), objects=_RARE),
        },
        (0.0, 2.0, 3.0),
        {_NOW: now, _BESIDE: co_outcome, "either": either},
        CO_OUTCOME.name,
    ),
}


def measure(options: VerdictOptions) -> None:
    """Print the tables."""
    for name in options.only or TABLES:
        if options.scores and TABLES[name].co_outcome:
            print(f"### {TABLES[name].title}: takes detections, leave out --scores\n")
            continue
        table, start = TABLES[name], time.perf_counter()
        print(
            f"### {table.title}\n\n| | points | rule | better | worse | the same | undecided | ",
            end="",
        )
        print("runs | interval covers |\n|---|---|---|---|---|---|---|---|---|")
        sizes = []
        for label, scenario in table.scenarios.items():
            for game, points in zip(
                _games(table, scenario, options.scores), table.points, strict=True
            ):
                records = play_all(game, options.studies)
                for rule in table.rules:
                    print(f"| {label} | {points:g} | {rule} | {_ends(records, rule)} |", flush=True)
                sizes.append(f"| {label} | {points:g} | {_sizes(records)} |")
        if table.co_outcome:
            print("", *_noise(table), sep="\n", flush=True)
        looks = Design().looks
        print("\nWith a number of seeds that is planned, and no look before:\n")
        print("| | points | interval covers | excludes zero | before: verdicts | runs scatter |")
        print("|---|---|---|---|---|---|", *sizes, sep="\n")
        print(f"\nColumns of four numbers: after {', '.join(map(str, looks))} seeds. ", end="")
        print(f"{options.studies} studies a row, {time.perf_counter() - start:.0f} s\n", flush=True)


def _games(table: Table, scenario: Scenario, scores: bool) -> list[Game]:
    truths = [point / 100 for point in table.points]
    design = Design(folds=scenario.folds, co_outcome=table.co_outcome)
    if scores:
        return [Game(scenario, truth, None, design, table.rules) for truth in truths]
    others = (0.0,) * (len(scenario.noise) - 2)
    skills = [float(skill) for skill in skill_of(scenario, truths)]
    beside = [{_BESIDE: co_difference(scenario, s)} if table.co_outcome else {} for s in skills]
    return [
        Game(scenario, truth, (0.0, skill, *others), design, table.rules, others_truth)
        for truth, skill, others_truth in zip(truths, skills, beside, strict=True)
    ]


def _noise(table: Table) -> list[str]:
    """Of which outcome the difference stands out most from its noise."""
    lines = ["| | outcome | difference | scatters by | ratio |", "|---|---|---|---|---|"]
    for label, scenario in table.scenarios.items():
        (skill,) = skill_of(scenario, [0.03])
        found = 100 * differences(scenario, float(skill), 1500)
        for outcome, mean, sd in zip(OUTCOMES, found.mean(axis=0), found.std(axis=0), strict=True):
            lines.append(f"| {label} | {outcome} | {mean:.2f} | {sd:.2f} | {mean / sd:.2f} |")
    return lines


def _ends(records: Sequence[Record], rule: str) -> str:
    ends = [record.ends[rule] for record in records]
    verdicts = ("better", "worse", "practically the same", "undecided")
    shares = [_percent(ends, lambda end, v=verdict: end.verdict == v) for verdict in verdicts]
    runs = 2 * np.mean([end.seeds for end in ends])
    return " | ".join([*shares, f"{runs:.1f}", _percent(ends, lambda end: end.covers)])


def _sizes(records: Sequence[Record]) -> str:
    columns = [
        ", ".join(
            _percent(one_size, show) for one_size in zip(*(r.sizes for r in records), strict=True)
        )
        for show in (_covers, _excludes, _before)
    ]
    scatter = 100 * np.sqrt(np.mean([record.run_variance for record in records]))
    return " | ".join([*columns, f"{scatter:.2f}"])


def _covers(one: AtOneSize) -> bool:
    return one.covers


def _excludes(one: AtOneSize) -> bool:
    return one.excludes_zero


def _before(one: AtOneSize) -> bool:
    return one.excluded_zero_before


def _percent(values: Sequence[Any], holds: Callable[[Any], bool]) -> str:
    return f"{100 * np.mean([holds(value) for value in values]):.1f}"


if __name__ == "__main__":
    with clean_exit():
        measure(parse(VerdictOptions(), __doc__))
