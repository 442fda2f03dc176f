"""Queries by internal numbers: what the model is asked about each, and what is to be said of it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recbole_xlrec.errors import DataError
from recbole_xlrec.serving.known_users import KnownUsers
from recbole_xlrec.serving.limits import Limits
from recbole_xlrec.serving.queries import Query

_INSTEAD = "the most popular items instead"
Ids = NDArray[np.int64]


class Asked(NamedTuple):
    """A query by internal numbers.

    Attributes:
        user: 0 for none.
        history: Known items; of a user what the model goes by.
        seen: Items that may be left out.
        language: Code of the language of the query's owner, 0 for none.
        unknown: Ids in the history that are not known.
        note: What is to be said.
    """

    user: int
    history: Ids
    seen: Ids
    language: int
    unknown: list[str]
    note: str


def understood(batch: Sequence[Query], users: KnownUsers, limits: Limits) -> list[Asked]:
    """A batch of queries by internal numbers.

    Raises:
        DataError: If a query is in a language that nobody in the run has, where languages are kept apart.
    """
    numbers = users.find([each.user or "" for each in batch])
    given = [each.history or () for each in batch]
    items = limits.catalogue.numbers.get_indexer(pd.Index(list(chain.from_iterable(given)), dtype=object))  # (total,)
    found = np.split(items, np.cumsum([len(each) for each in given])[:-1])
    return [
        _user(query, int(user), users) if query.history is None else _history(query, own.astype(np.int64), limits)
        for query, user, own in zip(batch, numbers, found, strict=True)
    ]


def unknown_user(user: str, users: KnownUsers) -> DataError:
    """What is said of a user whom the run does not know."""
    return DataError(f"the run knows no user {user!r}; it knows {len(users.ids) - 1:,}")


def _user(query: Query, user: int, users: KnownUsers) -> Asked:
    nothing = np.zeros(0, dtype=np.int64)
    if not user:
        note = f"{query.user!r} is no user of the run; {_INSTEAD}"
        return Asked(0, nothing, nothing, 0, [], note)
    told, consumed = (each.items[each.starts[user] : each.starts[user + 1]] for each in (users.told, users.consumed))
    code = 0 if users.languages is None else int(users.languages[user])
    if users.sequential and not len(told):
        return Asked(0, told, consumed, code, [], f"no history before the test part; {_INSTEAD}")
    return Asked(user, told, consumed, code, [], "")


def _history(query: Query, numbers: Ids, limits: Limits) -> Asked:
    given = list(query.history or ())
    own = (numbers > 0) & (numbers < limits.run.train.item_num)
    history = numbers[own]
    unknown = [item for item, there in zip(given, own, strict=True) if not there]
    note = f"{len(unknown)} of {len(given)} items are not known to the run" if unknown else ""
    if not len(history):
        why = "an empty history" if not given else "no item of the history is known to the run"
        note = f"{why}; {_INSTEAD}"
    return Asked(0, history, history, limits.language(query.language, history), unknown, note)
