"""Finds images that are nearly the same in two splits, by a perceptual hash.

A hash is a row of bits. Copies of an image that were compressed, scaled or brightened differ in few
bits, and images of other things in about half of them.
"""

import itertools
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.inspection.hash_cache import HashCache
from utils.inspection.perceptual_hash import BITS, hash_file
from utils.progress import progress_bar
from utils.records import Record

# Of BCCD, 128 photos of COCO and the raccoon data set, re-encoded, scaled and brightened copies
# differ in at most 22 bits, and pairs of different images in at least 88.
MOST_BITS = 48
_FILES_AT_ONCE = 4096  # in the queue of the threads
_ROWS_AT_ONCE = 2048
_LISTED = 10
_SPLITS = ("train", "val", "test")

_Hashed = tuple[list[Path], np.ndarray]


@dataclass(frozen=True)
class Leak:
    """An image that another split has nearly the same of.

    Attributes:
        split: its split, which is measured on.
        image: path of its file; text, so that it can be stored.
        other_split: the split that has a similar image.
        other_image: the most similar image there.
        bits: how many bits of `BITS` their hashes differ in; at most `MOST_BITS`.
    """

    split: str
    image: str
    other_split: str
    other_image: str
    bits: int


def closest(hashes: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each hash the most similar of others.

    Args:
        hashes: bool `[N, BITS]`.
        others: bool `[M, BITS]`, at least one.

    Returns:
        Its index, int64 `[N]`, and the number of bits that differ, int64 `[N]`.
    """
    index, bits = np.zeros(len(hashes), np.int64), np.full(len(hashes), BITS + 1)
    for top, left in itertools.product(
        range(0, len(hashes), _ROWS_AT_ONCE), range(0, len(others), _ROWS_AT_ONCE)
    ):
        rows = slice(top, top + _ROWS_AT_ONCE)
        distances = differing_bits(hashes[rows], others[left : left + _ROWS_AT_ONCE])
        nearest = distances.argmin(axis=1)
        found = distances[np.arange(len(nearest)), nearest]
        better = found < bits[rows]
        index[rows] = np.where(better, left + nearest, index[rows])
        bits[rows] = np.where(better, found, bits[rows])
    return index, bits


def differing_bits(hashes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Numbers of bits that differ, `[N, M]`: of bits as -1 and 1, the product is equal - unequal.

    Matrix products are faster than counting bits, and these small integers are exact in float32.
    """
    signs, other_signs = (2 * part.astype(np.float32) - 1 for part in (hashes, others))
    return (BITS - signs @ other_signs.T) / 2


def find_leaks(splits: Mapping[str, Sequence[Record]], progress: bool = True) -> list[Leak]:
    """Find the images of val and test that an earlier split has nearly the same of.

    Splits with the same files are skipped: a data set whose val is its test is meant to be so.

    Args:
        splits: the records of each split, under train, val and test.
        progress: show a progress bar.

    Returns:
        For each such image and each earlier split the most similar image there, by splits, the
        most similar first. Images that cannot be read are left out.
    """
    present = [split for split in _SPLITS if splits.get(split)]
    if len(present) < 2:
        return []
    hashed = hash_splits({split: splits[split] for split in present}, progress)
    return [
        leak
        for other, split in itertools.combinations(present, 2)
        if not _same_files(splits[other], splits[split])
        for leak in _between(split, other, hashed)
    ]


def _between(split: str, other: str, hashed: Mapping[str, _Hashed]) -> list[Leak]:
    (images, hashes), (other_images, other_hashes) = hashed[split], hashed[other]
    if not (images and other_images):
        return []
    index, bits = closest(hashes, other_hashes)
    order = [i for i in np.argsort(bits, kind="stable") if bits[i] <= MOST_BITS]
    return [
        Leak(split, str(images[i]), other, str(other_images[index[i]]), int(bits[i])) for i in order
    ]


def _same_files(records: Sequence[Record], others: Sequence[Record]) -> bool:
    digests = {record.digest for record in records}
    return b"" not in digests and digests == {record.digest for record in others}


def hash_splits(splits: Mapping[str, Sequence[Record]], progress: bool) -> dict[str, _Hashed]:
    """The images of each split that can be read, and their hashes.

    Args:
        splits: the records of each split.
        progress: show a progress bar.

    Returns:
        By split, the paths and bool `[N, BITS]`.
    """
    cache, records = HashCache(), list(itertools.chain(*splits.values()))
    digests = [record.digest for record in records]
    hashes, is_read = cache.find(digests)
    if not is_read.all():
        _hash_files(records, hashes, is_read, progress)
        kept = is_read & np.array([bool(digest) for digest in digests])
        cache.keep(list(itertools.compress(digests, kept)), hashes[kept])
    hashed, start = {}, 0
    for split, of_split in splits.items():
        rows = start + np.flatnonzero(is_read[start : start + len(of_split)])
        hashed[split] = [records[row].image for row in rows], hashes[rows]
        start += len(of_split)
    return hashed


def _hash_files(
    records: Sequence[Record], hashes: np.ndarray, is_read: np.ndarray, progress: bool
) -> None:
    """Hash the images that have not been read; fills `hashes` and `is_read`."""
    rows = np.flatnonzero(~is_read)
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        progress_bar(total=len(rows), desc="comparing images", unit="image", shown=progress) as bar,
    ):
        try:
            for start in range(0, len(rows), _FILES_AT_ONCE):
                part = rows[start : start + _FILES_AT_ONCE]
                found = pool.map(hash_file, [records[row].image for row in part])
                for row, each in zip(part, found, strict=True):
                    if each is not None:
                        hashes[row], is_read[row] = each, True
                    bar.update()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def describe_leaks(leaks: Sequence[Leak], counts: Mapping[str, int]) -> list[str]:
    """A sentence for each two splits; none without leaks.

    Args:
        leaks: from `find_leaks`.
        counts: number of images by split.
    """
    pairs = Counter((leak.split, leak.other_split) for leak in leaks)
    return [
        f"{count} of {counts[split]} images of {split} {'is' if count == 1 else 'are'} nearly the "
        f"same as an image of {other}"
        for (split, other), count in pairs.items()
    ]


def list_leaks(leaks: Sequence[Leak], counts: Mapping[str, int]) -> list[str]:
    """The sentences on one line, and a line with the file names of each of the first pairs.

    Args:
        leaks: from `find_leaks`.
        counts: number of images by split.
    """
    what = "; ".join(describe_leaks(leaks, counts)) or "none"
    lines = [f"nearly the same image in two splits: {what}"]
    lines += [
        f"  {leak.split}: {leak.image} and {leak.other_split}: {leak.other_image}"
        for leak in leaks[:_LISTED]
    ]
    return lines + [f"  and {len(leaks) - _LISTED} more"] * (len(leaks) > _LISTED)
