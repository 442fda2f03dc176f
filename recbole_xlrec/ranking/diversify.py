"""Lists with less of the same: maximal marginal relevance, Carbonell and Goldstein (1998), SIGIR."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.errors import ConfigError, DataError
from recbole_xlrec.ranking.lists import EMPTY, Lists, by_blocks, check_length
from recbole_xlrec.ranking.normalise import min_max


def mmr(lists: Lists, k: int, *, vectors: NDArray[np.floating], relevance: float = 0.7) -> Lists:
    """Chooses item after item the one of the largest relevance * s - (1 - relevance) * (cosine to the nearest chosen).

    s is the score min-max normalised within the query. An item keeps its own score, so those of the new list need not
    fall. A vector of zeros is similar to nothing.

    Args:
        lists: (queries, n) candidates, best first.
        k: Length of the new lists.
        vectors: (items, width), finite.
        relevance: From 0, variety only, to 1, the list as it is (lambda in the paper).

    Raises:
        ConfigError: `relevance` is out of range.
        DataError: A listed item has no vector.
    """
    if not 0 <= relevance <= 1:
        raise ConfigError(f"the relevance of mmr lies between 0 and 1; found {relevance}")
    check_length(k)
    n = lists.items.shape[1]
    if lists.items.max(initial=-1) >= len(vectors):
        raise DataError(f"item {lists.items.max()} is listed, but there are vectors of {len(vectors)} items")

    def some(rows: slice) -> Lists:
        part = lists.rows(rows)
        return part.taken(_greedy(part, _cosines(part, vectors), min(k, n), relevance))

    return by_blocks(some, len(lists.items), k, n * (n + vectors.shape[1]))


def _cosines(lists: Lists, vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """(rows, n, n) cosines of each row's items; 0 where one of two is empty or of zeros."""
    listed = np.where(lists.present()[:, :, None], vectors[lists.items], 0).astype(np.float32)  # (rows, n, width)
    lengths = np.linalg.norm(listed, axis=2, keepdims=True)
    unit = np.divide(listed, lengths, out=np.zeros_like(listed), where=lengths > 0)
    return np.asarray(unit @ unit.transpose(0, 2, 1))


def _greedy(lists: Lists, cosines: NDArray[np.float32], k: int, relevance: float) -> NDArray[np.int64]:
    """(rows, k) the places chosen, -1 where there are no more."""
    row = np.arange(len(lists.items))
    gain = np.where(lists.present(), relevance * np.maximum(min_max([lists])[0].scores, 0), -np.inf)  # (rows, n)
    nearest = np.full(gain.shape, -np.inf, dtype=np.float32)
    chosen = np.full((len(row), k), EMPTY, dtype=np.int64)
    for step in range(k):
        worth = gain - (1 - relevance) * (nearest if step else np.zeros_like(nearest))
        best = worth.argmax(axis=1)  # of equal ones the earlier
        there = np.isfinite(gain[row, best])
        chosen[:, step] = np.where(there, best, EMPTY)
        np.maximum(nearest, cosines[row, best], out=nearest)
        gain[row, best] = -np.inf
    return chosen
