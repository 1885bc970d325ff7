"""Groups of images that are nearly the same."""

from collections.abc import Sequence

import numpy as np

from utils.inspection.leaks import MOST_BITS, differing_bits, hash_splits
from utils.records import Record

_ROWS_AT_ONCE = 2048


def group_similar(records: Sequence[Record], progress: bool = True) -> np.ndarray:
    """Find which images are copies of one another, or nearly so.

    Two images are in one group if their files are equal, if their perceptual hashes differ in at
    most `MOST_BITS`, or if a chain of such pairs connects them. An image that cannot be read is
    compared by its file alone.

    Args:
        records: the images.
        progress: show a progress bar.

    Returns:
        int64 `[N]`, the group of each record, from 0.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    row_of = {record.image: row for row, record in enumerate(records)}
    images, hashes = hash_splits({"all": records}, progress)["all"]
    rows = np.array([row_of[image] for image in images], np.int64)
    first = {record.digest: row for row, record in reversed(list(enumerate(records)))}
    copies = [(row, first[record.digest]) for row, record in enumerate(records) if record.digest]
    pairs = [np.reshape(copies, (-1, 2)).astype(np.int64)]
    for top in range(0, len(rows), _ROWS_AT_ONCE):
        close = differing_bits(hashes[top : top + _ROWS_AT_ONCE], hashes) <= MOST_BITS
        mine, others = np.nonzero(close)
        pairs.append(np.stack([rows[top + mine], rows[others]], axis=1))
    one, other = np.concatenate(pairs).T
    links = coo_array((np.ones(len(one)), (one, other)), shape=(len(records),) * 2)
    return connected_components(links, directed=False)[1].astype(np.int64)
