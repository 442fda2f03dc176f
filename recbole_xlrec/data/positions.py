"""Places of many strings in a list of different ones, a hundred million of them in seconds.

Strings are hashed column by column as whole numbers, which are then looked up; what is found is compared with what was
looked for, so that the answer is exact.
"""

from __future__ import annotations

from itertools import count

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recbole_xlrec.errors import DataError, sample

_BLOCK = 1 << 16  # strings at once, so that they stay in the processor's cache
Strings = NDArray[np.str_]
Hashes = NDArray[np.uint64]


class Positions:
    """Finds strings in a list.

    Args:
        ids: (ids,) all different.
    """

    def __init__(self, ids: Strings) -> None:
        self._ids = np.ascontiguousarray(ids, dtype=np.str_)
        self._seed = next(seed for seed in count() if len(np.unique(_hashes(self._ids, seed))) == len(ids))
        self._index = pd.Index(_hashes(self._ids, self._seed))

    def of(self, strings: Strings) -> NDArray[np.int32]:
        """The position of each string, in the same shape; -1 for an empty one.

        Raises:
            DataError: If a string is not in the list.
        """
        flat, found = np.ascontiguousarray(strings).reshape(-1), np.full(strings.size, -1, dtype=np.int32)
        for start in range(0, flat.size, _BLOCK):
            some = flat[start : start + _BLOCK]
            places = self._index.get_indexer(pd.Index(_hashes(some, self._seed)))
            known = (places >= 0) & (self._ids[places] == some)
            unknown = some[~known & (some != "")]
            if len(unknown):
                raise DataError(
                    f"the ranking holds items that its context lacks, such as {sample(np.unique(unknown).tolist())}: "
                    "they are of different runs. Take both from one run folder"
                )
            found[start : start + _BLOCK] = np.where(known, places, -1)
        return found.reshape(strings.shape)


def _hashes(strings: Strings, seed: int) -> Hashes:
    """(strings,) sums of each one's letters times fixed random odd numbers, so that padding counts nothing."""
    width = strings.dtype.itemsize // 4
    factors = np.random.default_rng(seed).integers(0, 2**63, size=width, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    letters = strings.view(np.uint32).reshape(len(strings), width)
    found = np.zeros(len(strings), dtype=np.uint64)
    for place, factor in enumerate(factors):
        found += letters[:, place] * factor
    return found
