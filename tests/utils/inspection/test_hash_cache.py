"""The cache of perceptual hashes: what is kept, what is dropped, and damaged files."""

from pathlib import Path

import numpy as np
import pytest

from utils.inspection import hash_cache
from utils.inspection.hash_cache import MOST_HASHES, HashCache
from utils.inspection.perceptual_hash import BITS

pytestmark = pytest.mark.quick


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "yolov4" / "scans" / "hashes.npz"


def made(count, start=0):
    """Digests and hashes of so many images."""
    rng = np.random.default_rng(start)
    digests = [f"image {start + i}".encode() for i in range(count)]
    return digests, rng.random((count, BITS)) < 0.5


def test_hashes_come_back_in_any_order_and_unknown_ones_do_not():
    digests, hashes = made(9)
    HashCache().keep(digests, hashes)
    order = [4, 0, 8, 4]
    found, is_known = HashCache().find([*(digests[i] for i in order), b"another", b""])
    assert is_known.tolist() == [True] * 4 + [False] * 2
    np.testing.assert_array_equal(found[:4], hashes[order])
    assert not found[4:].any()


def test_an_empty_cache_finds_nothing_and_no_images_are_no_error():
    assert not HashCache().find([b"a", b""])[1].any()
    assert len(HashCache().find([])[0]) == 0


def test_of_too_many_those_used_longest_ago_are_dropped(monkeypatch):
    monkeypatch.setattr(hash_cache, "MOST_HASHES", 5)
    first, second = made(4), made(3, start=4)
    HashCache().keep(*first)
    # The oldest of all is used again.
    digests, hashes = (
        [first[0][0], *second[0]],
        np.concatenate([first[1][:1], second[1]]),
    )
    HashCache().keep(digests, hashes)
    found, is_known = HashCache().find([*first[0], *second[0]])
    assert is_known.tolist() == [True, False, False, True, True, True, True]
    np.testing.assert_array_equal(found[[0, 4, 5, 6]], hashes)


def test_the_largest_cache_has_20_megabytes(file):
    digests, hashes = made(1000)
    HashCache().keep(digests, hashes)
    stored = np.load(file)
    assert sum(stored[name].nbytes for name in ("keys", "hashes")) * MOST_HASHES / 1000 == 20e6


@pytest.mark.parametrize("content", [b"", b"damaged", None])
def test_a_damaged_cache_is_made_anew(file, content):
    digests, hashes = made(2)
    HashCache().keep(digests, hashes)
    if content is None:  # arrays of other shapes
        stored = dict(np.load(file))
        np.savez(file, **(stored | {"hashes": stored["hashes"][:1]}))
    else:
        file.write_bytes(content)
    cache = HashCache()
    assert not cache.find(digests)[1].any()
    cache.keep(digests, hashes)
    assert HashCache().find(digests)[1].all()


def test_other_code_makes_other_hashes(monkeypatch):
    digests, hashes = made(2)
    HashCache().keep(digests, hashes)
    monkeypatch.setattr(hash_cache, "code_versions", lambda patterns: ["newer"])
    assert not HashCache().find(digests)[1].any()


def test_the_code_that_reads_and_hashes_images_is_looked_at():
    utils = Path(hash_cache.__file__).parents[1]
    code = {file.name for pattern in hash_cache._CODE for file in utils.glob(pattern)}
    assert code >= {"image.py", "jpeg.py", "png.py", "perceptual_hash.py"}


def test_a_folder_that_cannot_be_written_is_a_line(file, capsys):
    file.parents[1].write_text("a file")
    HashCache().keep(*made(1))
    assert "the next start will compare anew: " in capsys.readouterr().out
