"""Saved rankings of several runs made lists over the same queries and item codes, and lists made a ranking again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recbole_xlrec.errors import DataError, sample
from recbole_xlrec.ranking.lists import EMPTY, Lists, Mask, check_lists
from recbole_xlrec.ranking.ranking import Ranking, relevant


class Aligned(NamedTuple):
    """Lists of several members over the same queries, in the order of the first ranking.

    Attributes:
        members: The lists of each ranking, in the order given.
        targets: (queries, most targets) int32 codes, -1 beyond a query's own.
        query_ids: (queries,) strings.
        languages: (queries,) strings, the user's language or empty.
        item_ids: (items,) strings; an item's code is its place here.
    """

    members: list[Lists]
    targets: NDArray[np.int32]
    query_ids: NDArray[np.str_]
    languages: NDArray[np.str_]
    item_ids: NDArray[np.str_]

    def rows(self, some: slice | NDArray[np.int64]) -> Aligned:
        """A part of the queries."""
        members = [member.rows(some) for member in self.members]
        return Aligned(members, self.targets[some], self.query_ids[some], self.languages[some], self.item_ids)

    def listed(self) -> Mask:
        """(queries,) true where any member lists any target."""
        found = np.zeros(len(self.targets), dtype=bool)
        for member in self.members:
            found |= relevant(self.targets, member.items).any(axis=1)
        return found


def align(
    rankings: Sequence[Ranking], names: Sequence[str] | None = None, item_ids: NDArray[np.str_] | None = None
) -> Aligned:
    """Brings rankings to one order of queries and one coding of items.

    A query is its id and its targets: a user may have several, and two of the same targets are matched in their order.

    Args:
        rankings: Of the same queries, in any order, with lists of any length.
        names: What to call each in an error message.
        item_ids: Ids that the codes are to be places of, such as a catalogue's; the rankings' own, sorted, where None.

    Raises:
        DataError: There is no ranking, its queries or targets or their languages differ from the first one's, an item
            is not among `item_ids`, or a list is not one (an item twice, a score that is no finite number).
    """
    if not rankings:
        raise DataError("there is no ranking to align: give one or more")
    called = list(names) if names is not None else [f"ranking {place}" for place in range(len(rankings))]
    known = np.unique(np.concatenate([ranking.ids for ranking in rankings])) if item_ids is None else item_ids
    coded = [_recoded(ranking, known, name) for ranking, name in zip(rankings, called, strict=True)]
    orders = _orders(coded, called)
    members = []
    for ranking, name, order in zip(coded, called, orders, strict=True):
        lists = Lists(ranking.items, ranking.scores.astype(np.float32, copy=False))
        check_lists(lists, name)
        members.append(lists if order is None else lists.rows(order))
    return Aligned(members, coded[0].targets, rankings[0].query_ids, rankings[0].languages, known)


def to_ranking(lists: Lists, aligned: Aligned) -> Ranking:
    """Lists over the queries and items of aligned rankings as a ranking."""
    scores = np.where(lists.present(), lists.scores, -np.inf).astype(np.float32)
    return Ranking(aligned.query_ids, lists.items, scores, aligned.targets, aligned.languages, aligned.item_ids)


def _recoded(ranking: Ranking, ids: NDArray[np.str_], name: str) -> Ranking:
    try:
        return ranking.recoded(ids)
    except DataError as error:
        raise DataError(f"{name}: {error}") from error


def _orders(rankings: Sequence[Ranking], names: Sequence[str]) -> list[NDArray[np.int64] | None]:
    """For each ranking the rows that bring it to the first one's order, or None where it is in it."""
    first_keys = _keys(rankings)
    orders: list[NDArray[np.int64] | None] = []
    first = np.lexsort(first_keys[0].T)
    for place, keys in enumerate(first_keys):
        if keys.shape == first_keys[0].shape and np.array_equal(keys, first_keys[0]):
            orders.append(None)
        else:
            orders.append(_order(keys, first_keys[0], first, names[place], names[0]))
        own = rankings[place].languages if orders[-1] is None else rankings[place].languages[orders[-1]]
        other = own != rankings[0].languages
        if other.any():
            found = sample(rankings[0].query_ids[other].tolist())
            raise DataError(
                f"{names[place]}: {other.sum()} of {len(other)} queries have another language than in {names[0]}: "
                f"{found}. Fuse runs of one dataset only."
            )
    return orders


def _keys(rankings: Sequence[Ranking]) -> list[NDArray[np.int64]]:
    """(queries, 1 + most targets) integers of each ranking that say which query a row is."""
    widest = max(ranking.targets.shape[1] for ranking in rankings)
    codes, _ = pd.factorize(np.concatenate([ranking.query_ids for ranking in rankings]).astype(object))
    edges = np.cumsum([len(ranking.query_ids) for ranking in rankings])[:-1]
    found = []
    for own, ranking in zip(np.split(codes, edges), rankings, strict=True):
        wanted = ranking.targets
        padded = np.pad(wanted, ((0, 0), (0, widest - wanted.shape[1])), constant_values=EMPTY)
        found.append(np.column_stack([own, np.sort(padded, axis=1)]).astype(np.int64))
    return found


def _order(
    keys: NDArray[np.int64], wanted: NDArray[np.int64], first: NDArray[np.int64], name: str, other: str
) -> NDArray[np.int64]:
    """The rows of `keys` in the order of `wanted`, whose sorted order is `first`."""
    own = np.lexsort(keys.T)  # stable: equal queries stay in their order
    if keys.shape == wanted.shape and np.array_equal(keys[own], wanted[first]):
        order = np.empty_like(own)
        order[first] = own
        return order
    ids, other_ids = set(keys[:, 0].tolist()), set(wanted[:, 0].tolist())
    rows, other_rows = set(map(tuple, keys.tolist())), set(map(tuple, wanted.tolist()))
    apart = len(ids ^ other_ids)
    if apart:
        what = f"{apart} query ids are in one of them only"
    elif rows ^ other_rows:
        what = f"{len({row[0] for row in rows ^ other_rows})} of {len(ids)} query ids have other targets"
    else:
        what = "some queries are there more often"
    raise DataError(
        f"{name} ({len(keys)} queries) and {other} ({len(wanted)}) do not rank the same queries: {what}. "
        "Fuse runs of one dataset, one split and one protocol."
    )
