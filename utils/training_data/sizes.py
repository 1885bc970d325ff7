"""The input sizes of a multi-scale training."""

import math

Size = tuple[int, int]


def sizes_between(base: Size, low: float, high: float, multiple: int) -> tuple[Size, ...]:
    """All sizes with about the proportions of `base` whose sides are multiples of a number.

    No two of them have a side in common.

    Args:
        base: height and width in pixels, multiples of `multiple`.
        low: smallest factor for the shorter side.
        high: largest factor for the shorter side.
        multiple: what the sides are multiples of.

    Returns:
        Height and width of each size, from the smallest to the largest.
    """
    shorter, longer = min(base), max(base)
    # The tolerance keeps 0.7 * 320 from being a little more than 7 * 32.
    first = math.ceil(low * shorter / multiple - 1e-9)
    last = math.floor(high * shorter / multiple + 1e-9)
    sizes = []
    for count in range(first, last + 1):
        # Rounded half up, which is a larger number for each count; `round` is not.
        sides = {shorter: count, longer: (2 * count * longer + shorter) // (2 * shorter)}
        sizes.append((sides[base[0]] * multiple, sides[base[1]] * multiple))
    return tuple(sizes)
