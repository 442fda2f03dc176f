"""The saved ranking of a run: what is evaluated by language and fused."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.data.arrays import load_arrays, save_arrays
from recbole_xlrec.errors import DataError


class Ranking(NamedTuple):
    """Top-k lists of queries, with their targets.

    Attributes:
        query_ids: (queries,) strings; the user of each query.
        item_ids: (queries, k) strings, best first; empty where there were fewer than k candidates.
        scores: (queries, k) float32; -inf where the item is empty.
        target_ids: (queries, most targets of a query) strings; empty beyond a query's own.
        languages: (queries,) strings; the user's language, empty where the dataset has none.
    """

    query_ids: NDArray[np.str_]
    item_ids: NDArray[np.str_]
    scores: NDArray[np.float32]
    target_ids: NDArray[np.str_]
    languages: NDArray[np.str_]

    def hits(self) -> NDArray[np.bool_]:
        """(queries, k), true where a listed item is one of the query's targets."""
        found = np.zeros(self.item_ids.shape, dtype=bool)
        wanted = self.target_ids != ""  # (queries, most targets)
        for place in range(wanted.shape[1]):  # each query's next target, against all of its list
            rows = np.flatnonzero(wanted[:, place])
            some: slice | NDArray[np.int64] = slice(None) if len(rows) == len(found) else rows
            found[some] |= self.item_ids[some] == self.target_ids[some, place, None]
        return found

    def target_counts(self) -> NDArray[np.int64]:
        """(queries,), how many targets each query has."""
        return (self.target_ids != "").sum(axis=1)

    def tied(self, k: int = 10) -> NDArray[np.bool_]:
        """(queries,), true where the first k items, or all of a shorter list, have one score: nothing ranks them."""
        first = self.scores[:, :k]  # (queries, k)
        listed = np.isfinite(first)
        return (listed.sum(axis=1) > 1) & ((first == first[:, :1]) | ~listed).all(axis=1)


def merge_rankings(parts: Sequence[Ranking]) -> Ranking:
    """Puts rankings of different queries one after the other; a user may have several."""
    widest = max(part.target_ids.shape[1] for part in parts)
    padded = [
        np.pad(part.target_ids, ((0, 0), (0, widest - part.target_ids.shape[1])), constant_values="") for part in parts
    ]
    joined = [np.concatenate([part[field] for part in parts]) for field in (0, 1, 2, 4)]
    query_ids, item_ids, scores, languages = joined
    return Ranking(query_ids, item_ids, scores, np.concatenate(padded), languages)


def save_ranking(ranking: Ranking, path: str | os.PathLike[str]) -> None:
    """Writes a ranking as a compressed ``.npz``, beside its place first and then renamed."""
    save_arrays(ranking, path)


def load_ranking(path: str | os.PathLike[str]) -> Ranking:
    """Reads a ranking.

    Raises:
        DataError: If the file is missing, broken, lacks an array, or its arrays do not fit each other.
    """
    absent = f"no ranking at {path}: every run saves one as ranking.npz in its folder"
    ranking = load_arrays(Ranking, path, "a ranking", absent)
    lengths = {name: len(getattr(ranking, name)) for name in Ranking._fields}
    if len(set(lengths.values())) > 1 or ranking.item_ids.shape != ranking.scores.shape:
        raise DataError(f"{path}: the arrays of the ranking do not fit each other: {lengths}")
    return ranking
