"""Pairs of items of different languages that should lie close: editions of one work, and items consumed together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Pairs = NDArray[np.int64]  # (pairs, 2)


def edition_pairs(works: Sequence[str], languages: NDArray[np.int64]) -> Pairs:
    """Each two items of different languages that have one work.

    Args:
        works: (items,) names of the works; an item without one has the empty string.
        languages: (items,) codes; 0 for none.

    Returns:
        (pairs, 2) places of items, the smaller first.
    """
    names, codes = np.unique(np.asarray(works, dtype=str), return_inverse=True)
    there = np.flatnonzero((np.asarray(works) != "") & (languages > 0))
    share = sp.csr_matrix((np.ones(len(there)), (there, codes[there])), shape=(len(works), len(names)))
    together = sp.triu(share @ share.T, k=1).tocoo()
    pairs = np.stack([together.row, together.col], axis=1).astype(np.int64)
    return np.unique(pairs[languages[pairs[:, 0]] != languages[pairs[:, 1]]], axis=0)


def consumed_pairs(
    histories: sp.csr_matrix, languages: NDArray[np.int64], partners: int = 5, least: int = 2, block: int = 2048
) -> Pairs:
    """The items of other languages that an item is consumed with most, by the cosine of their users.

    Args:
        histories: (users, items) of zeros and ones.
        languages: (items,) codes; 0 for none.
        partners: Pairs an item begins, at most.
        least: Users that a pair needs.
        block: Items compared at a time; bounds the memory.

    Returns:
        (pairs, 2) places of items, each pair once, the smaller first.
    """
    columns = histories.T.tocsr()  # (items, users)
    scale = 1 / np.sqrt(np.maximum(np.diff(columns.indptr), 1))  # (items,)
    found = [np.zeros((0, 2), dtype=np.int64)]
    for start in range(0, columns.shape[0], block):
        together = (columns[start : start + block] @ histories).tocoo()  # (block, items)
        left, right, users = together.row + start, together.col, together.data
        kept = (users >= least) & (languages[left] != languages[right]) & (languages[left] > 0) & (languages[right] > 0)
        left, right, users = left[kept], right[kept], users[kept]
        order = np.lexsort((right, -users * scale[left] * scale[right], left))
        left, right = left[order], right[order]
        rank = np.arange(len(left)) - np.searchsorted(left, left)  # (kept,) place among the partners of its item
        found.append(np.stack([left, right], axis=1)[rank < partners])
    pairs = np.sort(np.concatenate(found), axis=1)
    return np.unique(pairs, axis=0)
