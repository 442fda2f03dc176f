"""Histories that are asked about as they are, whoever's they may be: what models score that need no id of a user."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Ids = NDArray[np.int64]


class Histories(NamedTuple):
    """Internal item ids of several histories, one after the other, each oldest first; none is empty.

    Attributes:
        starts: (queries + 1,) where each begins; that of query q is ``items[starts[q] : starts[q + 1]]``.
        items: (total,) from 1 on.
    """

    starts: Ids
    items: Ids

    @classmethod
    def of(cls, lists: Sequence[Sequence[int] | Ids]) -> Histories:
        """Puts lists one after the other."""
        starts = np.cumsum([0, *map(len, lists)])
        items = np.concatenate([np.zeros(0, dtype=np.int64), *(np.asarray(each, dtype=np.int64) for each in lists)])
        return cls(starts, items)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.starts) - 1

    @property
    def rows(self) -> Ids:
        """(total,) the query of each item."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))

    def counts(self, items: int) -> sp.csr_matrix:
        """(queries, items) float32, how often each item stands in a history."""
        ones = np.ones(len(self.items), dtype=np.float32)
        return sp.csr_matrix((ones, (self.rows, self.items)), shape=(len(self), items))

    def met(self, items: int) -> sp.csr_matrix:
        """(queries, items) of zeros and ones, float32."""
        counts = self.counts(items)
        counts.data[:] = 1
        return counts

    def ages(self) -> Ids:
        """(total,) how many items of the same history come after each."""
        return np.repeat(self.starts[1:], np.diff(self.starts)) - 1 - np.arange(len(self.items))

    def padded(self, longest: int) -> tuple[Ids, Ids]:
        """The last items of each, at most so many: (queries, longest), zeros after them; and (queries,) lengths."""
        lengths = np.minimum(np.diff(self.starts), longest)  # (queries,)
        steps = np.arange(longest)
        there = steps < lengths[:, None]  # (queries, longest)
        places = np.where(there, (self.starts[1:] - lengths)[:, None] + steps, 0)
        return np.where(there, np.append(self.items, 0)[places], 0), lengths
