"""What is counted while the interactions are written: per user, item and language."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.convert.columnar import Arrays

Counts = NDArray[np.int64]


class Tally:
    """Counts of interactions.

    Args:
        users: How many users there are.
        items: How many items.
        languages: How many languages, "none" included.
        unknown: Number of `und`.

    Attributes:
        users: Interactions of each user.
        items: Interactions of each item.
        languages: Interactions in each language.
        first: Time of the first interaction of each item; infinite where there is none.
        last: Time of the last one; minus infinite where there is none.
    """

    def __init__(self, users: int, items: int, languages: int, unknown: int) -> None:
        self.users: Counts = np.zeros(users, dtype=np.int64)
        self.items: Counts = np.zeros(items, dtype=np.int64)
        self.languages: Counts = np.zeros(languages, dtype=np.int64)
        self.first = np.full(items, np.inf)
        self.last = np.full(items, -np.inf)
        self._unknown = unknown
        self._by_user = np.zeros((users, languages), dtype=np.uint32)
        self._by_item = np.zeros((items, languages), dtype=np.uint32)

    def add(self, rows: Arrays) -> None:
        """Counts some rows."""
        width = len(self.languages)
        self.users += np.bincount(rows["user"], minlength=len(self.users))
        self.items += np.bincount(rows["item"], minlength=len(self.items))
        self.languages += np.bincount(rows["language"], minlength=width)
        for table, name in ((self._by_user, "user"), (self._by_item, "item")):
            cells, counts = np.unique(rows[name].astype(np.int64) * width + rows["language"], return_counts=True)
            table.reshape(-1)[cells] += counts.astype(np.uint32)
        if "time" in rows:
            np.minimum.at(self.first, rows["item"], rows["time"])
            np.maximum.at(self.last, rows["item"], rows["time"])

    def user_language(self) -> NDArray[np.uint8]:
        """The language in which each user has most interactions; 0 where none of them has one."""
        return _most(self._by_user, self._unknown)

    def item_language(self) -> NDArray[np.uint8]:
        """The language in which each item has most interactions; 0 where none of them has one."""
        return _most(self._by_item, self._unknown)


def _most(table: NDArray[np.uint32], unknown: int) -> NDArray[np.uint8]:
    """The column with most; of equals, the language that came up first. No language and `und` do not count."""
    known = table.copy()
    known[:, [0, unknown]] = 0
    return known.argmax(axis=1).astype(np.uint8)
