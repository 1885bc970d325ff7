"""Assigns images to training, validation and test."""

import os
from collections import Counter
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

from utils.annotations.check import CheckedEntry
from utils.annotations.raw import UNSPLIT, Entry, Finding, Problem, RawDataSet

SPLITS = ("train", "val", "test")


def merge_data_sets(data_sets: list[RawDataSet], notes: list[str]) -> dict[str, list[Entry]]:
    """Merge data sets split by split; images without a split join train if any split exists.

    Returns:
        Entries under train, val, test, or all under UNSPLIT.
    """
    merged: dict[str, list[Entry]] = {}
    for data_set in data_sets:
        for split, entries in _resolve_trainval(data_set.splits, notes).items():
            merged.setdefault(split, []).extend(entries)
    if UNSPLIT in merged and len(merged) > 1:
        unsplit = merged.pop(UNSPLIT)
        merged.setdefault("train", []).extend(unsplit)
        notes.append(f"images without a split, added to train: {len(unsplit)}")
    return merged


def _resolve_trainval(splits: dict[str, list[Entry]], notes: list[str]) -> dict[str, list[Entry]]:
    """Fill train or val from trainval if it is missing; drop trainval if both exist."""
    splits = {split: entries for split, entries in splits.items() if entries}
    trainval = splits.pop("trainval", [])
    if not trainval or {"train", "val"} <= splits.keys():
        return splits
    missing, present = ("train", "val") if "val" in splits else ("val", "train")
    if present not in splits:
        return {"train": trainval, **splits}
    used = {entry.image for entry in splits[present]}
    rest = [entry for entry in trainval if entry.image not in used]
    if rest:
        splits[missing] = rest
        notes.append(f"{missing} is trainval without {present}")
    return splits


def create_missing_splits(
    splits: dict[str, list[CheckedEntry]], seed: int, notes: list[str]
) -> dict[str, list[CheckedEntry]]:
    """Split 80/10/10 if there is no split; if only val is missing, use a tenth of train.

    The split of an image depends only on the seed and the image's bytes, not on names or order.
    """
    splits = dict(splits)
    if UNSPLIT in splits:
        items = splits.pop(UNSPLIT)
        tenth = _tenth(items)
        test, rest = _draw(items, tenth if len(items) > 2 else 0, f"test {seed}")
        val, train = _draw(rest, tenth, f"val {seed}")
        splits = {"train": train, "val": val, "test": test}
        notes.append(f"no split in the data; split 80/10/10 percent with seed {seed}")
    elif "train" in splits and "val" not in splits:
        train = splits["train"]
        splits["val"], splits["train"] = _draw(train, _tenth(train), f"val {seed}")
        notes.append(f"no val split in the data; used a tenth of train with seed {seed}")
    if "train" in splits and not splits["val"]:
        notes.append("a single image is too few for a val split")
    return {split: splits[split] for split in SPLITS if splits.get(split)}


def _tenth(items: list[CheckedEntry]) -> int:
    """A tenth of the distinct images, at least one."""
    return max(1, round(len(_digests(items)) / 10))


def _draw(
    items: list[CheckedEntry], count: int, key: str
) -> tuple[list[CheckedEntry], list[CheckedEntry]]:
    """Draw distinct images with all their copies, but never every image.

    Returns:
        The drawn and the remaining items, both in their original order.
    """
    digests = sorted(_digests(items), key=lambda digest: blake2b(digest, key=key.encode()).digest())
    drawn = set(digests[: min(count, len(digests) - 1)])
    return [i for i in items if i.digest in drawn], [i for i in items if i.digest not in drawn]


def _digests(items: list[CheckedEntry]) -> set[bytes]:
    return {item.digest for item in items}


def remove_leaks(
    splits: dict[str, list[CheckedEntry]], notes: list[str], findings: list[Finding]
) -> dict[str, list[CheckedEntry]]:
    """Keep an image that is in several splits in only one: test before val before train.

    Splits that are identical are intended: val and test may be the same images. A val or test split
    that equals train measures nothing and is dropped.
    """
    splits = dict(splits)
    for split in ("val", "test"):
        if _same_images(splits, split, "train"):
            del splits[split]
            notes.append(f"{split} has the same images as train and was not used")
    val_is_test = _same_images(splits, "val", "test")
    if val_is_test:
        notes.append("test has the same images as val")
    owners: dict[bytes, tuple[str, Path]] = {}
    for split in reversed(SPLITS):
        earlier = {} if val_is_test and split == "val" else dict(owners)
        for item in splits.get(split, []):
            if item.digest in earlier:
                owner, image = earlier[item.digest]
                detail = f"in {split}, and in {owner} as {image}; kept in {owner}"
                findings.append(Finding(Problem.LEAK, item.entry.image, "", detail))
            owners.setdefault(item.digest, (split, item.entry.image))
        if split in splits:
            splits[split] = [item for item in splits[split] if item.digest not in earlier]
    return {split: items for split, items in splits.items() if items}


def _same_images(splits: dict[str, list[CheckedEntry]], one: str, other: str) -> bool:
    digests = _digests(splits.get(one, []))
    return bool(digests) and digests == _digests(splits.get(other, []))


def merge_repeats(
    splits: dict[str, list[CheckedEntry]], findings: list[Finding]
) -> dict[str, list[CheckedEntry]]:
    """Merge entries of a split that name the same image file into one with all their objects."""
    merged: dict[str, list[CheckedEntry]] = {}
    real_folders: dict[str, str] = {}
    for split, items in splits.items():
        counts = Counter(item.digest for item in items)
        first: dict[str, CheckedEntry] = {}
        for item in items:
            # Resolving links is slow, and only a file whose bytes repeat can be listed twice.
            repeated = counts[item.digest] > 1
            image = str(item.entry.image)
            key = _resolved(image, real_folders) if repeated else image
            if key in first:
                detail = f"listed again in {split}"
                findings.append(Finding(Problem.LISTED_TWICE, item.entry.image, "", detail))
                first[key] = _merge_objects(first[key], item)
            else:
                first[key] = item
        merged[split] = list(first.values())
    return merged


def _resolved(image: str, real_folders: dict[str, str]) -> str:
    """The image without links; `real_folders` keeps what is known of folders."""
    folder, name = os.path.split(image)
    if os.path.islink(image):  # noqa: PTH114 - `Path` takes longer
        return os.path.realpath(image)
    if folder not in real_folders:
        real_folders[folder] = os.path.realpath(folder)
    return f"{real_folders[folder]}{os.sep}{name}"


def _merge_objects(one: CheckedEntry, other: CheckedEntry) -> CheckedEntry:
    present = {(item.category, item.corners) for item in one.objects}
    added = [item for item in other.objects if (item.category, item.corners) not in present]
    return replace(one, objects=one.objects + added)
