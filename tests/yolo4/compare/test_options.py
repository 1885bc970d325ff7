from dataclasses import replace

import pytest

from utils.errors import UserError
from yolo4.cli import parse
from yolo4.compare.contrast import CO_OUTCOME
from yolo4.compare.design import Design
from yolo4.compare.options import CompareOptions

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("values", "design"),
    [
        ({}, Design(0.02, (3, 5, 8, 12))),
        ({"max_seeds": 3}, Design(0.02, (3,))),
        ({"max_seeds": 7}, Design(0.02, (3, 5, 7))),
        ({"max_seeds": 20}, Design(0.02, (3, 5, 8, 12, 20))),
        ({"max_seeds": 1}, Design(0.02, (2,))),
        ({"looks": (2, 4), "max_seeds": 4, "smallest_difference": 0.5}, Design(0.005, (2, 4))),
    ],
    ids=str,
)
def test_the_design_ends_with_the_most_seeds(values, design):
    assert CompareOptions(**values).design == replace(design, co_outcome=CO_OUTCOME.name)


@pytest.mark.parametrize("looks", [(5, 3), (3, 3)])
def test_looks_ascend(looks):
    with pytest.raises(UserError, match=r"--looks \d \d: expected ascending"):
        CompareOptions(looks=looks)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"arms": ()}, "--arms"),
        ({"looks": (1, 3)}, "--looks is 1"),
        ({"smallest_difference": 0.0}, "--smallest-difference is 0"),
        ({"folds": 1}, "--folds is 1"),
        ({"folds": 5, "split": "val"}, "--split val: with --folds"),
        ({"split": "train"}, "--split is 'train'"),
        ({"split": "val+test"}, "images choose the best weights; add --measure last"),
        ({"split": "val+test", "measure": "last", "early_stopping": 3}, "choose the last epoch"),
    ],
)
def test_values_out_of_range_are_refused(values, message):
    with pytest.raises(UserError, match=message):
        CompareOptions(**values)


def test_the_former_name_of_max_seeds_is_refused_with_the_new_one():
    with pytest.raises(UserError, match="--seeds has been renamed: use --max-seeds"):
        parse(CompareOptions(), "", ["--seeds", "3"])
