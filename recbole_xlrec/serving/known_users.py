"""The users of a run, as its evaluation on the test part knew them."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from recbole.utils import ModelType

from recbole_xlrec.bridge.ranking_context import histories_of
from recbole_xlrec.model.histories import Histories
from recbole_xlrec.serving.load import LoadedRun

Ids = NDArray[np.int64]


class KnownUsers:
    """Users by internal id, the padding user first.

    Args:
        run: The run.

    Attributes:
        ids: (users,) strings.
        sequential: Whether the model goes by what a user consumed before it is asked.
    """

    def __init__(self, run: LoadedRun) -> None:
        self.run = run
        self.sequential = run.model.type == ModelType.SEQUENTIAL
        self.ids = np.asarray(run.train.field2id_token[run.train.uid_field], dtype=str)
        self._index = pd.Index(self.ids[1:])

    def find(self, ids: list[str]) -> Ids:
        """(chosen,) internal ids, 0 for who is not known."""
        return self._index.get_indexer(ids) + 1

    @cached_property
    def consumed(self) -> Histories:
        """(users,) what each had consumed before test asks: what is not recommended again."""
        run = self.run
        starts, items = histories_of(np.arange(len(self.ids)), run.train, run.valid, run.test)
        return _with_more(Histories(starts, items), run)

    @cached_property
    def told(self) -> Histories:
        """(users,) what the model goes by: of sequential models what they consumed, of others the training part."""
        train = self.run.train
        if self.sequential:
            return self.consumed
        events = train.query_events
        users, items = (events[field].numpy() for field in (train.uid_field, train.iid_field))
        keys = (events[train.time_field].numpy(), users) if train.time_field in events else (users,)
        order = np.lexsort(keys)  # stable: of two at one time the one listed later is later
        starts = np.searchsorted(users[order], np.arange(len(self.ids) + 1))
        return Histories(starts, items[order])

    @cached_property
    def languages(self) -> Ids | None:
        """(users,) codes of languages; None where users carry none."""
        index = self.run.train.languages
        return None if index is None else index.users


def chosen(histories: Histories, queries: Ids) -> Histories:
    """The histories of some."""
    return Histories.of([histories.items[histories.starts[each] : histories.starts[each + 1]] for each in queries])


def _with_more(histories: Histories, run: LoadedRun) -> Histories:
    """Adds, at the front, what the protocol took out of every part; sequential models are not told of it."""
    more = run.test.met_elsewhere
    if more is None or run.model.type == ModelType.SEQUENTIAL or not len(more[0]):
        return histories
    users, items = (
        np.concatenate([first, second]) for first, second in zip(more, (histories.rows, histories.items), strict=True)
    )
    order = np.argsort(users, kind="stable")
    return Histories(np.searchsorted(users[order], np.arange(len(histories) + 1)), items[order])
