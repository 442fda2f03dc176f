"""What a learned fusion sees of each candidate: every item that any member lists for a query, with its features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.errors import DataError
from recbole_xlrec.ranking.lists import Codes, Lists
from recbole_xlrec.ranking.normalise import min_max
from recbole_xlrec.ranking.union import Union, union

#: Features of each member, in this order; the first three are missing (NaN) where it does not list the item.
OF_A_MEMBER = ("rank", "score", "normalised", "listed")


class Signals(NamedTuple):
    """What is known beside the members' lists; what is None is no feature.

    Attributes:
        item_languages: (items,) codes from 0, -1 where an item has none.
        user_languages: (queries,) codes, -1 where a user has none. The match with the item's is 1 or 0, and missing
            where either has none.
        popularity: (items,), such as the number of training interactions.
        recency: (items,), such as the age of an item.
        user_vectors: (queries, width) of the text that the user consumed.
        item_vectors: (items, width) of the items' text. The text similarity is the cosine of the two.
    """

    item_languages: Codes | None = None
    user_languages: Codes | None = None
    popularity: NDArray[Any] | None = None
    recency: NDArray[Any] | None = None
    user_vectors: NDArray[Any] | None = None
    item_vectors: NDArray[Any] | None = None

    def rows(self, some: slice | NDArray[np.int64]) -> Signals:
        """The signals of some queries."""
        users = None if self.user_languages is None else self.user_languages[some]
        vectors = None if self.user_vectors is None else self.user_vectors[some]
        return self._replace(user_languages=users, user_vectors=vectors)


class Candidates(NamedTuple):
    """Candidates of queries, one after the other.

    Attributes:
        found: The items of each query.
        groups: (candidates,) which of `found.starts` each is.
        rows: (candidates,) its query, rising.
        items: (candidates,) its code.
        features: (candidates, features) float32, in the order of `feature_names`.
    """

    found: Union
    groups: NDArray[np.int64]
    rows: NDArray[np.int64]
    items: NDArray[np.int32]
    features: NDArray[np.float32]


def feature_names(names: Sequence[str], signals: Signals) -> list[str]:
    """The names of the features of members of these names."""
    each = [f"{name}_{what}" for name in names for what in OF_A_MEMBER]
    pairs = (
        ("language_match", signals.item_languages),
        ("popularity", signals.popularity),
        ("recency", signals.recency),
        ("text_similarity", signals.item_vectors),
    )
    return [*each, "listed_by", "reciprocal_ranks", *(name for name, values in pairs if values is not None)]


def check_signals(signals: Signals, queries: int, items: int) -> None:
    """Refuses signals that are not those of these queries, and of at least so many items.

    Raises:
        DataError: Lengths do not fit, or one of a pair is missing.
    """
    pairs = (("user_languages", "item_languages"), ("user_vectors", "item_vectors"))
    for user, item in pairs:
        if (getattr(signals, user) is None) != (getattr(signals, item) is None):
            raise DataError(f"{user} and {item} make one feature: give both or neither")
    for name in ("user_languages", "user_vectors"):
        values = getattr(signals, name)
        if values is not None and len(values) != queries:
            raise DataError(f"{name} are of {len(values)} queries, and there are {queries}")
    for name in ("item_languages", "popularity", "recency", "item_vectors"):
        values = getattr(signals, name)
        if values is not None and len(values) < items:
            raise DataError(f"{name} are of {len(values)} items, and items up to number {items - 1} are listed")


def candidates(members: Sequence[Lists], signals: Signals) -> Candidates:
    """The items that any member lists and their features; no target is looked at."""
    found = union(members)
    groups = np.flatnonzero(found.items.ravel()[found.starts] >= 0)
    starts = found.starts[groups]
    rows, items = starts // found.items.shape[1], found.items.ravel()[starts]
    features = [_of_members(members, found)[groups], *_of_signals(rows, items, signals)]
    return Candidates(found, groups, rows, items, np.column_stack(features).astype(np.float32))


def _of_members(members: Sequence[Lists], found: Union) -> NDArray[np.float32]:
    """(groups, 4 * members + 2) what the members say of each item, of the empty places too."""
    group = np.repeat(np.arange(len(found.starts)), found.counts())  # (cells,)
    member, column = found.gathered(found.members), found.gathered(found.columns)
    table = np.full((len(found.starts), len(members), len(OF_A_MEMBER)), np.nan, dtype=np.float32)
    table[:, :, 3] = 0
    table[group, member, 0] = column + 1
    for place, lists in ((1, members), (2, min_max(members))):
        scores = np.concatenate([each.scores for each in lists], axis=1)
        table[group, member, place] = found.gathered(scores)
    table[group, member, 3] = 1
    together = np.bincount(group, 1 / (61.0 + column), minlength=len(table))  # as `fuse.rrf`
    counts = found.counts()
    return np.column_stack([table.reshape(len(table), -1), counts, together]).astype(np.float32)


def _of_signals(rows: NDArray[np.int64], items: NDArray[np.int32], signals: Signals) -> list[NDArray[Any]]:
    """(candidates,) each signal that there is."""
    made: list[NDArray[Any]] = []
    if signals.item_languages is not None and signals.user_languages is not None:
        own, other = signals.item_languages[items], signals.user_languages[rows]
        made.append(np.where((own < 0) | (other < 0), np.nan, own == other))
    made += [values[items] for values in (signals.popularity, signals.recency) if values is not None]
    if signals.item_vectors is not None and signals.user_vectors is not None:
        made.append(_cosine(signals.user_vectors, signals.item_vectors, rows, items))
    return made


def _cosine(
    users: NDArray[Any], vectors: NDArray[Any], rows: NDArray[np.int64], items: NDArray[np.int32]
) -> NDArray[np.float32]:
    """(candidates,) cosines, 0 where a vector is of zeros."""
    own, other = users[rows].astype(np.float32), vectors[items].astype(np.float32)  # (candidates, width)
    lengths = np.linalg.norm(own, axis=1) * np.linalg.norm(other, axis=1)
    products = np.einsum("cw,cw->c", own, other)
    return np.asarray(np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0))
