"""An arm against the reference: the numbers, and a sentence that states them."""

from dataclasses import KW_ONLY, asdict, dataclass, fields
from typing import Any, Literal

# Significance level of verdicts; the confidence level of intervals is 1 - LEVEL.
LEVEL = 0.05
MOST_SEEDS = 1000

Interval = tuple[float, float]


@dataclass(frozen=True)
class Contrast:
    """The mAP of an arm minus that of the reference, as fractions; 0.01 is a point.

    Attributes:
        arm: name of the arm.
        reference: name of the arm it is compared with.
        seeds: the seeds that both finished, at least one.
        differences: one per seed.
        mean: of the differences.
        image_interval: 95% interval of the mean over test images alone (paired bootstrap).
        interval: 95% interval of the mean over test images and seeds; None with one seed.
        sign_flip_p: p of the exact paired permutation test over the seeds.
        least_sign_flip_p: the smallest p that this test can give with so many seeds.
        p: p of the t test that belongs to `interval`; None with one seed.
        p_holm: p, corrected for all contrasts that have one; None with one seed.
        sign_flip_p_holm: `sign_flip_p`, corrected in the same way.
        verdict: "inconclusive" means that the noise is too large for a verdict, not that there is
            no difference.
        seeds_needed: about how many seeds would settle it if the difference stayed the same.
        images_needed: about how many test images; together with `seeds_needed` if both are given.
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
    sign_flip_p: float
    least_sign_flip_p: float
    p: float | None = None
    p_holm: float | None = None
    sign_flip_p_holm: float | None = None
    verdict: Literal["better", "worse", "inconclusive"] = "inconclusive"
    seeds_needed: int | None = None
    images_needed: int | None = None
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
            "verdict": "not comparable",
            "sentence": self.sentence,
        }


def describe(contrast: Contrast, images: int, comparisons: int) -> str:
    """The sentence of a contrast.

    Args:
        contrast: complete except for its sentence.
        images: number of test images.
        comparisons: number of p values that Holm's correction took together.
    """
    if contrast.interval is None or contrast.p_holm is None:
        return (
            "Inconclusive: one run per arm says nothing about the noise of training. "
            f"{_difference(contrast)} with seed {contrast.seeds[0]}, 95% interval over "
            f"{images} test images alone {_interval(contrast.image_interval)}."
        )
    size = f"{len(contrast.seeds)} seeds, {images} test images"
    corrected = f"p {_p(contrast.p_holm)} corrected for {comparisons} comparisons"
    if contrast.verdict == "inconclusive":
        but = _but(contrast.interval, contrast.image_interval, corrected)
        return (
            f"Inconclusive: {_difference(contrast)}, 95% interval "
            f"{_interval(contrast.interval)} ({size}){but}; {_what_would_settle(contrast)}."
        )
    return (
        f"{contrast.arm} is {contrast.verdict} than {contrast.reference}: "
        f"{_points(contrast.mean)} points of mAP (95% interval {_interval(contrast.interval)}; "
        f"{size}{f'; {corrected}' if comparisons > 1 else ''})."
    )


def _but(interval: Interval, image_interval: Interval, corrected: str) -> str:
    """Why there is no verdict, if the interval excludes zero."""
    if not excludes_zero(interval):
        return ""
    if not excludes_zero(image_interval):
        return f", but over the images alone {_interval(image_interval)}"
    return f", but {corrected}"


def _what_would_settle(contrast: Contrast) -> str:
    seeds, images = contrast.seeds_needed, contrast.images_needed
    if not (seeds or images):
        return f"{MOST_SEEDS} seeds would not settle a difference so small"
    if not images:
        return f"about {seeds} seeds would settle it if the difference stays"
    if not seeds:
        return f"about {images} test images would settle it if the difference stays"
    return (
        f"about {seeds} seeds and {images} test images together would settle it if the "
        "difference stays"
    )


def excludes_zero(interval: Interval) -> bool:
    """Whether both limits lie on the same side of zero."""
    return interval[0] > 0 or interval[1] < 0


def _difference(contrast: Contrast) -> str:
    return f"{contrast.arm} - {contrast.reference} = {_points(contrast.mean)} points of mAP"


def _interval(interval: Interval) -> str:
    return f"{_points(interval[0])} to {_points(interval[1])}"


def _points(fraction: float) -> str:
    """In points, signed, with enough decimals to show the sign of a small value."""
    texts = (f"{100 * fraction:+.{decimals}f}" for decimals in (1, 2, 3))
    return next((text for text in texts if text.strip("+-0.")), "0.0")


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.2g}"
