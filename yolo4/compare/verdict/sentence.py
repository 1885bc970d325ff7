"""A contrast in plain words: the verdict, how sure it is, and what more seeds can do."""

from yolo4.compare.contrast import Contrast, Interval, excludes_zero


def describe(contrast: Contrast) -> str:
    """The sentence of a contrast, which is complete except for it."""
    unit = f"points of {contrast.outcome}"
    if contrast.interval is None:
        return (
            "It is undecided: one run per arm says nothing about the noise of training. "
            f"{contrast.arm} - {contrast.reference} = {_points(contrast.mean)} {unit} with "
            f"seed {contrast.seeds[0]}, 95% interval over {contrast.images} images alone "
            f"{_interval(contrast.image_interval)}."
        )
    size = f"{len(contrast.seeds)} seeds, {contrast.images} images"
    mean = _points(contrast.mean)
    interval = f"{percent(1 - contrast.level)} interval {_interval(contrast.interval)}"
    if contrast.verdict == "practically the same" and contrast.equivalence_interval:
        return (
            f"{contrast.arm} and {contrast.reference} are practically the same: they differ by "
            f"less than {100 * contrast.smallest_difference:.1f} {unit} ({mean}; "
            f"{percent(1 - 2 * contrast.level)} interval "
            f"{_interval(contrast.equivalence_interval)}; {size}"
            f"{_correction(contrast.p_same_holm, contrast.comparisons)})."
        )
    if contrast.verdict in ("better", "worse"):
        return (
            f"{contrast.arm} is {contrast.verdict} than {contrast.reference}: {mean} {unit} "
            f"({interval}; {size}{_correction(contrast.p_holm, contrast.comparisons)})."
        )
    excluded = excludes_zero(contrast.interval) and contrast.p_holm is not None
    but = _correction(contrast.p_holm, contrast.comparisons) if excluded else ""
    return (
        f"It is undecided whether {contrast.arm} is better or worse than {contrast.reference}: "
        f"{mean} {unit} ({interval}; {size}{but}). {_prospect(contrast)}"
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


def percent(share: float) -> str:
    """As a percentage, without decimals that are zero."""
    return f"{100 * share:.4g}%"


def _interval(interval: Interval) -> str:
    return f"{_points(interval[0])} to {_points(interval[1])}"


def _points(fraction: float) -> str:
    """In points, signed, with enough decimals to show the sign of a small value."""
    texts = (f"{100 * fraction:+.{decimals}f}" for decimals in (1, 2, 3))
    return next((text for text in texts if text.strip("+-0.")), "0.0")
