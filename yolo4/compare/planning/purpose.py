"""What a study is for: to choose among the settings of a loss, or to confirm a choice."""

from collections import Counter
from collections.abc import Sequence

from yolo4.compare.arms import Arm
from yolo4.compare.options import Measure


def purpose(arms: Sequence[Arm], split: str, measure: Measure = "best") -> list[str]:
    """What the split that is measured allows to conclude, in plain words.

    Args:
        arms: the arms of a study.
        split: "val", or another that has test images.
        measure: which weights are measured; validation images choose the best.

    Returns:
        Sentences; none if test images are measured with one arm of each loss.
    """
    count = Counter(str(arm.overrides["confidence_loss"]) for arm in arms if not arm.is_control)
    several = [loss for loss, number in count.items() if number > 1]
    if split == "val":
        choose = ", which also choose the epoch of each run" if measure == "best" else ""
        return [
            f"Exploration: validation images are measured{choose}. Confirm what you choose on test "
            "images: --split test, with another --output and a --seed above those used here."
        ]
    if several:
        images = "validation and test" if split == "val+test" else "test"
        return [
            f"Confirmation: {images} images are measured, with several arms of "
            f"{' and '.join(several)}. Each verdict holds for its arm, and is corrected for their "
            "number. But if these images choose the best arm, its score here is too high: choose "
            "with --split val, an exploration, and confirm that arm alone on test images with "
            "fresh seeds."
        ]
    return []
