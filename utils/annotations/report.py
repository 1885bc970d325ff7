"""The report of a scan."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from utils.annotations.raw import Finding, Problem
from utils.records import Record

_EXAMPLES = 3


@dataclass(frozen=True)
class ScanReport:
    """What is in the data, what is wrong with it, and what was done about it.

    Attributes:
        format: the name of the format, for people.
        class_names: all classes.
        splits: the records that are used, by split.
        findings: everything that was skipped or fixed, in the order found.
        notes: sentences on what was decided.
    """

    format: str
    class_names: tuple[str, ...]
    splits: dict[str, list[Record]]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]

    @property
    def box_counts(self) -> dict[str, np.ndarray]:
        """Boxes per class, int64 `[C]`, by split; difficult objects are included."""
        return {
            split: sum(
                (np.bincount(r.labels, minlength=len(self.class_names)) for r in records),
                start=np.zeros(len(self.class_names), np.int64),
            )
            for split, records in self.splits.items()
        }

    @property
    def problem_counts(self) -> Counter[Problem]:
        """How often each problem occurred."""
        return Counter(finding.problem for finding in self.findings)

    @property
    def text(self) -> str:
        """The whole report, for people."""
        lines = [f"Data: {self.format}", *self._table(), f"  image sizes: {self._image_sizes()}"]
        lines += [f"  note: {note}" for note in self.notes]
        lines += self._finding_lines()
        return "\n".join(lines)

    def _table(self) -> list[str]:
        """Images and boxes per class, one column per split."""
        counts = self.box_counts
        rows: list[tuple[str, Sequence[object]]] = [("", list(self.splits))]
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

    def _image_sizes(self) -> str:
        sizes = np.array([record.size for records in self.splits.values() for record in records])
        (min_width, min_height), (max_width, max_height) = sizes.min(axis=0), sizes.max(axis=0)
        if (min_width, min_height) == (max_width, max_height):
            return f"all {min_width}x{min_height}"
        return f"{min_width} to {max_width} wide, {min_height} to {max_height} high"

    def _finding_lines(self) -> list[str]:
        if not self.findings:
            return ["  no problems found"]
        lines = [f"  skipped or fixed: {len(self.findings)}"]
        for problem, count in sorted(self.problem_counts.items(), key=lambda item: -item[1]):
            lines.append(f"    {', '.join(problem.value)}: {count}")
            lines += [f"      {f}" for f in self.findings if f.problem is problem][:_EXAMPLES]
            if count > _EXAMPLES:
                lines.append(f"      and {count - _EXAMPLES} more")
        return lines


def describe_first(findings: Sequence[Finding]) -> str:
    """The number of problems and the first one, on one line."""
    first, count = findings[0], len(findings)
    start = f"{count} problems in the data; the first" if count > 1 else "1 problem in the data"
    return f"{start}: {first.problem.value[0]}: {first}"
