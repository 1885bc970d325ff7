"""The sums of both losses over example batches, each computed once."""

from functools import cache

from tests.nets.migration.batches import SQUARE, make_batch
from tests.nets.migration.our_loss import our_sums
from tests.nets.migration.their_loss import level_sums

SEEDS, MORE_SEEDS = range(3), range(10)

batch_of = cache(make_batch)


@cache
def theirs(seed, plain=True, name="bce"):
    return level_sums(batch_of(seed, SQUARE, plain), name == "focal")


@cache
def ours(seed, plain=True, name="bce", **options):
    return our_sums(batch_of(seed, SQUARE, plain), name, **options)


def total(sums, part):
    return sum(getattr(level, part) for level in sums)


def span(values, form):
    """The least and the largest value, as "2.6 to 3.0"; one number if they read the same."""
    least, largest = (format(value, form) for value in (min(values), max(values)))
    return least if least == largest else f"{least} to {largest}"


def percent(ratios, form):
    return f"{span([100 * ratio - 100 for ratio in ratios], form)}%"
