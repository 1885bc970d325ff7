"""The options of `compare.py`: what is compared, and how."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from utils.errors import UserError
from yolo4.compare.contrast import CO_OUTCOME
from yolo4.compare.design import Design
from yolo4.config import ConfidenceLoss, Config
from yolo4.options import flag, from_mapping, option
from yolo4.presets import PRESET_HELP, Preset, with_preset

Measure = Literal["best", "last"]


@dataclasses.dataclass(frozen=True)
class CompareOptions(Config):
    """The settings that all runs share, and what is compared with them.

    Attributes:
        given: names of the options whose flags were given on the command line.
    """

    arms: tuple[str, ...] = option(
        ("bce", "focal"),
        "confidence losses, the reference first, each with settings that only this arm has: "
        "focal:focal_gamma=1; several values make a grid: focal:focal_alpha=0.25,0.5",
        "comparison",
    )
    smallest_difference: float = option(
        2.0,
        "points of mAP that would matter; arms that differ by less are practically the same",
        "comparison",
        0.01,
        100,
    )
    max_seeds: int = option(
        12, "most runs of each arm; the first has seed --seed", "comparison", low=1, high=40
    )
    looks: tuple[int, ...] = option(
        (3, 5, 8, 12),
        "numbers of seeds after which the verdict is looked at; up to --max-seeds, which is the "
        "last look",
        "comparison",
        low=2,
    )
    until_decided: bool = option(
        False, "stop at a look that decides, or that shows that going on would not", "comparison"
    )
    folds: int = option(
        0,
        "parts of the whole labeled set, test included: seed s tests part s mod folds and trains "
        "on the others; 0: the splits of the data",
        "comparison",
        0,
        100,
    )
    protocol: Literal["as_is", "matched", "tuned"] = option(
        "as_is",
        "matched: each arm's confidence gain is set so that the initial gradient of its confidence "
        "loss is as large as BCE's; tuned: --trials on validation images choose each arm's "
        "settings; for one arm: focal:protocol=matched",
        "comparison",
    )
    trials: int = option(20, "trials of each arm that is tuned", "comparison", 1, 1000)
    measure: Measure = option(
        "best",
        "the weights of each run that are measured: the best on validation images, or the last, "
        "which no image has chosen",
        "comparison",
    )
    split: Literal["test", "val", "val+test"] | None = option(
        None,
        "the images that are measured: val to explore, test to confirm what was chosen, val+test "
        "with --measure last; None: test if the data has it, else val",
        "comparison",
    )
    output: str = option(
        "comparison", "folder of the study; a study that is there is continued", "comparison"
    )
    resamples: int = option(
        2000, "bootstrap resamples of the test images", "comparison", 2000, 1_000_000
    )
    report_only: str | None = option(
        None, "write the report of this study again, without training", "comparison"
    )
    cluster: str | None = option(
        None,
        "do several runs at once with Ray: auto (the cluster that this machine belongs to, or else "
        "this machine alone) or the address of a cluster; None: one run after another",
        "cluster",
    )
    run_gpus: float | None = option(
        None,
        "GPUs of each run, or a fraction of one; None: 1 if the cluster has GPUs, else 0",
        "cluster",
        0,
        1024,
    )
    run_cpus: int | None = option(
        None,
        "processor cores and threads of each run; None: those of a machine, divided among the runs "
        "that its GPUs allow",
        "cluster",
        1,
        4096,
    )
    ship_data: bool = option(
        False,
        "send the data set and the other files that the settings name to each machine, once, as if "
        "it had them at the same paths",
        "cluster",
    )
    preset: Preset = option("full", PRESET_HELP, "run")
    # The arm and the study set these for each run, so they are no flags here.
    confidence_loss: ConfidenceLoss = option("focal", "set by the arm", group=None)
    run_dir: str | None = option(None, "set by the study", group=None)
    # Those of --weights were trained with one of the losses, or with yet another one.
    fresh_heads: bool = option(True, "set by the study", group=None)
    co_outcome: str | None = option(CO_OUTCOME.name, "set by the study", group=None)
    given: frozenset[str] = dataclasses.field(default=frozenset(), compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        unused = sorted(self.given - {"report_only"})
        if self.report_only is not None and unused:
            raise UserError(
                f"{flag(unused[0])} cannot be given with --report-only: the study has its own "
                "options"
            )
        self._check_cluster()
        if not self.arms:
            raise UserError("--arms: a comparison needs at least two")
        if self.folds == 1:
            raise UserError("--folds is 1; it must be 0, or at least 2")
        if self.folds and self.split is not None:
            raise UserError(f"--split {self.split}: with --folds every image is tested; remove one")
        self._check_val_and_test()
        if list(self.looks) != sorted(set(self.looks)):
            looks = " ".join(map(str, self.looks))
            raise UserError(f"--looks {looks}: expected ascending numbers of seeds")

    def _check_val_and_test(self) -> None:
        """Validation images are like test images if they have chosen nothing."""
        if self.split != "val+test":
            return
        if self.measure == "best":
            raise UserError(
                "--split val+test: validation images choose the best weights; add --measure last"
            )
        if self.early_stopping:
            raise UserError(
                "--split val+test: with --early-stopping, validation images choose the last epoch; "
                "remove one"
            )

    def _check_cluster(self) -> None:
        alone = sorted(self.given & {"run_gpus", "run_cpus", "ship_data"})
        if alone and self.cluster is None:
            raise UserError(f"{flag(alone[0])} needs --cluster: without it, runs have no machines")
        if self.run_gpus and self.run_gpus > 1 and self.run_gpus % 1:
            raise UserError(f"--run-gpus {self.run_gpus:g}: above 1, expected a whole number")
        if self.cluster and "://" in self.cluster:
            raise UserError(
                f"--cluster {self.cluster}: expected auto or host:port; begin the study on a "
                "machine of the cluster"
            )

    @property
    def design(self) -> Design:
        """What the study declares before its first run."""
        last = max(2, self.max_seeds)  # one seed says nothing about the noise of training
        looks = (*(look for look in self.looks if look < last), last)
        return Design(self.smallest_difference / 100, looks, self.folds, self.co_outcome)


def compare_defaults(
    config: Mapping[str, Any], argv: Sequence[str] | None = None
) -> CompareOptions:
    """The defaults of the flags: the CONFIG blocks over their preset.

    Args:
        config: values of `CompareOptions` by name: those of `train.py` and `compare.py`.
        argv: the command-line arguments, for `--preset`; `sys.argv[1:]` when None.

    Raises:
        UserError: `config` has an unknown setting or a value that is not allowed.
    """
    return from_mapping(CompareOptions, with_preset(config, argv), "CONFIG")
