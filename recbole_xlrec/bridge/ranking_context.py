"""The context of a run's ranking, read off the parts of its split."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from recbole.data.dataset import SequentialDataset

from recbole_xlrec.bridge.lazy_sequences import PLACE
from recbole_xlrec.evaluation.context import Context
from recbole_xlrec.ranking.ranking import Ranking

Ids = NDArray[np.int64]


def ranking_context(ranking: Ranking, train: Any, valid: Any, test: Any) -> Context:
    """What a test ranking is judged against.

    Args:
        ranking: Of the test part.
        train: The training part that the model was built on.
        valid: The validation part.
        test: The test part.
    """
    names, index = train.item_ids[1:], train.languages
    languages = np.full(len(names), "")
    if index is not None and index.items is not None:
        languages = np.array(index.names)[index.items[1:]]
    queries = pd.Index(train.field2id_token[train.uid_field]).get_indexer(ranking.query_ids)  # (queries,)
    starts, items = histories_of(queries, train, valid, test)
    return Context(names, languages, train.training_counts[1:], starts, (items - 1).astype(np.int32))


class _Events(NamedTuple):
    """Interactions by internal ids, (interactions,) each."""

    users: Ids
    items: Ids

    def of(self, queries: Ids) -> tuple[Ids, Ids]:
        """The items of each query's user, in the order in which they are: starts (queries + 1,) and items (total,)."""
        order = np.argsort(self.users, kind="stable")
        users, items = self.users[order], self.items[order]
        begins, ends = np.searchsorted(users, queries), np.searchsorted(users, queries, side="right")
        return gathered(items, begins, ends)


def gathered(values: NDArray[Any], begins: Ids, ends: Ids) -> tuple[Ids, NDArray[Any]]:
    """Puts stretches of values one after the other: starts (stretches + 1,) and values (total,).

    Example:
        >>> [part.tolist() for part in gathered(np.arange(9), np.array([4, 0]), np.array([6, 3]))]
        [[0, 2, 5], [4, 5, 0, 1, 2]]
    """
    starts = np.concatenate([[0], np.cumsum(ends - begins)])
    places = np.arange(starts[-1]) + np.repeat(begins - starts[:-1], ends - begins)  # (total,)
    return starts, values[places]


def histories_of(queries: Ids, train: Any, valid: Any, test: Any) -> tuple[Ids, Ids]:
    """What users had consumed before test asks about them, oldest first: starts (queries + 1,) and items (total,).

    Args:
        queries: (queries,) internal ids of users.
        train: The training part that the model was built on.
        valid: The validation part.
        test: The test part.
    """
    if getattr(test, "_flat", None) is not None:
        return _flat_histories(queries, test)
    # Training as scorers see it: with the users that the protocol hides from training and test asks about.
    parts = [train.copy(train.query_events), valid]
    events = _in_time(parts)
    if isinstance(test, SequentialDataset):
        events = _joined(_before_first([*parts, test]), events)
    hidden = getattr(test, "targets_hidden", False)
    if test.met_elsewhere is not None and not hidden:  # what else hidden users did: their validation
        events = _joined(events, _not_in(events, _Events(*test.met_elsewhere), train.item_num))
    return events.of(queries)


def _flat_histories(queries: Ids, test: Any) -> tuple[Ids, Ids]:
    """All interactions of a query's user before the first that test asks about; lazy sequences keep them in order."""
    users = test._flat[test.uid_field].numpy()
    ends = np.full(test.user_num, len(users))
    np.minimum.at(ends, test.inter_feat[test.uid_field].numpy(), test.inter_feat[PLACE].numpy())
    begins = np.searchsorted(users, queries)
    return gathered(test._flat[test.iid_field].numpy(), begins, ends[queries])


def _in_time(parts: list[Any]) -> _Events:
    """The interactions of the parts, in time order where they carry times, those of earlier parts first."""
    first = parts[0]
    columns = [
        np.concatenate([np.asarray(part.inter_feat[field]) for part in parts])
        for field in (first.uid_field, first.iid_field)
    ]
    if first.time_field in first.inter_feat:
        times = np.concatenate([np.asarray(part.inter_feat[first.time_field]) for part in parts])
        order = np.argsort(times, kind="stable")
        columns = [column[order] for column in columns]
    return _Events(*columns)


def _before_first(parts: list[Any]) -> _Events:
    """What comes before the first target of each user, which RecBole's sequential rows hold in their lists only."""
    user, length, listed = parts[0].uid_field, parts[0].item_list_length_field, parts[0].item_id_list_field
    users, lengths, lists = (
        np.concatenate([np.asarray(part.inter_feat[field]) for part in parts]) for field in (user, length, listed)
    )
    order = np.lexsort((lengths, users))  # stable: of equal lengths, which are cut to the longest, the earlier part's
    rows = order[np.unique(users[order], return_index=True)[1]]  # (users,)
    there = np.arange(lists.shape[1]) < lengths[rows, None]  # (users, longest)
    return _Events(np.repeat(users[rows], lengths[rows]), lists[rows][there])


def _joined(first: _Events, second: _Events) -> _Events:
    return _Events(np.concatenate([first.users, second.users]), np.concatenate([first.items, second.items]))


def _not_in(events: _Events, more: _Events, item_num: int) -> _Events:
    new = ~np.isin(more.users * item_num + more.items, events.users * item_num + events.items)
    return _Events(more.users[new], more.items[new])
