"""The numbers in docs/migration.md are those of the two losses."""

import re

import pytest

from tests.helpers import ROOT
from tests.helpers.yolov4 import STRIDES
from tests.nets.migration.batches import CLASSES, IMAGES, OBJECTS, SQUARE
from tests.nets.migration.measured import MORE_SEEDS, ours, span, theirs, total
from tests.nets.migration.sizes import SIZES, weight_of_a_predictor
from tests.nets.migration.their_loss import BALANCE, BOX, CLASS, FOCAL, tf2_terms

pytestmark = pytest.mark.usefixtures("compiled")

CHAPTER = (ROOT / "docs" / "migration.md").read_text(encoding="utf-8")


def stated(pattern):
    """What the groups of a pattern match in the chapter."""
    match = re.search(pattern, CHAPTER, re.MULTILINE | re.DOTALL)
    assert match, f"docs/migration.md has no {pattern}"
    return match.groups()


def rows(heading):
    """The rows of the chapter's table whose first column has this heading."""
    (body,) = stated(rf"^\| {heading} \|[^\n]*\n\|[-|]+\|\n((?:\|[^\n]*\|\n)+)")
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in body.splitlines()]


def test_the_chapter_names_every_difference():
    assert [row[0] for row in rows("Part of the loss")] == list(SIZES)


@pytest.mark.parametrize("part", SIZES)
def test_each_difference_has_its_size(part):
    sizes = {row[0]: row[3] for row in rows("Part of the loss")}
    assert sizes[part] == SIZES[part]()


def nearest_gains():
    """Box, class and confidence gain, the latter of BCE and focal for one positive per image."""
    number = r"([\d.]+)"
    rule = rf"--box-gain {number} --class-gain {number} --confidence-gain {number}P\|{number}P"
    return [float(gain) for gain in stated(rule)]


def test_nearest_gains_are_the_factors_times_the_levels():
    box, classes, bce, focal = nearest_gains()
    assert (box, classes) == pytest.approx((BOX * len(STRIDES), CLASS / CLASSES * len(STRIDES)))
    assert bce == round(weight_of_a_predictor(0), 4)
    assert focal == pytest.approx(bce * FOCAL)


def test_what_the_nearest_settings_leave():
    box, classes, *confidence = nearest_gains()
    found = {term: [] for term in ("box", "confidence", "class")}
    for name, gain in zip(("bce", "focal"), confidence, strict=True):
        gains = {"box": box, "confidence": gain * OBJECTS, "classes": classes}
        ratios = []
        for seed in MORE_SEEDS:
            there = tf2_terms(theirs(seed, False, name), SQUARE, name == "focal")
            here = [
                factor * total(ours(seed, False, name), part) / (IMAGES * OBJECTS)
                for part, factor in gains.items()
            ]
            ratios.append([a / b for a, b in zip(here, there.values(), strict=True)])
        for term, values in zip(found, zip(*ratios, strict=True), strict=True):
            found[term].append(span(values, ".2f"))
    assert rows("Term") == [[term, *values] for term, values in found.items()]


def test_the_formula_and_the_command_have_these_numbers():
    levels = "`balance` is {:g}, {:g} and {:g} at strides {}, {} and {}, and `focal` is {} with"
    assert levels.format(*BALANCE, *STRIDES, FOCAL) in CHAPTER
    assert f"{BOX} * box / positives" in CHAPTER
    count, gain = stated(
        r"With BCE and (\d+) positives per image:.*?^python [^`]*--confidence-gain ([\d.]+)"
    )
    assert float(gain) == pytest.approx(nearest_gains()[2] * float(count))
