"""One list mixed by language: in turn, or by a quota of each language.

An item keeps its score, so the scores of the new list need not fall. Items of no language (code -1) are one more
language of their own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.errors import DataError
from recbole_xlrec.ranking.lists import Codes, Lists, by_blocks, check_length


def language_round_robin(lists: Lists, k: int, *, item_languages: Codes) -> Lists:
    """The best item of each language in turn, then each one's second, and so on.

    Languages take their turns in the order in which they first stand in the list.

    Args:
        lists: (queries, n) candidates.
        k: Length of the new lists.
        item_languages: (items,) codes from 0, -1 where an item has none.
    """
    languages = lists.codes(item_languages)

    def some(rows: slice) -> Lists:
        turn, first = _turns(languages[rows])
        width = lists.items.shape[1]
        keys = np.where(lists.items[rows] >= 0, turn * width + first, width * width)
        return lists.rows(rows).taken(np.argsort(keys, axis=1, kind="stable")[:, :k])

    return by_blocks(some, len(lists.items), k, lists.items.shape[1])


def quota(lists: Lists, k: int, *, item_languages: Codes, shares: NDArray[np.float64]) -> Lists:
    """Each language gets its share of the k places, filled by its best items; the order stays that of the list.

    Places are share * k rounded down, and those left over go to the largest remainders (Hamilton's method). Places that
    a language has no candidates for go to the best of the rest. The share holds for the whole list, not at its head.

    Args:
        lists: (queries, n) candidates; n larger than k, or there is nothing to choose.
        k: Length of the new lists.
        item_languages: (items,) codes from 0, -1 where an item has none: those only fill up.
        shares: (languages,) or (queries, languages), 0 or more, summing to at most 1.

    Raises:
        DataError: Shares are negative, sum to more than 1, or are not those of these queries and languages.
    """
    places = _places(shares, k, len(lists.items))  # (queries, languages)
    languages = lists.codes(item_languages)
    if languages.max(initial=-1) >= places.shape[1]:
        raise DataError(
            f"item languages go up to {languages.max()}, but there are shares of {places.shape[1]} languages"
        )

    def some(rows: slice) -> Lists:
        own, listed = languages[rows], lists.items[rows] >= 0
        turn, _ = _turns(own)
        allowed = np.take_along_axis(places[rows], np.maximum(own, 0), axis=1)  # (rows, n)
        wanted = listed & (own >= 0) & (turn < allowed)
        best = np.argsort(np.where(wanted, 0, np.where(listed, 1, 2)), axis=1, kind="stable")[:, :k]
        return lists.rows(rows).taken(np.sort(best, axis=1))

    return by_blocks(some, len(lists.items), k, lists.items.shape[1])


def _turns(languages: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(rows, n) how many of the same language stand before each place, and where its language first stands."""
    turn, first = np.zeros_like(languages), np.zeros_like(languages)
    for code in np.unique(languages):
        same = languages == code
        turn[same] = (np.cumsum(same, axis=1) - 1)[same]
        first[same] = np.broadcast_to(same.argmax(axis=1)[:, None], same.shape)[same]
    return turn, first


def _places(shares: NDArray[np.float64], k: int, queries: int) -> NDArray[np.int64]:
    """(queries, languages) whole numbers of places by Hamilton's method."""
    check_length(k)
    each = np.atleast_2d(np.asarray(shares, dtype=np.float64))
    if len(each) not in (1, queries):
        raise DataError(f"there are shares of {len(each)} queries, and {queries} queries")
    if not (each >= 0).all() or (each.sum(axis=1) > 1 + 1e-6).any():
        raise DataError("shares of languages are 0 or more and sum to 1 at most")
    exact = each * k
    places = np.floor(exact + 1e-9).astype(np.int64)
    left = np.rint(exact.sum(axis=1)).astype(np.int64) - places.sum(axis=1)  # (rows,)
    order = np.argsort(-(exact - places), axis=1, kind="stable")
    rank = np.argsort(order, axis=1, kind="stable")
    places += rank < left[:, None]
    return np.broadcast_to(places, (queries, places.shape[1]))
