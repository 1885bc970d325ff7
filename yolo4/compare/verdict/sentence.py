"""A contrast in plain words: the verdict, how sure it is, and what more seeds can do."""

from yolo4.compare.contrast import Contrast, Interval, excludes_zero


def describe(contrast: Contrast) -> str:
    """The sentence of a contrast, which is complete except for it."""
    if contrast.interval is None:
        return (
            "It is undecided: one run per arm says nothing about the noise of training. "
            f"{contrast.arm} - {contrast.reference} = {_points(contrast.mean)} points of mAP with "
            f"seed {contrast.seeds[0]}, 95% interval over {contrast.images} images alone "
            f"{_interval(contrast.image_interval)}."
        )
    size = f"{len(contrast.seeds)} seeds, {contrast.images} images"
    mean, interval = _points(contrast.mean), f"95% interval {_interval(contrast.interval)}"
    if contrast.verdict == "practically the same" and contrast.equivalence_interval:
        return (
            f"{contrast.arm} and {contrast.reference} are practically the same: they differ by "
            f"less than {100 * contrast.smallest_difference:.1f} points of mAP ({mean}; 90% "
            f"interval {_interval(contrast.equivalence_interval)}; {size}"
            f"{_correction(contrast.p_same_holm, contrast.comparisons)})."
        )
    if contrast.verdict in ("better", "worse"):
        return (
            f"{contrast.arm} is {contrast.verdict} than {contrast.reference}: {mean} points of mAP "
            f"({interval}; {size}{_correction(contrast.p_holm, contrast.comparisons)})."
        )
    excluded = excludes_zero(contrast.interval) and contrast.p_holm is not None
    but = _correction(contrast.p_holm, contrast.comparisons) if excluded else ""
    return (
        f"It is undecided whether {contrast.arm} is better or worse than {contrast.reference}: "
        f"{mean} points of mAP ({interval}; {size}{but}). {_prospect(contrast)}"
    )


def _prospect(contrast: Contrast) -> str:
    """What more seeds can do about an open question."""
    if not contrast.looks:
        return f"The first verdict is given after {contrast.next_look} seeds."
    if contrast.next_look is None:
        return "No further look is planned."
    if not contrast.futile:
        return f"The next look is after {contrast.next_look} seeds."
    noise, why = contrast.components, ""
    if noise is not None:
        of_seeds = (noise.seed**2 + noise.image_by_seed**2) / contrast.last_look
        if noise.image**2 > of_seeds:
            why = ", since most of the doubt comes from the choice of images"
    return f"More seeds, up to {contrast.last_look}, would hardly decide it{why}."


def _correction(p: float | None, comparisons: int) -> str:
    if comparisons < 2 or p is None:
        return ""
    return f"; p {'< 0.001' if p < 0.001 else f'= {p:.2g}'} corrected for {comparisons} comparisons"


def _interval(interval: Interval) -> str:
    return f"{_points(interval[0])} to {_points(interval[1])}"


def _points(fraction: float) -> str:
    """In points, signed, with enough decimals to show the sign of a small value."""
    texts = (f"{100 * fraction:+.{decimals}f}" for decimals in (1, 2, 3))
    return next((text for text in texts if text.strip("+-0.")), "0.0")
