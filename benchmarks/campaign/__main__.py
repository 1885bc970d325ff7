"""What happens to killed commands, and to damaged files.

python -m benchmarks.campaign kills each command at random moments and lets it continue; the result
is compared, bit for bit, with that of a command that nobody disturbed. Then it changes valid files
at random and gives them to the readers. Rows are printed as they are measured.
"""

import dataclasses
from collections import Counter
from pathlib import Path

from benchmarks.campaign import inputs, kills
from benchmarks.campaign.commands import COMMANDS, TRAIN
from benchmarks.campaign.readers import READERS
from benchmarks.machine import machine
from utils.errors import UserError
from utils.files.lock import locked
from utils.files.writing import write_atomically
from yolo4.cli import clean_exit, parse
from yolo4.options import check_ranges, option
from yolo4.sample_data.make import make_sample_data

ROWS = (*(command.name for command in COMMANDS), *(reader.name for reader in READERS))


@dataclasses.dataclass(frozen=True)
class CampaignOptions:
    """What is tried, and how often."""

    kills: int = option(20, "kills of each command", low=0)
    inputs: int = option(3000, "changed inputs of each reader", low=0)
    seed: int = option(0, "determines the moments and the changes", low=0)
    rows: tuple[str, ...] = option((), "commands and readers, by their names; none: all")
    output: str = option("campaign", "folder for the runs and the inputs with faults")

    def includes(self, row: str) -> bool:
        """Whether a row is wanted."""
        return not self.rows or row in self.rows

    def __post_init__(self) -> None:
        check_ranges(self)
        for row in self.rows:
            if row not in ROWS:
                raise UserError(f"--rows has {row!r}; expected some of {', '.join(ROWS)}")


def measure(options: CampaignOptions) -> None:
    """Print both tables, and a line for each fault."""
    folder = Path(options.output).resolve()
    # It locks the folder that it writes to, too.
    make_sample_data(folder / "data", train=12, val=4, test=4, size=96)
    print(f"{machine()}\n")
    with locked(folder):
        faults = _Faults(folder / "faults.txt")
        _measure_commands(options, folder, faults)
        _measure_readers(options, folder, faults)
    print(f"\n{len(faults.lines)} faults{', in ' + str(faults.path) if faults.lines else ''}")


class _Faults:
    """Lines about faults, which are written as soon as they are known."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[str] = []

    def add(self, lines: list[str]) -> None:
        self.lines += lines
        write_atomically(self.path, "".join(f"{line}\n" for line in self.lines))


def _measure_commands(options: CampaignOptions, folder: Path, faults: _Faults) -> None:
    chosen = [command for command in COMMANDS if options.includes(command.name)]
    if not chosen or not options.kills:
        return
    _print_head("command", kills.COLUMNS)
    if TRAIN not in chosen:  # the others need its run
        kills.kill_often(TRAIN, folder, 0, options.seed)
    for command in chosen:
        counts, found = kills.kill_often(command, folder, options.kills, options.seed)
        _print_row(command.name, options.kills, counts, kills.COLUMNS)
        faults.add(found)


def _measure_readers(options: CampaignOptions, folder: Path, faults: _Faults) -> None:
    chosen = [reader for reader in READERS if options.includes(reader.name)]
    if not chosen or not options.inputs:
        return
    _print_head("reader", inputs.COLUMNS)
    for reader in chosen:
        counts, found = inputs.try_inputs(reader, folder, options.inputs, options.seed)
        _print_row(reader.name, options.inputs, counts, inputs.COLUMNS)
        faults.add(found)


def _print_head(name: str, columns: tuple[str, ...]) -> None:
    print(f"\n| {name} | tried | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 2)}")


def _print_row(name: str, tried: int, counts: Counter[str], columns: tuple[str, ...]) -> None:
    numbers = (str(counts[column]) for column in columns)
    print(f"| {name} | {tried} | {' | '.join(numbers)} |", flush=True)


if __name__ == "__main__":
    with clean_exit():
        measure(parse(CampaignOptions(), __doc__))
