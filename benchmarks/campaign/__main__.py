"""What happens to killed commands, and to damaged files.

python -m benchmarks.campaign kills each command at random moments and lets it continue; the result
is compared, bit for bit, with that of a command that nobody disturbed. Then it changes valid files
at random and gives them to the readers. Rows are printed as they are measured.
"""

import dataclasses
from collections import Counter
from pathlib import Path

from benchmarks.campaign import inputs, kills
from benchmarks.campaign.commands import COMMANDS
from benchmarks.campaign.readers import READERS
from benchmarks.machine import machine
from utils.errors import UserError
from utils.files.lock import locked
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

    def __post_init__(self) -> None:
        check_ranges(self)
        for row in self.rows:
            if row not in ROWS:
                raise UserError(f"--rows has {row!r}; expected some of {', '.join(ROWS)}")


def measure(options: CampaignOptions) -> None:
    """Print both tables, and a line for each fault."""
    folder, faults = Path(options.output).resolve(), []
    rows = options.rows or ROWS
    make_sample_data(folder / "data", train=12, val=4, test=4, size=96)
    with locked(folder):
        print(f"{machine()}\n")
        chosen = [command for command in COMMANDS if command.name in rows and options.kills]
        if any(command.needs_run for command in chosen) and "train" not in rows:
            kills.kill_often(COMMANDS[0], folder, 0, options.seed, faults)
        _print_head("command", kills.COLUMNS, bool(chosen))
        for command in chosen:
            counts = kills.kill_often(command, folder, options.kills, options.seed, faults)
            _print_row(command.name, options.kills, counts, kills.COLUMNS)
        readers = [reader for reader in READERS if reader.name in rows and options.inputs]
        _print_head("reader", inputs.COLUMNS, bool(readers))
        for reader in readers:
            counts = inputs.try_inputs(reader, folder, options.inputs, options.seed, faults)
            _print_row(reader.name, options.inputs, counts, inputs.COLUMNS)
    print("\nNo faults." if not faults else f"\n{len(faults)} faults:")
    print("\n".join(faults))


def _print_head(name: str, columns: tuple[str, ...], is_wanted: bool) -> None:
    if is_wanted:
        print(f"\n| {name} | tried | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 2)}")


def _print_row(name: str, tried: int, counts: Counter[str], columns: tuple[str, ...]) -> None:
    numbers = (str(counts[column]) for column in columns)
    print(f"| {name} | {tried} | {' | '.join(numbers)} |", flush=True)


if __name__ == "__main__":
    with clean_exit():
        measure(parse(CampaignOptions(), __doc__))
