"""An arm against the reference: the numbers, the verdict and the looks that led to it."""

from dataclasses import KW_ONLY, asdict, dataclass, fields
from typing import Any, Literal

# The error that verdicts may have; the confidence level of intervals is 1 - LEVEL.
LEVEL = 0.05


@dataclass(frozen=True)
class Outcome:
    """What is compared, and the error that verdicts on it may have.

    Attributes:
        name: for people.
        level: probability of one or more false verdicts of a kind among all arms and looks.
    """

    name: str
    level: float


# VOC mAP decides. The co-outcome is a second chance to be deceived, so it gets half the error.
PRIMARY = Outcome("mAP", LEVEL)
CO_OUTCOME = Outcome("AP of all objects as one class", LEVEL / 2)

Interval = tuple[float, float]
Verdict = Literal["better", "worse", "practically the same", "undecided"]


@dataclass(frozen=True)
class Components:
    """Where the noise of a single seed's difference comes from; standard deviations.

    Attributes:
        image: the choice of test images, for all seeds alike; more seeds do not reduce it.
        seed: the training, for all images alike.
        image_by_seed: that another training gets other images right.
    """

    image: float
    seed: float
    image_by_seed: float


@dataclass(frozen=True)
class Look:
    """The study as it was after one of the planned numbers of seeds.

    Attributes:
        seeds: their number.
        mean: of their differences.
        interval: with confidence 1 - level, the true difference is in this interval at all looks.
        equivalence_interval: with confidence 1 - 2 level; that of the test of practical sameness.
        p: two-sided p of no difference, corrected for the looks.
        p_same: p of a difference as large as the smallest one that matters, or larger; corrected
            for the looks.
        p_holm: `p`, corrected for all arms that are compared.
        p_same_holm: `p_same`, corrected in the same way.
        verdict: "undecided" means that the noise is too large for a verdict.
        futile: the last planned look would hardly decide it.
    """

    seeds: int
    mean: float
    interval: Interval
    equivalence_interval: Interval
    p: float
    p_same: float
    p_holm: float = 1.0
    p_same_holm: float = 1.0
    verdict: Verdict = "undecided"
    futile: bool = False


@dataclass(frozen=True)
class Contrast:
    """The outcome of an arm minus that of the reference, as fractions; 0.01 is a point.

    All numbers are those of the last look that was reached, with its seeds alone: seeds that have
    finished since are judged at the next look. Before the first look, they are of all seeds, and
    there is no verdict. A seed of which a run diverged counts for reaching a look only.

    Attributes:
        arm: name of the arm.
        reference: name of the arm it is compared with.
        seeds: the seeds that both finished and that are judged here, at least one.
        differences: one per seed.
        mean: of the differences.
        image_interval: 95% interval of the mean over test images alone (paired bootstrap).
        interval: of the mean over images and seeds, with confidence 1 - level, corrected for the
            looks; before the first look it is not corrected; None with one seed.
        equivalence_interval: see `Look`; None before the first look.
        p: see `Look`; None before the first look.
        p_same: likewise.
        p_holm: likewise.
        p_same_holm: likewise.
        probability_better: of a difference above 0, given these seeds and no earlier opinion. It is
            not corrected for looks or arms. None with one seed, as the next two.
        probability_worse: of a difference below 0.
        probability_same: of a difference smaller than `smallest_difference`, of either sign.
        verdict: see `Look`.
        futile: see `Look`.
        smallest_difference: smaller ones are practically the same.
        next_look: number of seeds at the next planned look; None after the last.
        last_look: number of seeds at the last planned look.
        looks: those reached so far; the last of them gave the verdict.
        components: where the noise comes from; None with one seed.
        correlation: of the values of arm and reference over the seeds, 1 if a seed that is good for
            one is as good for the other; None with fewer than three seeds.
        images: number of test images.
        comparisons: number of arms that Holm's correction took together.
        outcome: name of what is compared.
        level: the error that the verdict may have, see `Outcome`.
        sentence: the result in plain words.
    """

    arm: str
    reference: str
    seeds: tuple[int, ...]
    _: KW_ONLY
    differences: tuple[float, ...]
    mean: float
    image_interval: Interval
    interval: Interval | None = None
    equivalence_interval: Interval | None = None
    p: float | None = None
    p_same: float | None = None
    p_holm: float | None = None
    p_same_holm: float | None = None
    probability_better: float | None = None
    probability_worse: float | None = None
    probability_same: float | None = None
    verdict: Verdict = "undecided"
    futile: bool = False
    smallest_difference: float
    next_look: int | None
    last_look: int
    looks: tuple[Look, ...] = ()
    components: Components | None = None
    correlation: float | None = None
    images: int
    comparisons: int
    outcome: str = PRIMARY.name
    level: float = PRIMARY.level
    sentence: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The fields, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class NotComparable:
    """An arm that has no numbers against the reference.

    Attributes:
        arm: name of the arm.
        reference: name of the arm it should be compared with.
        reason: why the runs are not paired or not measured.
    """

    arm: str
    reference: str
    reason: str

    @property
    def sentence(self) -> str:
        """The result in plain words."""
        return f"{self.arm} and {self.reference} cannot be compared: {self.reason.rstrip('.')}."

    def to_dict(self) -> dict[str, Any]:
        """The fields of a `Contrast`, for JSON; None in place of its numbers."""
        return dict.fromkeys(field.name for field in fields(Contrast)) | {
            "arm": self.arm,
            "reference": self.reference,
            "seeds": (),
            "differences": (),
            "looks": (),
            "verdict": "not comparable",
            "futile": False,
            "sentence": self.sentence,
        }


def excludes_zero(interval: Interval) -> bool:
    """Whether both limits lie on the same side of zero."""
    return interval[0] > 0 or interval[1] < 0
