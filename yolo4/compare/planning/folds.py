"""Folds: every labeled image is tested, each part of them by the seeds whose turn it is."""

import dataclasses
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

from utils.annotations import DataSet, FoundData
from utils.errors import UserError
from utils.records import Record
from yolo4.compare.study_files import MeasuredImages


def make_folds(data: DataSet, folds: int, seed: int) -> list[MeasuredImages]:
    """Divide the whole labeled set, whatever its own splits are.

    Args:
        data: the data set.
        folds: number of parts of equal size. Each is tested by one fold, which trains on the others
            and takes a tenth of them for validation.
        seed: decides, with the bytes of the images, which part an image belongs to.

    Returns:
        What the runs of each fold are measured on.

    Raises:
        UserError: the set has too few images.
    """
    records = [record for split in data.splits.values() for record in split]
    digests = {record.digest for record in records}  # copies of an image stay together
    order = sorted(
        digests, key=lambda digest: blake2b(digest, key=f"fold {seed}".encode()).digest()
    )
    parts = [set(order[fold::folds]) for fold in range(folds)]
    if len(order) < 3 * folds:
        raise UserError(
            f"--folds {folds}: the data has {len(order)} different images; expected at least "
            f"{3 * folds}"
        )
    return [_fold(records, data.class_names, order, part) for part in parts]


def _fold(
    records: Sequence[Record], names: tuple[str, ...], order: Sequence[bytes], test: set[bytes]
) -> MeasuredImages:
    rest = [digest for digest in order if digest not in test]
    val = set(rest[::10])
    tested = [record for record in records if record.digest in test]
    validated = [record for record in records if record.digest in val]
    counts = {"val": len(validated), "test": len(tested)}
    counts["train"] = len(records) - sum(counts.values())
    return MeasuredImages(names, "test", tested, validated, counts)


def all_images(folds: Sequence[MeasuredImages]) -> MeasuredImages:
    """The whole labeled set, with the counts of the first fold."""
    first = folds[0]
    records = [record for fold in folds for record in fold.records]
    return MeasuredImages(first.class_names, "held-out", records, [], first.counts)


def as_fold(found: FoundData, fold: MeasuredImages) -> FoundData:
    """The data of a fold's runs.

    Args:
        found: the whole data set, before its images are checked.
        fold: the images that its runs are measured on; all others are for training.

    Raises:
        UserError: the data has other images than when the study began.
    """
    split_of = {
        path.resolve(): split
        for split, records in (("val", fold.val), ("test", fold.records))
        for path in (record.image for record in records)
    }
    data_sets, seen = [], set()
    for data_set in found.data_sets:
        splits: dict[str, list] = {"train": [], "val": [], "test": []}
        for entry in (entry for entries in data_set.splits.values() for entry in entries):
            path = entry.image.resolve()
            splits[split_of.get(path, "train")].append(entry)
            seen.add(path)
        used = {split: entries for split, entries in splits.items() if entries}
        data_sets.append(dataclasses.replace(data_set, splits=used))
    missing: set[Path] = split_of.keys() - seen
    if missing:
        raise UserError(
            f"{min(missing)}: this image of a fold is no longer in the data; restore it, or begin "
            "another study"
        )
    return FoundData(found.paths, data_sets)
