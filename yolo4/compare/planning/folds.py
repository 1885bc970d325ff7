"""Folds: every labeled image is tested, each part of them by the seeds whose turn it is."""

import dataclasses
from collections.abc import Sequence
from hashlib import blake2b
from itertools import chain
from pathlib import Path

from utils.annotations import DataSet, FoundData
from utils.errors import UserError
from utils.inspection.similar import group_similar
from utils.records import Record
from yolo4.compare.study_files import MeasuredImages


def make_folds(data: DataSet, folds: int, seed: int) -> list[MeasuredImages]:
    """Divide the whole labeled set, whatever its own splits are.

    Images that are nearly the same stay together: a training on one of them would know the other.

    Args:
        data: the data set.
        folds: number of parts of about equal size. Each is tested by one fold, which trains on the
            others and takes about a tenth of their images for validation.
        seed: decides, with the bytes of the images, which part an image belongs to.

    Returns:
        What the runs of each fold are measured on.

    Raises:
        UserError: the set has too few images.
    """
    records = [record for split in data.splits.values() for record in split]
    groups = _shuffled_groups(records, seed)
    if len(groups) < 3 * folds:
        raise UserError(
            f"--folds {folds}: the data has {len(groups)} different images; expected at least "
            f"{3 * folds}"
        )
    if len(groups) < len(records):
        print(
            f"--folds {folds}: {len(records)} images, {len(groups)} of them different; those that "
            "are nearly the same are in one fold"
        )
    fold_of = _balanced([len(group) for group in groups], folds)
    return [
        _fold(
            [group for group, of in zip(groups, fold_of, strict=True) if of == fold],
            [group for group, of in zip(groups, fold_of, strict=True) if of != fold],
            data.class_names,
        )
        for fold in range(folds)
    ]


def _shuffled_groups(records: Sequence[Record], seed: int) -> list[list[Record]]:
    """Groups of similar images, in an order that depends on the seed and their bytes alone."""
    groups: dict[int, list[Record]] = {}
    for record, group in zip(records, group_similar(records).tolist(), strict=True):
        groups.setdefault(group, []).append(record)
    key = f"fold {seed}".encode()

    def draw(group: list[Record]) -> bytes:
        return blake2b(min(record.digest for record in group), key=key).digest()

    return sorted(groups.values(), key=draw)


def _balanced(sizes: Sequence[int], folds: int) -> list[int]:
    """The fold of each group: the largest first, each into the smallest fold so far."""
    fold_of, filled = [0] * len(sizes), [0] * folds
    for group in sorted(range(len(sizes)), key=lambda group: -sizes[group]):
        fold_of[group] = filled.index(min(filled))
        filled[fold_of[group]] += sizes[group]
    return fold_of


def _count(groups: Sequence[Sequence[Record]]) -> int:
    return sum(map(len, groups))


def _fold(
    test: Sequence[Sequence[Record]], rest: Sequence[Sequence[Record]], names: tuple[str, ...]
) -> MeasuredImages:
    room, val = -(-_count(rest) // 10), []
    for group in rest:
        if len(group) <= room - _count(val):
            val.append(group)
    val = val or [min(rest, key=len)]
    tested, validated = (list(chain.from_iterable(groups)) for groups in (test, val))
    counts = {"val": len(validated), "test": len(tested)}
    counts["train"] = _count(rest) - len(validated)
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
