"""What a scan tells a person, on the screen and in a table of all records it changed."""

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from utils.annotations.raw import Finding, Problem
from utils.annotations.report.warnings import shorten
from utils.printable import printable
from utils.records import Record, count_boxes
from utils.text import aligned

_EXAMPLES = 3
_MOST_NOTES = 20
_MOST_CLASSES = 100


@dataclass(frozen=True)
class ScanReport:
    """What is in the data, what is wrong with it, and what was done about it.

    Attributes:
        format: the name of the format, for people.
        class_names: all classes.
        splits: the records that are used, by split.
        findings: everything that was skipped or fixed, in the order found.
        notes: sentences on what was decided.
        warnings: sentences on data that trains or measures badly.
        unused: files that were seen and not used, and why.
        file: the file that `to_csv()` is written to, if any.
    """

    format: str
    class_names: tuple[str, ...]
    splits: dict[str, list[Record]]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    unused: Mapping[Path, str] = field(default_factory=dict)
    file: Path | None = None

    @property
    def box_counts(self) -> dict[str, np.ndarray]:
        """Boxes per class, int64 `[C]`, by split; difficult objects are included."""
        return {
            split: count_boxes(records, len(self.class_names))
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
        notes = [f"  note: {note}" for note in [*self.notes, *self._unused_notes()]]
        notes[_MOST_NOTES:] = [f"  and {len(notes) - _MOST_NOTES} more notes"][
            : len(notes) - _MOST_NOTES
        ]
        lines += notes
        lines += [f"  warning: {warning}" for warning in self.warnings]
        lines += self._finding_lines()
        if self.file and (self.findings or self.unused):
            lines.append(f"  all of these are in {self.file}")
        return "\n".join(map(printable, lines))

    def to_csv(self) -> bytes:
        """Every record that was skipped or changed, every file not used, every note.

        Returns:
            A table in UTF-8 with the columns file, where (the line or object), what (was found)
            and done (about it).
        """
        rows = [
            (f.file, f.where, f"{f.problem.value[0]}: {f.detail}", f.problem.value[1])
            for f in self.findings
        ]
        rows += [(path, "", why, "file not used") for path, why in self.unused.items()]
        rows += [("", "", warning, "warning") for warning in self.warnings]
        rows += [("", "", note, "note") for note in self.notes]
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(("file", "where", "what", "done"))
        table.writerows(rows)
        return text.getvalue().encode("utf-8", errors="backslashreplace")

    def _unused_notes(self) -> list[str]:
        """One line for all files with the same suffix that were not used for the same reason."""
        groups = defaultdict(list)
        for path, why in self.unused.items():
            groups[path.suffix.lower(), why].append(path)
        return [
            f"{len(paths)} {suffix} not used ({why}): {shorten(paths)}"
            for (suffix, why), paths in groups.items()
        ]

    def _table(self) -> list[str]:
        """Images and boxes per class, one column per split."""
        counts = self.box_counts
        rows: list[tuple[str, Sequence[object]]] = [("", list(self.splits))]
        rows.append(("images", [len(records) for records in self.splits.values()]))
        empty = [sum(not len(r.labels) for r in records) for records in self.splits.values()]
        if any(empty):
            rows.append(("images without objects", empty))
        for label, name in enumerate(self.class_names[:_MOST_CLASSES]):
            rows.append((f"boxes of {name}", [counts[split][label] for split in self.splits]))
        if len(self.class_names) > _MOST_CLASSES:
            rest = [counts[split][_MOST_CLASSES:].sum() for split in self.splits]
            rows.append((f"boxes of {len(self.class_names) - _MOST_CLASSES} more classes", rest))
        difficult = [sum(int(r.difficult.sum()) for r in rs) for rs in self.splits.values()]
        if any(difficult):
            rows.append(("of these difficult", difficult))
        cells = [[f"  {title}", *(f"{value!s:>7}" for value in values)] for title, values in rows]
        return aligned(cells)

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
