"""A made-up report of a comparison, with numbers like those of a study."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from yolo4.compare.contrast import CO_OUTCOME

CLASSES = ("RBC", "WBC", "Platelets")
ARMS = ("bce", "focal", "focal:confidence_gain=4")
_GRID = np.linspace(0, 1, 101)
_SCORES = ("voc_map", "AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large")


def picture(seed: int = 0, size: tuple[int, int] = (80, 60)) -> str:
    """A small JPEG as a data URI."""
    noise = np.random.default_rng(seed).integers(90, 230, (6, 8, 3), np.uint8)
    data = io.BytesIO()
    Image.fromarray(noise).resize(size).save(data, "JPEG")
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()


def mean_and_sd(values: dict[int, float | None]) -> dict:
    known = [value for value in values.values() if value is not None]
    return {
        "mean": float(np.mean(known)) if known else None,
        "sd": float(np.std(known, ddof=1)) if len(known) > 1 else None,
        "values": {str(seed): value for seed, value in values.items()},
    }


def make_report(
    arms: Sequence[str] = ARMS,
    seeds: Sequence[int] = (0, 1, 2),
    classes: Sequence[str] = CLASSES,
    unfinished: dict[tuple[str, int], str] | None = None,
) -> dict:
    """A complete report.

    Args:
        arms: names; the first is the reference.
        seeds: of every arm.
        classes: names.
        unfinished: "failed" or "missing" by arm and seed; all other runs are done.
    """
    unfinished = unfinished or {}
    rng = np.random.default_rng(3)
    made = [_arm(name, i, seeds, classes, unfinished, rng) for i, name in enumerate(arms)]
    contrasts = [_contrast(arm, made[0], rng) for arm in made[1:]]
    contrasts = [contrast for contrast in contrasts if contrast]
    done = [arm["name"] for arm in made if arm["metrics"]["voc_map"]["mean"] is not None]
    return {
        "made": "2026-03-01 12:00",
        "versions": {"python": "3.11.2", "tensorflow": "2.21.0", "keras": "3.15.1"},
        "output": "logs/compare",
        "data": _data(classes),
        "leaks": {"sentences": [], "images": []},
        "settings": {
            **{"data": ["data/cells"], "epochs": 60, "ema": None, "input_size": 256},
            **{"weights": None, "fresh_heads": True},
        },
        "seeds": list(seeds),
        "reference": arms[0],
        "runs_wanted": len(arms) * len(seeds),
        "runs_done": len(arms) * len(seeds) - len(unfinished),
        "resamples": 2000,
        "pairing": _pairing(arms, seeds),
        "hardware": {"kinds": {}, "runs": {arm: {} for arm in arms}, "sentences": []},
        "purpose": [],
        "dose_response": [],
        "design": {
            "smallest_difference": 0.02,
            "looks": [2, 3, 5, 12],
            "folds": 0,
            "co_outcome": CO_OUTCOME.name,
        },
        "measure": "best",
        "verdict": [contrast["sentence"] for contrast in contrasts],
        "contrasts": contrasts,
        "co_outcome": [_beside(contrast) for contrast in contrasts],
        "secondary": _secondary(contrasts, classes),
        "arms": made,
        "differing_images": [_differing_image(i, done) for i in range(2 if len(done) > 1 else 0)],
    }


def _data(classes):
    return {
        "paths": ["data/cells"],
        "split": "test",
        "images": 72,
        "train_images": 205,
        "val_images": 87,
        "objects": {name: 821 // (i + 1) for i, name in enumerate(classes)},
    }


def _pairing(arms, seeds):
    fingerprints = [
        {"arm": arm, "seed": seed, "initial_weights": f"{seed:x}" * 64, "first_batches": "b" * 64}
        for arm in arms
        for seed in seeds
    ]
    return {"paired": True, "reason": None, "fingerprints": fingerprints}


def _differing_image(i, arms):
    return {
        "image": f"JPEGImages/cell_{i:05d}.jpg",
        "score": 3.0 - i,
        "picture": {name: picture(i) for name in ("ground truth", *arms)},
        "found": dict.fromkeys(arms, "12 right, 1 wrong, 2 missed"),
    }


def _arm(name, index, seeds, classes, unfinished, rng):
    state = {seed: unfinished.get((name, seed), "done") for seed in seeds}
    done = [seed for seed in seeds if state[seed] == "done"]

    def around(value):
        return mean_and_sd({seed: float(value + rng.normal(0, 0.012)) for seed in done})

    metrics = {key: around(0.8 - 0.06 * i + 0.012 * index) for i, key in enumerate(_SCORES)}
    metrics |= {"ece": around(0.05), "scaled_ece": around(0.02), "f1": around(0.8)}
    metrics |= {"threshold": around(0.45 - 0.06 * index)}
    metrics["AP_small"] = mean_and_sd(dict.fromkeys(done))
    skill = max(8 - index, 3)
    return {
        "name": name,
        "overrides": {"confidence_loss": name.split(":")[0]},
        "protocol": "as_is",
        "tuning": None,
        "is_control": name.endswith(" control"),
        "confidence_gain": {str(seed): 1.0 for seed in seeds},
        "runs": [
            {
                "seed": seed,
                "status": state[seed],
                "reason": "the loss is nan in epoch 4" if state[seed] == "failed" else None,
                "folder": f"runs/{index}-{seed}",
                "best_epoch": 55 if seed in done else None,
                "last_epoch": 60 if seed in done else None,
                "minutes": 18.2 if seed in done else None,
                "images_per_second": 11.2 if seed in done else None,
            }
            for seed in seeds
        ],
        "metrics": metrics,
        "ap": {c: around(0.9 - 0.1 * i + 0.01 * index) for i, c in enumerate(classes)},
        "validation": [_course(seed, rng) for seed in seeds if state[seed] != "missing"],
        "precision_recall": done and {"recall": _list(_GRID), "precision": _list(1 - _GRID**skill)},
        "thresholds": _thresholds(skill) if done else None,
        "reliability": _calibration(index) if done else None,
        "errors": _errors(index) if done else None,
        "diagnosis": _analysis(index) if done else None,
        "worst_negatives": [_negative(i) for i in range(6)] if done else [],
    }


def _course(seed, rng):
    epochs = list(range(5, 61, 5))
    values = 0.8 * (1 - np.exp(-np.array(epochs) / 12)) + rng.normal(0, 0.01, len(epochs))
    return {"seed": seed, "epochs": epochs, "map50": _list(values)}


def _thresholds(skill):
    precision = _list(0.2 + 0.8 * _GRID**0.3)
    recall = _list(1 - _GRID ** (skill / 3))
    f1 = [2 * p * r / (p + r) for p, r in zip(precision, recall, strict=True)]
    precision[-1] = None
    return {"threshold": _list(_GRID), "precision": precision, "recall": recall, "f1": f1}


def _calibration(index):
    edges = np.linspace(0, 1, 11)
    middle = (edges[1:] + edges[:-1]) / 2
    precision = [*_list(middle ** (0.6 + 0.3 * index))[:-1], None]
    counts = [*(int(900 / (i + 1)) for i in range(9)), 0]
    confidence = [*_list(middle)[:-1], None]
    return {"edges": _list(edges), "confidence": confidence, "precision": precision,
            "counts": counts, "ece": 0.05 + 0.02 * index}  # fmt: skip


def _errors(index):
    types = ("localization", "class", "background", "duplicate", "missed")
    return {name: 31.5 - 6 * i + 2 * index for i, name in enumerate(types)}


def _analysis(index):
    p_t = np.linspace(0.01, 0.99, 99)
    gamma = 2.0 * min(index, 1)
    loss = -((1 - p_t) ** gamma) * np.log(p_t)
    gradient = (1 - p_t) ** gamma * (gamma * p_t * np.log(p_t) + p_t - 1)
    curve = {"loss": _list(loss), "gradient": _list(gradient)}
    cumulative = {
        side: {"share_of_predictors": _list(_GRID), "share_of_loss": _list(_GRID**power)}
        for side, power in (("positive", 2 + index), ("negative", 8 + 20 * index))
    }
    edges = np.linspace(0, 1, 21)
    rising = np.arange(20) + 1.0
    histogram = {"edges": _list(edges), "positive": _list(rising * 30),
                 "negative": _list(np.floor(3e6 / rising**4))}  # fmt: skip
    return {
        "epochs": [_epoch(epoch, index) for epoch in (0, 5, 10, 20, 40, 60)],
        "cumulative": cumulative,
        "histogram": histogram,
        "curves": {"x": _list(p_t), "positive": curve, "negative": curve},
    }


def _epoch(epoch, index):
    levels = []
    for stride in (8, 16, 32):
        easy = 400 / (1 + epoch) / (1 + 3 * index) * 8 / stride
        sums = {"positive": 20.0 + stride / 4, "easy_negative": easy, "hard_negative": 6.0 + epoch}
        predictors = {"positive": 40, "easy_negative": 12000, "hard_negative": 9, "ignored": epoch}
        levels.append({"stride": stride, "loss": sums, "gradient": sums, "predictors": predictors})
    return {"epoch": epoch, "levels": levels}


def _negative(i):
    on = "RBC" if i % 3 == 0 else None
    return {"image": f"JPEGImages/cell_{i:05d}.jpg", "box": [10.0, 12.5, 40.0, 50.0],
            "confidence": 0.9 - 0.05 * i, "loss": 4.0 - 0.5 * i, "iou": 0.42 if on else 0.0,
            "object": on, "stride": 8, "picture": picture(i, (64, 64))}  # fmt: skip


def _secondary(contrasts, classes):
    outcomes = {"AP75, IoU 0.75": False, "calibration error": True}
    outcomes |= {f"AP of {name}": False for name in classes}
    return [
        {
            "arm": contrast["arm"], "reference": contrast["reference"], "outcome": outcome,
            "mean": 0.01 * i - 0.02, "interval": (0.01 * i - 0.06, 0.01 * i + 0.05),
            "seeds": len(contrast["seeds"]), "lower_is_better": lower,
        }
        for contrast in contrasts
        if len(contrast["seeds"]) > 1
        for i, (outcome, lower) in enumerate(outcomes.items())
    ]  # fmt: skip


def _contrast(arm, reference, rng):
    mine, theirs = (a["metrics"]["voc_map"]["values"] for a in (arm, reference))
    seeds = [int(seed) for seed in mine if seed in theirs]
    if not seeds:
        return None
    each = [mine[str(seed)] - theirs[str(seed)] for seed in seeds]
    mean, several = float(np.mean(each)), len(seeds) > 1
    low, high = (mean - 0.031, mean + 0.031) if several else (None, None)
    return {
        "arm": arm["name"], "reference": reference["name"], "seeds": seeds, "differences": each,
        "mean": mean, "image_interval": (mean - 0.014, mean + 0.015),
        "interval": (low, high) if several else None,
        "equivalence_interval": (low, high) if several else None,
        "p": 0.21 if several else None, "p_holm": 0.42 if several else None,
        "p_same": 0.3 if several else None, "p_same_holm": 0.6 if several else None,
        "probability_better": 0.8 if several else None,
        "probability_worse": 0.2 if several else None,
        "probability_same": 0.4 if several else None,
        "verdict": "undecided", "futile": False, "smallest_difference": 0.02,
        "next_look": 5, "last_look": 12,
        "looks": [_look(n, mean) for n in (2, 3) if n <= len(seeds)],
        "components": {"image": 0.012, "seed": 0.02, "image_by_seed": 0.006} if several else None,
        "correlation": 0.31 if len(seeds) > 2 else None,
        "images": 72, "comparisons": 2, "outcome": "mAP", "level": 0.05,
        "sentence": f"It is undecided whether {arm['name']} is better or worse than"
        f" {reference['name']}: {100 * mean:+.1f} points of mAP; {len(seeds)} seeds.",
    }  # fmt: skip


def _beside(contrast):
    """The contrast in the co-outcome."""
    text = f"{contrast['arm']} and {contrast['reference']} are practically the same: 97.5% sure."
    beside = {"outcome": CO_OUTCOME.name, "level": CO_OUTCOME.level, "sentence": text}
    return contrast | beside | {"verdict": "practically the same"}


def _look(seeds, mean):
    half = 0.09 / seeds
    return {
        "seeds": seeds, "mean": mean, "interval": (mean - half, mean + half),
        "equivalence_interval": (mean - half / 2, mean + half / 2), "p": 0.2, "p_same": 0.3,
        "p_holm": 0.4, "p_same_holm": 0.6, "verdict": "undecided", "futile": False,
    }  # fmt: skip


def _list(values):
    return [float(value) for value in values]
