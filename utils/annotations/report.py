"""What the scan found, in one text."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from utils.annotations.source import Kind, Problem
from utils.records import Record

_EXAMPLES = 3


@dataclass(frozen=True)
class ScanReport:
    """What was found in the data and what became of it.

    Attributes:
        format: the format in human words.
        class_names: all classes.
        splits: the records that are used, by split.
        problems: everything that was set aside or mended, in the order found.
        notes: sentences on what was decided.
    """

    format: str
    class_names: tuple[str, ...]
    splits: dict[str, list[Record]]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]

    @property
    def box_counts(self) -> dict[str, np.ndarray]:
        """Boxes per class, int64 `[C]`, by split; difficult ones included."""
        return {
            split: sum(
                (np.bincount(r.labels, minlength=len(self.class_names)) for r in records),
                start=np.zeros(len(self.class_names), np.int64),
            )
            for split, records in self.splits.items()
        }

    @property
    def problem_counts(self) -> Counter[Kind]:
        """How often each kind of problem occurred."""
        return Counter(problem.kind for problem in self.problems)

    @property
    def text(self) -> str:
        """The whole report, for people."""
        lines = [f"Data: {self.format}", *self._table(), f"  image sizes: {self._sizes()}"]
        lines += [f"  note: {note}" for note in self.notes]
        lines += self._problem_lines()
        return "\n".join(lines)

    def _table(self) -> list[str]:
        """Images and boxes per class, a column per split."""
        counts = self.box_counts
        rows = [("", list(self.splits))]
        rows.append(("images", [len(records) for records in self.splits.values()]))
        empty = [sum(not len(r.labels) for r in records) for records in self.splits.values()]
        if any(empty):
            rows.append(("images without objects", empty))
        for label, name in enumerate(self.class_names):
            rows.append((f"boxes of {name}", [counts[split][label] for split in self.splits]))
        difficult = [sum(int(r.difficult.sum()) for r in rs) for rs in self.splits.values()]
        if any(difficult):
            rows.append(("of these difficult", difficult))
        width = max(len(title) for title, _ in rows)
        return [
            f"  {title:<{width}}" + "".join(f"{value!s:>9}" for value in values)
            for title, values in rows
        ]

    def _sizes(self) -> str:
        sizes = np.array([record.size for records in self.splits.values() for record in records])
        (low_w, low_h), (high_w, high_h) = sizes.min(axis=0), sizes.max(axis=0)
        if (low_w, low_h) == (high_w, high_h):
            return f"all {low_w}x{low_h}"
        return f"{low_w} to {high_w} wide, {low_h} to {high_h} high"

    def _problem_lines(self) -> list[str]:
        if not self.problems:
            return ["  nothing was set aside or mended"]
        lines = [f"  set aside or mended: {len(self.problems)}"]
        for kind, count in sorted(self.problem_counts.items(), key=lambda item: -item[1]):
            lines.append(f"    {describe(kind)}: {count}")
            lines += [f"      {p}" for p in self.problems if p.kind is kind][:_EXAMPLES]
            if count > _EXAMPLES:
                lines.append(f"      and {count - _EXAMPLES} more")
        return lines


def describe(kind: Kind) -> str:
    """A kind of problem and what is done about it, in words."""
    return ", ".join(kind.value)


def describe_first(problems: Sequence[Problem]) -> str:
    """How many problems there are and the first of them, in one line."""
    first = problems[0]
    count = f"{len(problems)} problems in the data; the first" if len(problems) > 1 else "1 problem"
    return f"{count}: {first.kind.value[0]}: {first}"
