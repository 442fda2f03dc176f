"""What a user liked before, the newest first, without the item that is asked about."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.model.bert.tokens import Ids, Ragged


class Past:
    """Histories of users.

    The item of a row is left out of its own history: a positive training row would otherwise be told by its own item,
    which the rows to be predicted never are. See `left_out`.

    Args:
        histories: (users,) of different items each, the newest first.
        longest: Items of a history that count.
    """

    def __init__(self, histories: Ragged, longest: int) -> None:
        self.histories, self.longest = histories, longest

    @classmethod
    def of(cls, dataset: Any, longest: int) -> Past:
        """The histories of a training part: what is labelled 1, or everything where there are no labels."""
        events = dataset.query_events
        users, items = (events[field].numpy() for field in (dataset.uid_field, dataset.iid_field))
        liked = np.ones(len(users), dtype=bool)
        if dataset.label_field in events.columns:
            liked = events[dataset.label_field].numpy() > 0.5
        times = events[dataset.time_field].numpy() if dataset.time_field in events.columns else np.arange(len(users))
        rows = np.flatnonzero(liked)
        rows = rows[np.lexsort((rows, times[rows], users[rows]))[::-1]]  # users descending, newest first
        pairs = users[rows].astype(np.int64) * dataset.item_num + items[rows]
        rows = rows[np.sort(np.unique(pairs, return_index=True)[1])]  # an item that comes again counts where it is new
        rows = rows[np.argsort(users[rows], kind="stable")]
        counts = np.bincount(users[rows], minlength=dataset.user_num)
        return cls(Ragged(np.concatenate([[0], np.cumsum(counts)]), items[rows].astype(np.int64)), longest)

    def left_out(self, users: Ids, items: Ids, training: bool) -> Ids:
        """(rows,) users and items → (rows,) the item that the history of each does without; 0 for none.

        That is the item of the row where the history has it. In training another one, drawn at random, where it has
        not: a history that lacks an item would otherwise tell a positive row from a negative one.
        """
        found, there = self._newest(users)
        own = (there & (found == items[:, None])).any(axis=1)
        if not training:
            return np.where(own, items, 0)
        counts = there.sum(axis=1)
        places = (np.random.random(len(users)) * counts).astype(np.int64)  # RecBole seeds the global generator
        others = np.append(found, np.zeros((len(users), 1), dtype=np.int64), axis=1)[np.arange(len(users)), places]
        return np.where(own, items, np.where(counts > 0, others, 0))

    def of_rows(self, users: Ids, left_out: Ids) -> tuple[Ids, Ids]:
        """(rows,) users and items to leave out → (listed,) the row, ascending, and (listed,) the item of each."""
        found, there = self._newest(users)
        there &= found != left_out[:, None]
        there &= there.cumsum(axis=1) <= self.longest
        return np.nonzero(there)[0], found[there]

    def _newest(self, users: Ids) -> tuple[Ids, NDArray[np.bool_]]:
        """(rows, longest + 1) the newest items, one more than count, and which places have one."""
        lengths = np.minimum(self.histories.lengths[users], self.longest + 1)  # (rows,)
        steps = np.arange(lengths.max(initial=0))
        there = steps < lengths[:, None]
        places = np.where(there, self.histories.starts[users][:, None] + steps, 0)
        return self.histories.values[places], there
