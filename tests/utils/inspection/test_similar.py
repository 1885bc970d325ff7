"""Groups of similar images: copies, near copies and chains of them."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from utils.inspection import similar
from utils.inspection.leaks import BITS, MOST_BITS
from utils.inspection.similar import group_similar
from utils.records import Record

pytestmark = pytest.mark.quick


def record(path, digest):
    empty = np.zeros((0, 4), np.float32), np.zeros(0, np.int32), np.zeros(0, bool)
    return Record(Path(path), (8, 8), *empty, digest=digest)


def groups_of(bits, digests, monkeypatch, unreadable=()):
    """The groups of images whose hashes have so many bits set, as sets of rows."""
    records = [record(f"{i}.png", digest) for i, digest in enumerate(digests)]

    def hashed(splits, progress):
        read = [i for i in range(len(records)) if i not in unreadable]
        hashes = np.array([np.arange(BITS) < bits[i] for i in read]).reshape(-1, BITS)
        return {"all": ([records[i].image for i in read], hashes)}

    monkeypatch.setattr(similar, "hash_splits", hashed)
    found = group_similar(records)
    assert set(found) == set(range(found.max() + 1))
    return {frozenset(np.flatnonzero(found == group).tolist()) for group in found}


@pytest.mark.parametrize("rows", [1, 2, 2048])
def test_a_chain_is_one_group(monkeypatch, rows):
    """0 and 2 differ in twice as many bits as similar images may, but 1 is near to both."""
    monkeypatch.setattr(similar, "_ROWS_AT_ONCE", rows)
    far = 2 * MOST_BITS
    bits = [0, MOST_BITS, far, far + MOST_BITS + 1]
    assert groups_of(bits, [b"a", b"b", b"c", b"d"], monkeypatch) == {
        frozenset({0, 1, 2}), frozenset({3}),
    }  # fmt: skip


def test_an_image_that_cannot_be_read_is_known_by_its_file(monkeypatch):
    bits, digests = [0, 0, 200, 100], [b"a", b"b", b"b", b""]
    assert groups_of(bits, digests, monkeypatch, unreadable=(2, 3)) == {
        frozenset({0, 1, 2}), frozenset({3}),
    }  # fmt: skip


def test_unknown_files_are_not_copies_of_one_another(monkeypatch):
    assert len(groups_of([0, 100], [b"", b""], monkeypatch)) == 2


def test_pictures(tmp_path):
    rng, records = np.random.default_rng(0), []
    for i in range(3):
        pixels = cv2.resize(rng.integers(0, 255, (9, 9, 3), np.uint8), (96, 96))
        for name, quality in (("fine", 95), ("coarse", 40)):
            path = tmp_path / f"{i}_{name}.jpg"
            cv2.imwrite(str(path), pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
            records.append(record(path, path.read_bytes()[-16:]))
    assert group_similar(records, progress=False).tolist() == [0, 0, 1, 1, 2, 2]
