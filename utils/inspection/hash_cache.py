"""A cache of perceptual hashes, beside that of scans.

An image is known by the digest of its bytes. The scan of its data set has it, and keeps it for as
long as path, size and times of the file are the same: so no image has to be read again.
"""

import json
from collections.abc import Sequence
from hashlib import blake2b

import imagehash
import numpy as np

from utils.annotations.cached.cache_file import cache_folder, code_versions
from utils.errors import FileError
from utils.files.reading import open_npz, reading
from utils.files.writing import atomic_path
from utils.inspection.perceptual_hash import BITS

MOST_HASHES = 500_000  # of 40 bytes: 20 MB
_BYTES = BITS // 8
_EXPECTED = "a cache of perceptual hashes"
# What makes a hash of a file.
_CODE = ("image.py", "decoding/*.py", "inspection/perceptual_hash.py")


class HashCache:
    """The perceptual hashes of images that were looked at before, in the user's cache folder.

    The file may be deleted at any time, and a damaged one only means that hashes are computed
    again. If there are too many, those that were used longest ago are dropped.
    """

    def __init__(self) -> None:
        self._file = cache_folder() / "hashes.npz"
        self._keys, self._hashes = self._load()

    def find(self, digests: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
        """Look images up.

        Args:
            digests: of their bytes; an empty one is never found.

        Returns:
            Their hashes, bool `[N, BITS]`, and whether each is known, bool `[N]`.
        """
        hashes = np.zeros((len(digests), BITS), bool)
        if not len(self._keys):
            return hashes, np.zeros(len(digests), bool)
        keys, order = _keys_of(digests), np.argsort(self._keys)
        place = np.searchsorted(self._keys, keys, sorter=order)
        rows = order[np.minimum(place, len(order) - 1)]
        is_known = (self._keys[rows] == keys) & np.array(list(map(bool, digests)), bool)
        hashes[is_known] = np.unpackbits(self._hashes[rows[is_known]], axis=1)
        return hashes, is_known

    def keep(self, digests: Sequence[bytes], hashes: np.ndarray) -> None:
        """Write the hashes of images, bool `[N, BITS]`, with those of earlier ones."""
        keys, packed = _keys_of(digests), np.packbits(hashes, axis=1)
        is_older = ~np.isin(self._keys, keys)
        self._keys = np.concatenate([self._keys[is_older], keys])[-MOST_HASHES:]
        self._hashes = np.concatenate([self._hashes[is_older], packed])[-MOST_HASHES:]
        try:
            with atomic_path(self._file) as temporary, temporary.open("wb") as file:
                np.savez(file, code=_code(), keys=self._keys, hashes=self._hashes)
        except OSError as error:
            print(f"the next start will compare anew: {self._file}: {error.strerror}")

    def _load(self) -> tuple[np.ndarray, np.ndarray]:
        try:
            with open_npz(self._file, _EXPECTED) as arrays, reading(self._file, _EXPECTED):
                if str(arrays["code"]) == _code():
                    keys = arrays["keys"].astype(np.uint64).ravel()
                    return keys, arrays["hashes"].astype(np.uint8).reshape(len(keys), _BYTES)
        except FileError:
            pass
        return np.zeros(0, np.uint64), np.zeros((0, _BYTES), np.uint8)


def _keys_of(digests: Sequence[bytes]) -> np.ndarray:
    """Numbers that stand for digests of any length, uint64 `[N]`."""
    short = b"".join(blake2b(digest, digest_size=8).digest() for digest in digests)
    return np.frombuffer(short, np.uint64)


def _code() -> str:
    return json.dumps([imagehash.__version__, *code_versions(_CODE)])
