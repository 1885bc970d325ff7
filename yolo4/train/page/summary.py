"""The numbers of a training's page, as one nested value."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from utils.metrics.score_curve import ScoreCurve
from utils.text import duration
from yolo4.train.page.moment import Moment

Summary = dict[str, Any]

_SPARK = (100, 20)  # units of a small curve
_SPARK_POINTS = 60
# Epochs become slower when the backbone is no longer frozen.
_SLOWER = 3
_TIME = "%Y-%m-%d %H:%M"


def summarize(moment: Moment) -> Summary:
    """Everything that the page shows, without its pictures."""
    setup, progress = moment.setup, moment.progress
    last, measured = progress.history[-1], progress.class_ap
    return {
        "name": setup.run.folder.name,
        "folder": str(setup.run.folder),
        "subject": _subject(moment),
        "made": moment.now.strftime(_TIME),
        "epoch": progress.epoch,
        "epochs": setup.config.epochs,
        "state": _state(moment),
        "resumed": _resumed(progress.resumed),
        "left": None if _has_ended(moment) else duration(moment.seconds_left),
        "end": _end(moment),
        "next": _next_validation(moment),
        "map": moment.voc.map,
        "change": _change(progress.history),
        "best": {"map": progress.best_map, "epoch": progress.best_epoch},
        "speed": last["images_per_second"],
        "waited": last["waited_for_data"],
        "threshold": moment.threshold,
        "images": len(setup.val),
        "found": _found(moment.voc.main.overall, moment.threshold),
        "classes": [
            {
                "name": name,
                "objects": moment.voc.main.classes[label].num_gt,
                "ap": float(moment.voc.main.ap[label]),
                "best": _of_epoch(measured, progress.best_epoch, label),
                "change": _difference([row[1 + label] for row in measured]),
                "spark": _spark(measured, label, setup.config.epochs),
            }
            for label, name in enumerate(setup.class_names)
        ],
    }


def _subject(moment: Moment) -> list[str]:
    """The data, the network and the loss, in a few words each."""
    setup, config = moment.setup, moment.setup.config
    return [
        f"{config.data_name}: {len(setup.train):,} training and {len(setup.val):,} validation "
        "images",
        config.network_name,
        f"{config.confidence_loss.replace('_', ' ')} confidence loss",
        f"from {Path(config.weights).name}" if config.weights else "from random weights",
    ]


def _has_ended(moment: Moment) -> bool:
    return moment.progress.stopped_early or moment.progress.epoch >= moment.setup.config.epochs


def _state(moment: Moment) -> str:
    progress = moment.progress
    if progress.stopped_early:
        return f"stopped early: no better mAP since epoch {progress.best_epoch}"
    return "finished" if _has_ended(moment) else "training"


def _resumed(positions: list[str]) -> str | None:
    if not positions:
        return None
    times = "" if len(positions) == 1 else f" {len(positions)} times, last"
    return f"resumed{times} from {positions[-1]}"


def _end(moment: Moment) -> str | None:
    """When the training will end."""
    if _has_ended(moment):
        return None
    return _time_after(moment, moment.seconds_left)


def _next_validation(moment: Moment) -> dict[str, Any] | None:
    """When the next validation is expected, and the latest time of it in seconds since 1970."""
    if _has_ended(moment):
        return None
    config, epoch = moment.setup.config, moment.progress.epoch
    left = config.epochs - epoch
    until = min(config.eval_period - epoch % config.eval_period, left)
    seconds = moment.seconds_left * until / left
    latest = moment.now + timedelta(minutes=1, seconds=_SLOWER * seconds)
    return {"time": _time_after(moment, seconds), "latest": int(latest.timestamp())}


def _time_after(moment: Moment, seconds: float) -> str:
    """The time after so many seconds, without the day if that is today."""
    then = moment.now + timedelta(seconds=seconds)
    return then.strftime("%H:%M" if then.date() == moment.now.date() else _TIME)


def _change(history: list[dict[str, float]]) -> float | None:
    return _difference([row["map50"] for row in history if "map50" in row])


def _difference(values: list[Any]) -> float | None:
    """By how much the last value differs from the one before it, if both are known."""
    if len(values) < 2 or None in values[-2:]:
        return None
    return values[-1] - values[-2]


def _found(curve: ScoreCurve, threshold: float | None) -> dict[str, int]:
    """The objects, how many of them are found, and the detections that are wrong."""
    least = np.inf if threshold is None else threshold
    count = int(np.searchsorted(-curve.scores, -least, side="right"))
    hits = int(curve.is_tp[:count].sum())
    return {"objects": curve.num_gt, "hits": hits, "false_alarms": count - hits}


def _of_epoch(measured: list[list[Any]], epoch: int, label: int) -> float | None:
    return next((row[1 + label] for row in measured if row[0] == epoch), None)


def _spark(measured: list[list[Any]], label: int, epochs: int) -> str:
    """The AP of a class over all epochs as the points of an SVG line; few of many."""
    known = [(row[0], row[1 + label]) for row in measured if row[1 + label] is not None]
    chosen = np.unique(np.linspace(0, len(known) - 1, _SPARK_POINTS).round().astype(int))
    width, height = _SPARK
    points = [known[i] for i in chosen] if known else []
    return " ".join(f"{width * e / epochs:.1f},{height * (1 - ap):.1f}" for e, ap in points)
