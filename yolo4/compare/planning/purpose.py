"""What a study is for: to choose among the settings of a loss, or to confirm a choice."""

from collections import Counter
from collections.abc import Sequence

from yolo4.compare.arms import Arm


def purpose(arms: Sequence[Arm], split: str) -> list[str]:
    """What the split that is measured allows to conclude, in plain words.

    Args:
        arms: the arms of a study.
        split: "test", or "val", which also selects each run's best weights.

    Returns:
        Sentences; none if test images are measured with one arm of each loss.
    """
    count = Counter(str(arm.overrides["confidence_loss"]) for arm in arms if not arm.is_control)
    several = [loss for loss, number in count.items() if number > 1]
    if split == "val":
        return [
            "Exploration: validation images are measured, which also choose the epoch of each "
            "run. Confirm what you choose on test images: --split test, with another --output and "
            "a --seed above those used here."
        ]
    if several:
        return [
            f"Confirmation: test images are measured, with several arms of {' and '.join(several)}."
            " Each verdict holds for its arm, and is corrected for their number. But if these "
            "images choose the best arm, its score here is too high: choose with --split val, an "
            "exploration, and confirm that arm alone on test images with fresh seeds."
        ]
    return []
