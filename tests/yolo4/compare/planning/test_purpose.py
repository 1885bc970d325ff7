import pytest

from yolo4.compare.arms import parse_arms
from yolo4.compare.planning.purpose import purpose

pytestmark = pytest.mark.quick

GRID = ("bce", "focal:focal_gamma=1,2")


@pytest.mark.parametrize(
    ("arms", "split", "first_word"),
    [
        (("bce", "focal"), "test", None),
        (GRID, "test", "Confirmation"),
        (("bce", "focal"), "val", "Exploration"),
        (GRID, "val", "Exploration"),
    ],
)
def test_exploration_and_confirmation_are_named(arms, split, first_word):
    sentences = purpose(parse_arms(arms, "as_is"), split)
    assert [sentence.split(":")[0] for sentence in sentences] == ([first_word] * bool(first_word))


def test_validation_images_choose_only_the_best_weights():
    arms = parse_arms(GRID, "as_is")
    (best,), (last,) = (purpose(arms, "val", measure) for measure in ("best", "last"))
    assert "are measured, which also choose the epoch of each run. Confirm" in best
    assert "Exploration: validation images are measured. Confirm" in last


def test_the_losses_of_several_arms_are_named():
    arms = parse_arms((*GRID, "ohem", "focal_star:focal_gamma=1,2"), "as_is")
    (sentence,) = purpose(arms, "test")
    assert "several arms of focal and focal_star." in sentence
