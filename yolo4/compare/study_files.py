"""The files of a study, and reading its runs without building a network."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import utils.files.reading as files
from utils.errors import FileError
from utils.files.writing import atomic_path, write_atomically
from utils.inspection.leaks import Leak
from utils.metrics.calibration import ScoreChoice
from utils.printable import brief
from utils.records import Detections, Record
from yolo4.compare.options import Measure
from yolo4.run import Run


@dataclasses.dataclass(frozen=True)
class StudyRun(Run):
    """A training run of a study, with its measurements.

    Attributes:
        measure: which of its weights are measured; for whoever measures them.
    """

    measure: Measure = "best"

    def weights(self) -> Path:
        """The weights that are measured."""
        return super().weights() if self.measure == "best" else self.last_weights

    @property
    def last_choice_file(self) -> Path:
        """What validation images choose for the scores of the last weights, if measured."""
        return self.folder / "score_choice_last.json"

    def score_choice(self) -> ScoreChoice | None:
        """What validation images chose for the scores of the measured weights."""
        file = self.last_choice_file
        return ScoreChoice.load(file) if file.is_file() else super().score_choice()

    @property
    def detections_file(self) -> Path:
        """Detections of the measured weights in the measured images. It is written last."""
        return self.folder / "detections.npz"

    @property
    def diagnosis_file(self) -> Path:
        """The analysis of the confidence loss, JSON; see `yolo4.compare.loss.diagnosis`."""
        return self.folder / "diagnosis.json"

    @property
    def machines_file(self) -> Path:
        """What it was computed with, in turn, JSON; see `yolo4.compare.running.machine`."""
        return self.folder / "machines.json"

    @property
    def is_done(self) -> bool:
        """Whether training and measurement have finished."""
        return self.detections_file.is_file()


@dataclasses.dataclass(frozen=True)
class Study:
    """The files of a study.

    Attributes:
        folder: the value of `--output`.
    """

    folder: Path

    @property
    def options_file(self) -> Path:
        """The options of the comparison, JSON."""
        return self.folder / "study.json"

    @property
    def images_file(self) -> Path:
        """The annotated images that the runs are measured on, JSON."""
        return self.folder / "images.json"

    def fold_file(self, fold: int) -> Path:
        """The annotated images that the runs of a fold are measured on, JSON."""
        return self.folder / "folds" / f"{fold}.json"

    def measured_file(self, seed: int, folds: int) -> Path:
        """Of the two, the one that holds what the runs with a seed are measured on."""
        return self.fold_file(seed % folds) if folds else self.images_file

    def trial_file(self, arm_folder: str, number: int) -> Path:
        """What a trial of a tuned arm gave, JSON."""
        return self.folder / "tuning" / arm_folder / f"trial_{number:03}.json"

    @property
    def report_file(self) -> Path:
        """All numbers of the report, JSON."""
        return self.folder / "report.json"

    def run(self, arm_folder: str, seed: int) -> StudyRun:
        """The run of an arm with a seed."""
        return StudyRun(self.folder / "runs" / f"{arm_folder}_seed{seed}")

    def finished_runs(self) -> int:
        """Number of runs, of any arm and seed, whose result is known."""
        return sum(StudyRun(folder).is_done for folder in self.folder.glob("runs/*"))

    def positives_per_image(self, seed: int) -> float | None:
        """The divisor of the loss that all runs with a seed share; None before the first one."""
        started = sorted(self.folder.glob(f"runs/*_seed{seed}/config.json"))
        return Run(started[0].parent).config().positives_per_image if started else None


@dataclasses.dataclass(frozen=True, eq=False)
class MeasuredImages:
    """The images that the runs are measured on.

    Attributes:
        class_names: names of the classes.
        split: "test", or "val" if the data has no test split or validation images are measured,
            "val+test", or "held-out": all images, each tested by the runs of its fold.
        records: the annotated images of that split.
        val: those of the validation split.
        counts: number of images by split.
        leaks: images that are nearly the same in two splits.
    """

    class_names: tuple[str, ...]
    split: str
    records: list[Record]
    val: list[Record]
    counts: Mapping[str, int]
    leaks: tuple[Leak, ...] = ()

    def save(self, path: Path) -> None:
        """Write as JSON."""
        content = {"class_names": self.class_names, "split": self.split, "counts": self.counts}
        images = {"images": _as_json(self.records), "val": _as_json(self.val)}
        leaks = [dataclasses.asdict(leak) for leak in self.leaks]
        write_json(path, content | images | {"leaks": leaks})

    @classmethod
    def load(cls, path: Path) -> "MeasuredImages":
        """Read what `save` has written.

        Raises:
            UserError: the file is missing, is not JSON, or does not list annotated images.
        """
        stored = read_json(path)
        with files.reading(path, "the images of a comparison"):
            names = tuple(map(str, stored["class_names"]))
            return cls(
                class_names=names,
                split=str(stored["split"]),
                records=_from_json(stored["images"], len(names)),
                val=_from_json(stored["val"], len(names)),
                counts={str(name): int(count) for name, count in stored["counts"].items()},
                # Older versions did not look for them.
                leaks=tuple(Leak(**entry) for entry in stored.get("leaks", ())),
            )


def _as_json(records: Sequence[Record]) -> list[dict[str, Any]]:
    return [
        {
            "image": str(record.image),
            "size": list(record.size),
            "boxes": record.boxes.tolist(),
            "labels": record.labels.tolist(),
            "difficult": record.difficult.tolist(),
        }
        for record in records
    ]


def _from_json(entries: Sequence[Mapping[str, Any]], class_count: int) -> list[Record]:
    records = []
    for entry in entries:
        width, height = entry["size"]
        labels, difficult = np.array(entry["labels"], np.int32), np.array(entry["difficult"], bool)
        boxes = np.array(entry["boxes"], np.float32).reshape(-1, 4)
        _check_objects(boxes, labels, class_count, difficult)
        size = (int(width), int(height))
        records.append(Record(Path(entry["image"]), size, boxes, labels, difficult))
    return records


def _check_objects(
    boxes: np.ndarray, labels: np.ndarray, class_count: int, other: np.ndarray
) -> None:
    """Compare the shapes of objects' arrays, and their numbers with what they may be.

    Raises:
        ValueError: they do not go together.
    """
    shapes = [boxes.shape, labels.shape, other.shape]
    count = len(boxes)
    if shapes != [(count, 4), (count,), (count,)]:
        raise ValueError(f"{count} boxes with arrays of shapes {shapes}")
    if not np.isfinite(boxes).all():
        raise ValueError("a box that is not finite")
    if not ((labels >= 0) & (labels < class_count)).all():
        raise ValueError(f"a label that is none of {class_count} classes")


def save_detections(path: Path, detections: Sequence[Detections]) -> None:
    """Write the detections of each image, atomically."""
    image = np.repeat(np.arange(len(detections)), [len(each) for each in detections])
    with atomic_path(path) as file:
        np.savez_compressed(
            file,
            image=image,
            images=len(detections),
            boxes=np.concatenate([each.boxes for each in detections]),
            scores=np.concatenate([each.scores for each in detections]),
            labels=np.concatenate([each.labels for each in detections]),
        )


def load_detections(path: Path, images: MeasuredImages) -> list[Detections]:
    """Read what `save_detections` has written.

    Args:
        path: the file.
        images: what was measured.

    Raises:
        UserError: the file is missing or damaged, or is not about these images.
    """
    with files.open_npz(path, "the detections of a run") as stored:
        image, count = stored["image"], len(images.records)
        boxes, scores = stored["boxes"].astype(np.float32), stored["scores"].astype(np.float32)
        labels = stored["labels"].astype(np.int32)
        if int(stored["images"]) != count or image.shape != labels.shape:
            raise ValueError(f"detections in {stored['images']} images rather than {count}")
        _check_objects(boxes, labels, len(images.class_names), scores)
        if not ((scores >= 0) & (scores <= 1)).all():
            raise ValueError("a score that is not from 0 to 1")
        ends = np.searchsorted(image, np.arange(1, count))
        columns = (np.split(column, ends) for column in (boxes, scores, labels))
        return [Detections(*parts) for parts in zip(*columns, strict=True)]


def write_json(path: Path, content: Any) -> None:
    """Write as JSON, atomically."""
    write_atomically(
        path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    )


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        UserError: the file is missing or is not JSON.
    """
    if not path.exists():
        raise FileError(path, f"no such file; is {path.parent} the folder of a study?")
    return files.read_json(path)


def read_object(path: Path, *names: str) -> dict[str, Any]:
    """Read a JSON object that has these members, among others.

    Raises:
        UserError: as `read_json`, or the file holds no such object.
    """
    content = read_json(path)
    if not isinstance(content, dict) or not content.keys() >= {*names}:
        expected = ", ".join(map(repr, names)) or "settings"
        raise FileError(path, f"found {brief(content)}; expected an object with {expected}")
    return content
