"""Which users and items stay: k-core, and a sample of the users."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.convert.columnar import Arrays, ColumnStore


class Selection(NamedTuple):
    """Which users and items stay, by number; an interaction stays where both do."""

    users: NDArray[np.bool_]
    items: NDArray[np.bool_]

    def rows(self, arrays: Arrays) -> NDArray[np.bool_]:
        """Which rows stay."""
        return self.users[arrays["user"]] & self.items[arrays["item"]]


def counted(store: ColumnStore, selection: Selection) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns how many of the rows that stay each user and each item has."""
    users = np.zeros(len(selection.users), dtype=np.int64)
    items = np.zeros(len(selection.items), dtype=np.int64)
    for piece in store.pieces(["user", "item"]):
        stay = selection.rows(piece)
        users += np.bincount(piece["user"][stay], minlength=len(users))
        items += np.bincount(piece["item"][stay], minlength=len(items))
    return users, items


def core(store: ColumnStore, selection: Selection, user_core: int, item_core: int) -> Selection:
    """Leaves out users and items with too few interactions until all that stay have enough.

    Args:
        store: The interactions.
        selection: Who stays so far.
        user_core: Least interactions of a user.
        item_core: Least interactions of an item.

    Returns:
        The largest selection in which everybody has enough.
    """
    while True:
        users, items = counted(store, selection)
        smaller = Selection(selection.users & (users >= user_core), selection.items & (items >= item_core))
        if all(np.array_equal(new, old) for new, old in zip(smaller, selection, strict=True)):
            return selection
        selection = smaller


def sampled(selection: Selection, size: int, seed: int) -> Selection:
    """Keeps `size` of the users, drawn at random; all of them where there are no more."""
    there = np.flatnonzero(selection.users)
    drawn = np.random.default_rng(seed).choice(there, min(size, len(there)), replace=False)
    users = np.zeros_like(selection.users)
    users[drawn] = True
    return Selection(users, selection.items)
