"""Which image belongs to training, validation and test."""

from collections import Counter
from dataclasses import replace
from hashlib import blake2b

from utils.annotations.check import Checked
from utils.annotations.source import UNSPLIT, Entry, Kind, Problem, Source

SPLITS = ("train", "val", "test")


def merge(sources: list[Source], notes: list[str]) -> dict[str, list[Entry]]:
    """Join several data sets split by split; images of no split join train if splits exist.

    Returns:
        Entries under train, val, test, or all under UNSPLIT.
    """
    joined: dict[str, list[Entry]] = {}
    for source in sources:
        for split, entries in _without_trainval(source.splits, notes).items():
            joined.setdefault(split, []).extend(entries)
    if UNSPLIT in joined and len(joined) > 1:
        unsplit = joined.pop(UNSPLIT)
        joined.setdefault("train", []).extend(unsplit)
        notes.append(f"images of no split, joined to train: {len(unsplit)}")
    return joined


def _without_trainval(splits: dict[str, list[Entry]], notes: list[str]) -> dict[str, list[Entry]]:
    """Use trainval for what of train and val is missing; where both exist it is not needed."""
    splits = {split: entries for split, entries in splits.items() if entries}
    both = splits.pop("trainval", [])
    if not both or {"train", "val"} <= splits.keys():
        return splits
    missing, present = ("train", "val") if "val" in splits else ("val", "train")
    if present not in splits:
        return {"train": both, **splits}
    taken = {entry.image for entry in splits[present]}
    rest = [entry for entry in both if entry.image not in taken]
    if rest:
        splits[missing] = rest
        notes.append(f"{missing} is what trainval has beside {present}")
    return splits


def complete(
    splits: dict[str, list[Checked]], seed: int, notes: list[str]
) -> dict[str, list[Checked]]:
    """Make the splits that are missing: 80/10/10 where there are none, a tenth of train for val.

    An image's place depends on the seed and its own bytes alone, not on names or order.
    """
    splits = dict(splits)
    if UNSPLIT in splits:
        everything = splits.pop(UNSPLIT)
        tenth = _tenth(everything)
        test, rest = _take(everything, tenth if len(everything) > 2 else 0, f"test {seed}")
        val, train = _take(rest, tenth, f"val {seed}")
        splits = {"train": train, "val": val, "test": test}
        notes.append(f"there was no split: made one of 80/10/10 percent with seed {seed}")
    elif "train" in splits and "val" not in splits:
        train = splits["train"]
        splits["val"], splits["train"] = _take(train, _tenth(train), f"val {seed}")
        notes.append(f"there was no val split: took a tenth of train with seed {seed}")
    if "train" in splits and not splits["val"]:
        notes.append("a single image is too few for a val split")
    return {split: splits[split] for split in SPLITS if splits.get(split)}


def _tenth(items: list[Checked]) -> int:
    """A tenth of the distinct images, at least one."""
    return max(1, round(len(_digests(items)) / 10))


def _take(items: list[Checked], count: int, key: str) -> tuple[list[Checked], list[Checked]]:
    """Take some distinct images and all their copies, but never all images.

    Returns:
        The taken and the others, each in the order given.
    """
    digests = sorted(_digests(items), key=lambda digest: blake2b(digest, key=key.encode()).digest())
    taken = set(digests[: min(count, len(digests) - 1)])
    return [i for i in items if i.digest in taken], [i for i in items if i.digest not in taken]


def _digests(items: list[Checked]) -> set[bytes]:
    return {item.digest for item in items}


def remove_leaks(
    splits: dict[str, list[Checked]], notes: list[str], problems: list[Problem]
) -> dict[str, list[Checked]]:
    """Keep an image that stands in several splits in one only: test before val before train.

    Splits that are the same as a whole are somebody's intention: val and test may be the same;
    a val or test that is train measures nothing and is not used.
    """
    splits = dict(splits)
    for split in ("val", "test"):
        if _same(splits, split, "train"):
            del splits[split]
            notes.append(f"{split} is the same images as train and was not used")
    same = _same(splits, "val", "test")
    if same:
        notes.append("test is the same images as val")
    owners: dict[bytes, tuple[str, Checked]] = {}
    for split in reversed(SPLITS):
        others = {} if same and split == "val" else dict(owners)
        for item in splits.get(split, []):
            if item.digest in others:
                where, other = others[item.digest]
                detail = f"in {split}, and in {where} as {other.entry.image}: kept in {where}"
                problems.append(Problem(Kind.LEAK, item.entry.image, "", detail))
            owners.setdefault(item.digest, (split, item))
        if split in splits:
            splits[split] = [item for item in splits[split] if item.digest not in others]
    return {split: items for split, items in splits.items() if items}


def _same(splits: dict[str, list[Checked]], one: str, other: str) -> bool:
    digests = _digests(splits.get(one, []))
    return bool(digests) and digests == _digests(splits.get(other, []))


def join_repeats(
    splits: dict[str, list[Checked]], problems: list[Problem]
) -> dict[str, list[Checked]]:
    """Make one of several listings of an image file in a split, with the objects of all."""
    joined: dict[str, list[Checked]] = {}
    for split, items in splits.items():
        counts = Counter(item.digest for item in items)
        first: dict[object, Checked] = {}
        for item in items:
            repeated = counts[item.digest] > 1
            key = item.entry.image.resolve() if repeated else item.entry.image
            if key in first:
                detail = f"again in {split}"
                problems.append(Problem(Kind.LISTED_TWICE, item.entry.image, "", detail))
                first[key] = _join(first[key], item)
            else:
                first[key] = item
        joined[split] = list(first.values())
    return joined


def _join(one: Checked, other: Checked) -> Checked:
    known = {(item.category, item.corners) for item in one.objects}
    more = [item for item in other.objects if (item.category, item.corners) not in known]
    return replace(one, objects=one.objects + more)
