"""The saved ranking of a run: what is evaluated by language and fused."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recbole_xlrec.data.arrays import load_arrays, save_arrays
from recbole_xlrec.errors import DataError, sample


class Ranking(NamedTuple):
    """Top-k lists of queries, with their targets, as codes: an item's code is its place among `ids`.

    Attributes:
        query_ids: (queries,) strings; the user of each query.
        items: (queries, k) int32 codes, best first; -1 where there were fewer than k candidates.
        scores: (queries, k) float32; -inf where there is no item.
        targets: (queries, most targets of a query) int32 codes; -1 beyond a query's own.
        languages: (queries,) strings; the user's language, empty where the dataset has none.
        ids: (items,) strings, all different; at least those of all items that are listed or targets.
    """

    query_ids: NDArray[np.str_]
    items: NDArray[np.int32]
    scores: NDArray[np.float32]
    targets: NDArray[np.int32]
    languages: NDArray[np.str_]
    ids: NDArray[np.str_]

    @classmethod
    def of(cls, query_ids: Any, item_ids: Any, scores: Any, target_ids: Any, languages: Any) -> Ranking:
        """A ranking of ids: (queries, k) listed ones and (queries, most targets) targets, empty where there is none."""
        listed, wanted = np.asarray(item_ids, dtype=np.str_), np.asarray(target_ids, dtype=np.str_)
        both = np.concatenate([[""], listed.ravel(), wanted.ravel()])
        ids, codes = np.unique(both, return_inverse=True)  # the empty one comes first, and so gets -1
        items, targets = np.split(codes[1:].astype(np.int32) - 1, [listed.size])
        return cls(
            np.asarray(query_ids, dtype=np.str_),
            items.reshape(listed.shape),
            np.asarray(scores, dtype=np.float32),
            targets.reshape(wanted.shape),
            np.asarray(languages, dtype=np.str_),
            ids[1:],
        )

    @property
    def item_ids(self) -> NDArray[np.str_]:
        """(queries, k) strings, empty where there is no item; of many lists, gigabytes."""
        return self.named(self.items)

    @property
    def target_ids(self) -> NDArray[np.str_]:
        """(queries, most targets) strings, empty beyond a query's own."""
        return self.named(self.targets)

    def named(self, codes: NDArray[np.int32]) -> NDArray[np.str_]:
        """The ids of codes, in the same shape; empty for -1."""
        return np.append(self.ids, "")[codes]

    def recoded(self, ids: NDArray[np.str_]) -> Ranking:
        """The same with codes that are places in other ids.

        Raises:
            DataError: If an item that is listed or a target is not among them, or an id stands there twice.
        """
        if ids is self.ids or np.array_equal(ids, self.ids):
            return self
        known = pd.Index(ids)
        if not known.is_unique:
            raise DataError(f"item ids stand twice: {sample(known[known.duplicated()].tolist())}")
        found = known.get_indexer(pd.Index(self.ids)).astype(np.int32)  # (own ids,)
        places = np.append(found, np.int32(-1))  # the last one is where -1 points
        if (found < 0).any():
            self._refuse(np.append(found < 0, False))
        return self._replace(items=places[self.items], targets=places[self.targets], ids=ids)

    def _refuse(self, unknown: NDArray[np.bool_]) -> None:
        """Raises if a code is listed or a target that is marked (ids + 1,) as unknown."""
        lost = np.concatenate([codes[unknown[codes]] for codes in (self.items, self.targets)])
        if len(lost):
            names = sample(self.ids[np.unique(lost)].tolist())
            raise DataError(f"the ranking holds items that are not known here, such as {names}: take both of one run")

    def compact(self) -> Ranking:
        """The same with the ids that are listed or targets alone, sorted."""
        used = np.zeros(len(self.ids) + 1, dtype=bool)  # the last one is where -1 points
        used[self.items], used[self.targets] = True, True
        return self.recoded(np.sort(self.ids[used[:-1]]))

    def hits(self) -> NDArray[np.bool_]:
        """(queries, k), true where a listed item is one of the query's targets."""
        return relevant(self.targets, self.items)

    def target_counts(self) -> NDArray[np.int64]:
        """(queries,), how many targets each query has."""
        return (self.targets >= 0).sum(axis=1)

    def tied(self, k: int = 10) -> NDArray[np.bool_]:
        """(queries,), true where the first k items, or all of a shorter list, have one score: nothing ranks them."""
        first = self.scores[:, :k]  # (queries, k)
        listed = np.isfinite(first)
        return (listed.sum(axis=1) > 1) & ((first == first[:, :1]) | ~listed).all(axis=1)


def relevant(targets: NDArray[np.int32], items: NDArray[np.int32]) -> NDArray[np.bool_]:
    """(queries, targets) and (queries, k) codes → (queries, k), true where an item is among the query's targets."""
    found = np.zeros(items.shape, dtype=bool)
    for place in range(targets.shape[1]):  # each query's next target, against all of its list
        rows = np.flatnonzero(targets[:, place] >= 0)
        some: slice | NDArray[np.int64] = slice(None) if len(rows) == len(found) else rows
        found[some] |= items[some] == targets[some, place, None]
    return found


def merge_rankings(parts: Sequence[Ranking]) -> Ranking:
    """Puts rankings of different queries one after the other; a user may have several; lists are as the shortest."""
    ids = np.unique(np.concatenate([part.ids for part in parts]))
    coded = [part.recoded(ids) for part in parts]
    k, widest = min(part.items.shape[1] for part in parts), max(part.targets.shape[1] for part in parts)
    targets = [np.pad(each, ((0, 0), (0, widest - each.shape[1])), constant_values=-1) for _, _, _, each, _, _ in coded]
    return Ranking(
        np.concatenate([part.query_ids for part in parts]),
        np.concatenate([part.items[:, :k] for part in coded]),
        np.concatenate([part.scores[:, :k] for part in parts]),
        np.concatenate(targets),
        np.concatenate([part.languages for part in parts]),
        ids,
    )


def save_ranking(ranking: Ranking, path: str | os.PathLike[str]) -> None:
    """Writes a ranking as an ``.npz``, beside its place first and then renamed."""
    save_arrays(ranking, path)


def load_ranking(path: str | os.PathLike[str]) -> Ranking:
    """Reads a ranking.

    Raises:
        DataError: If the file is missing, broken, lacks an array, or its arrays do not fit each other.
    """
    absent = f"no ranking at {path}: every run saves one as ranking.npz in its folder"
    ranking = load_arrays(Ranking, path, "a ranking", absent)
    lengths = {name: len(getattr(ranking, name)) for name in Ranking._fields if name != "ids"}
    codes = [array for array in (ranking.items, ranking.targets) if array.size]
    outside = any(array.min() < -1 or array.max() >= len(ranking.ids) for array in codes)
    if len(set(lengths.values())) > 1 or ranking.items.shape != ranking.scores.shape or outside:
        raise DataError(
            f"{path}: the arrays of the ranking do not fit each other: {lengths}, {len(ranking.ids)} ids of items"
        )
    return ranking
