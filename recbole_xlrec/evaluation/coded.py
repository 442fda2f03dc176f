"""A ranking in the numbers of its context: positions of items and codes of languages, on which all measures work."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.errors import DataError, sample
from recbole_xlrec.evaluation.context import Context
from recbole_xlrec.ranking.ranking import Ranking

Codes = NDArray[np.int32]
_BLOCK = 1 << 20  # list places at once: arrays of some MB, whatever the number of queries


class Coded(NamedTuple):
    """A ranking against its context; a pair is a query with one of its targets.

    Attributes:
        items: (queries, k) positions in the context's `item_ids`, best first; -1 where the list has ended.
        pair_queries: (pairs,) the query of each target, rising; every query has at least one.
        pair_items: (pairs,) the target.
        pair_ranks: (pairs,) its place in the query's list, from 0; k where it is not listed.
        languages: The languages by code; ``languages[0]`` is empty and means none.
        user_languages: (queries,) codes.
        item_languages: (items,) codes.
    """

    items: Codes
    pair_queries: Codes
    pair_items: Codes
    pair_ranks: Codes
    languages: tuple[str, ...]
    user_languages: Codes
    item_languages: Codes

    @property
    def queries(self) -> int:
        """How many queries."""
        return len(self.items)

    @property
    def length(self) -> int:
        """Length of the lists."""
        return self.items.shape[1]

    @property
    def target_languages(self) -> Codes:
        """(pairs,) the language of each target."""
        return self.item_languages[self.pair_items]

    def blocks(self, k: int) -> list[slice]:
        """Stretches of queries, such that lists of length k are scored in memory of bounded size."""
        step = max(1, _BLOCK // max(k, 1))
        return [slice(start, start + step) for start in range(0, self.queries, step)]


def encode(ranking: Ranking, context: Context) -> Coded:
    """Turns a ranking's codes into those of its context.

    Raises:
        DataError: If ranking and context are of different runs, or a query has no target.
    """
    if len(context.history_starts) != len(ranking.query_ids) + 1:
        raise DataError(
            f"the ranking has {len(ranking.query_ids)} queries and its context {len(context.history_starts) - 1}: they "
            "are of different runs. Take both from one run folder"
        )
    own = ranking.recoded(context.item_ids)
    named = {name for array in (ranking.languages, context.item_languages) for name in np.unique(array).tolist()}
    languages = ("", *sorted(named - {""}))
    pair_queries, places = np.nonzero(own.targets >= 0)
    return coded(
        own.items,
        pair_queries,
        own.targets[pair_queries, places],
        languages,
        np.searchsorted(languages, ranking.languages),
        np.searchsorted(languages, context.item_languages),
    )


def coded(
    items: NDArray[np.integer],
    pair_queries: NDArray[np.integer],
    pair_items: NDArray[np.integer],
    languages: tuple[str, ...],
    user_languages: NDArray[np.integer],
    item_languages: NDArray[np.integer],
) -> Coded:
    """Finds where in its query's list each target stands; see `Coded` for the arrays.

    Raises:
        DataError: If a query has no target.
    """
    bare = np.flatnonzero(np.bincount(pair_queries, minlength=len(items)) == 0)
    if len(bare):
        raise DataError(f"{len(bare)} of {len(items)} queries have no target: numbers {sample(bare.tolist())}")
    lists, queries, targets = (_int32(array) for array in (items, pair_queries, pair_items))
    ranks = np.full(len(queries), lists.shape[1], dtype=np.int32)
    step = max(1, _BLOCK // max(1, lists.shape[1]))
    for start in range(0, len(queries), step):
        some = slice(start, start + step)
        row, place = np.nonzero(lists[queries[some]] == targets[some, None])
        ranks[start + row] = place
    return Coded(lists, queries, targets, ranks, languages, _int32(user_languages), _int32(item_languages))


def _int32(array: NDArray[np.integer]) -> Codes:
    return array.astype(np.int32, copy=False)
