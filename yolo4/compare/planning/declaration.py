"""What a study has declared, before its first run or later."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from utils.files.reading import reading
from yolo4.compare.design import Design


@dataclass(frozen=True)
class Declaration:
    """A design, and when it was declared.

    Attributes:
        design: what was declared.
        finished_runs: runs whose results were known then.
        date: the day, for people.
    """

    design: Design
    finished_runs: int
    date: str

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def read_declarations(entries: Sequence[Mapping[str, Any]], path: Path) -> list[Declaration]:
    """Read what `Declaration.to_dict` gave.

    Args:
        entries: parsed JSON.
        path: the file it is from.

    Raises:
        UserError: they are no declarations.
    """
    with reading(path, "designs under 'declared'"):
        return [
            Declaration(
                _design(**entry["design"]),
                int(entry["finished_runs"]),
                str(entry["date"]),
            )
            for entry in entries
        ]


def _design(smallest_difference: Any, looks: Any, folds: Any, co_outcome: Any = None) -> Design:
    """From parsed JSON; older versions declared no co-outcome."""
    name = None if co_outcome is None else str(co_outcome)
    return Design(float(smallest_difference), tuple(map(int, looks)), int(folds), name)


def declare(
    earlier: Sequence[Declaration], design: Design, finished_runs: int
) -> list[Declaration]:
    """Add a design to the earlier ones, if it differs from the last.

    As long as no result is known, a new design takes the place of the earlier ones.
    """
    if earlier and earlier[-1].design == design:
        return list(earlier)
    declaration = Declaration(design, finished_runs, time.strftime("%Y-%m-%d"))
    return [*(earlier if finished_runs else ()), declaration]


def changes_of(declared: Sequence[Declaration]) -> list[str]:
    """What was declared after results were known, in plain words; nothing if that is nothing."""
    late = [each for each in declared if each.finished_runs]
    if not late:
        return []
    first = declared[0]
    sentences = [
        f"{'The design was declared' if each is first else 'Another design was declared'} after "
        f"{each.finished_runs} runs had finished ({each.date}): {_words(each.design)}."
        for each in late
    ]
    before = [] if first.finished_runs else [f"Declared at first: {_words(first.design)}."]
    return [" ".join([*before, *sentences, "Error rates hold for a design declared before."])]


def _words(design: Design) -> str:
    looks = ", ".join(map(str, design.looks))
    folds = f", {design.folds} folds" if design.folds else ""
    beside = f", co-outcome {design.co_outcome}" if design.co_outcome else ""
    return (
        f"smallest difference {100 * design.smallest_difference:g} points, looks after {looks} "
        f"seeds{folds}{beside}"
    )
