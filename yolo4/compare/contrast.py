"""An arm against the reference: the numbers, and a sentence that states them."""

from dataclasses import dataclass
from typing import Literal

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
        seeds: the seeds that both finished; empty if they are not comparable.
        differences: one per seed.
        mean: of the differences.
        image_interval: 95% interval of the mean over test images alone (paired bootstrap).
        interval: 95% interval of the mean over test images and seeds; None with one seed.
        sign_flip_p: p of the exact paired permutation test over the seeds.
        least_sign_flip_p: the smallest p that this test can give with so many seeds.
        p: p of the t test that belongs to `interval`; None with one seed.
        p_holm: p, corrected for all contrasts that have one.
        sign_flip_p_holm: `sign_flip_p`, corrected in the same way.
        verdict: "inconclusive" means that the noise is too large for a verdict, not that there is
            no difference; "not comparable" that the runs are not paired or not measured.
        seeds_needed: about how many seeds would settle it if the difference stayed the same.
        images_needed: about how many test images; together with `seeds_needed` if both are given.
        sentence: the result in plain words.
    """

    arm: str
    reference: str
    seeds: tuple[int, ...] = ()
    differences: tuple[float, ...] = ()
    mean: float | None = None
    image_interval: Interval | None = None
    interval: Interval | None = None
    sign_flip_p: float | None = None
    least_sign_flip_p: float | None = None
    p: float | None = None
    p_holm: float | None = None
    sign_flip_p_holm: float | None = None
    verdict: Literal["better", "worse", "inconclusive", "not comparable"] = "not comparable"
    seeds_needed: int | None = None
    images_needed: int | None = None
    sentence: str = ""


def without_numbers(arm: str, reference: str, reason: str) -> Contrast:
    """A contrast without numbers, with the reason for that."""
    sentence = f"{arm} and {reference} cannot be compared: {reason.rstrip('.')}."
    return Contrast(arm, reference, sentence=sentence)


def describe(contrast: Contrast, images: int, comparisons: int) -> str:
    """The sentence of a contrast that has a verdict.

    Args:
        contrast: complete except for its sentence.
        images: number of test images.
        comparisons: number of p values that Holm's correction took together.
    """
    if len(contrast.seeds) == 1:
        return (
            "Inconclusive: one run per arm says nothing about the noise of training. "
            f"{_difference(contrast)} with seed {contrast.seeds[0]}, 95% interval over "
            f"{images} test images alone {_interval(contrast.image_interval)}."
        )
    size = f"{len(contrast.seeds)} seeds, {images} test images"
    if contrast.verdict == "inconclusive":
        return (
            f"Inconclusive: {_difference(contrast)}, 95% interval "
            f"{_interval(contrast.interval)} ({size}){_but(contrast, comparisons)}; "
            f"{_what_would_settle(contrast)}."
        )
    corrected = f"; p {_p(contrast.p_holm)} corrected for {comparisons} comparisons"
    return (
        f"{contrast.arm} is {contrast.verdict} than {contrast.reference}: "
        f"{_points(contrast.mean)} points of mAP (95% interval {_interval(contrast.interval)}; "
        f"{size}{corrected if comparisons > 1 else ''})."
    )


def _but(contrast: Contrast, comparisons: int) -> str:
    """Why there is no verdict, if the interval excludes zero."""
    if not excludes_zero(contrast.interval):
        return ""
    if not excludes_zero(contrast.image_interval):
        return f", but over the images alone {_interval(contrast.image_interval)}"
    return f", but p {_p(contrast.p_holm)} corrected for {comparisons} comparisons"


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
