"""Which machines the runs of a study were computed on, and which pairs had unlike ones."""

from typing import Any

from yolo4.compare.running.machine import machines_of
from yolo4.compare.study import Plan


def hardware(plan: Plan) -> dict[str, Any]:
    """The machines of the runs.

    Returns:
        `kinds`: by letter, the machines that compute alike, in words. `runs`: by arm and seed, the
        `letters` of the run's machines in turn, their `hosts`, and whether it and the reference's
        run with this seed are an `unlike` pair. `sentences`: about such pairs.
    """
    found = {
        (arm.name, seed): machines
        for arm, seed, run in plan.runs()
        if (machines := machines_of(run))
    }
    words = dict.fromkeys(each.words for machines in found.values() for each in machines)
    letters = {each: _letters(number) for number, each in enumerate(words)}
    reference = plan.arms[0].name
    runs: dict[str, dict[str, Any]] = {arm.name: {} for arm in plan.arms}
    for (arm, seed), machines in found.items():
        other = found.get((reference, seed), machines)
        runs[arm][str(seed)] = {
            "letters": [letters[each.words] for each in machines],
            "hosts": [each.host for each in machines],
            "unlike": len({each.words for each in [*machines, *other]}) > 1,
        }
    return {
        "kinds": {letter: each for each, letter in letters.items()},
        "runs": runs,
        "sentences": _sentences(runs, reference),
    }


def _letters(number: int) -> str:
    """A, B, ... Z, AA, AB, ..."""
    more, last = divmod(number, 26)
    return (_letters(more - 1) if more else "") + chr(ord("A") + last)


def _sentences(runs: dict[str, dict[str, Any]], reference: str) -> list[str]:
    unlike = {
        arm: seeds
        for arm, of_arm in runs.items()
        if (seeds := [seed for seed, run in of_arm.items() if run["unlike"]])
    }
    return [
        f"{arm} and {reference} were trained on unlike machines with seed"
        f"{'' if len(seeds) == 1 else 's'} {', '.join(seeds)}: a part of the difference may be "
        "theirs"
        for arm, seeds in unlike.items()
    ]
