"""What a study declares before its first run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Design:
    """What a study declares before its first run.

    Attributes:
        smallest_difference: a fraction of mAP; smaller differences are "practically the same".
        looks: numbers of seeds after which the study is judged, ascending; the last is the most.
        folds: number of parts of the labeled set that the seeds test in turn; 0 if the data's own
            test split is measured.
        co_outcome: name of the outcome of low variance that is judged beside mAP, with an error of
            its own; None in studies that declared none.
    """

    smallest_difference: float = 0.02
    looks: tuple[int, ...] = (3, 5, 8, 12)
    folds: int = 0
    co_outcome: str | None = None

    @property
    def overlap(self) -> float:
        """What folds that share training images add to the 1 / seeds of the seeds' variance."""
        return 1 / (self.folds - 1) if self.folds else 0.0
