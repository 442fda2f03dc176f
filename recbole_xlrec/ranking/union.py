"""What several members list for each query, item by item, without a loop over queries.

An item and its place in the members' lists put side by side make one integer. Sorted by it, the places of an item stand
together, and one pass sums them up; a second such integer of score and place sorts what comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.ranking.lists import EMPTY, Items, Lists

_HALF = np.uint64(32)
_NOTHING = np.uint64(2**64 - 1)
_SIGN = np.uint32(2**31)


class Union(NamedTuple):
    """The places of every item of every query.

    Attributes:
        items: (rows, width) int32, rising, empty places last; width is the sum of the members' k.
        places: (rows, width) int64, which place of the members a cell comes from; places are numbered by rank, those
            of one rank by member, and so are those of an item.
        starts: (groups,) int64 flat positions of the first cell of each item; the empty places of a row are a group.
        columns: (width,) int64, each place's rank in its member, from 0.
        members: (width,) int64, which member each place is of.
        order: (width,) int64, which column of the members put side by side each place is.
    """

    items: Items
    places: NDArray[np.int64]
    starts: NDArray[np.int64]
    columns: NDArray[np.int64]
    members: NDArray[np.int64]
    order: NDArray[np.int64]

    def counts(self) -> NDArray[np.int64]:
        """(groups,) how many members list each item."""
        return np.diff(self.starts, append=self.items.size)

    def best(self) -> NDArray[np.int64]:
        """(groups,) the highest place of each item in any member, from 0."""
        return self.columns[self.places.ravel()[self.starts]]

    def gathered(self, values: NDArray[Any]) -> NDArray[Any]:
        """(rows * width,) each cell's value, of values by place (width,) or by column side by side (rows, width)."""
        if values.ndim == 1:
            return values.take(self.places).ravel()
        offsets = np.arange(len(values))[:, None] * values.shape[1]
        return values.ravel().take(self.order[self.places] + offsets).ravel()


def union(members: Sequence[Lists]) -> Union:
    """Puts the places of equal items together."""
    widths = [member.items.shape[1] for member in members]
    width = sum(widths)
    columns, owners = np.concatenate([np.arange(each) for each in widths]), np.repeat(np.arange(len(widths)), widths)
    order = np.lexsort((owners, columns))
    bits = np.uint64(max(1, (width - 1).bit_length()))
    keys = np.concatenate([member.items for member in members], axis=1).view(np.uint32).astype(np.uint64)
    keys <<= bits  # -1 has become the largest number of 32 bits: empty places are last
    keys |= np.argsort(order).astype(np.uint64)
    keys.sort(axis=1)
    items = (keys >> bits).astype(np.uint32).view(np.int32)  # (rows, width)
    places = (keys & ((np.uint64(1) << bits) - np.uint64(1))).view(np.int64)  # (rows, width)
    first = np.ones(items.shape, dtype=bool)
    np.not_equal(items[:, 1:], items[:, :-1], out=first[:, 1:])
    return Union(items, places, np.flatnonzero(first), columns[order], owners[order], order)


def best_first(found: Union, fused: NDArray[np.floating[Any]], k: int) -> Lists:
    """The k items of the largest scores of each row.

    Scores are compared as float32. Of equal ones that comes first which stands highest in any member, then the smaller
    code; so the order does not depend on that of the members.

    Args:
        found: The items.
        fused: (groups,) scores, one of each of `found.starts`; those of empty places do not matter.
        k: Length of the lists; they are shorter where the width is.

    Raises:
        ConfigError: The lists are so long and so many that a place in them takes more than 32 bits.
    """
    rows, width = found.items.shape
    bits = max(1, (width - 1).bit_length())
    if bits + int(found.columns.max(initial=0)).bit_length() > int(_HALF):
        raise ConfigError(f"{found.members[-1] + 1} lists of together {width} places are too long: cut them first")
    best = found.best().astype(np.uint64)
    keys = np.full(rows * width, _NOTHING)
    keys[found.starts] = (_falling(fused) << _HALF) | (best << np.uint64(bits))
    keys[found.starts[found.items.ravel()[found.starts] < 0]] = _NOTHING
    keys = keys.reshape(rows, width)
    keys |= np.arange(width, dtype=np.uint64)
    if k < width:
        keys.partition(k - 1, axis=1)
    keys = np.sort(keys[:, :k], axis=1)  # (rows, k)
    at = (keys & np.uint64((1 << bits) - 1)).view(np.int64) + np.arange(rows)[:, None] * width
    gone = keys == _NOTHING
    at[gone] = 0
    items = np.where(gone, np.int32(EMPTY), found.items.ravel().take(at))
    return Lists(items, np.where(gone, np.float32(-np.inf), _score(keys >> _HALF)))


def _falling(scores: NDArray[np.floating[Any]]) -> NDArray[np.uint64]:
    """Integers of 32 bits that fall as scores rise: of a negative number all bits are turned, else the first."""
    bits = (scores.astype(np.float32) + np.float32(0)).view(np.uint32)  # + 0: of the two zeros there is one
    turned = (bits.view(np.int32) >> np.int32(31)).view(np.uint32) | _SIGN
    return np.asarray(~(bits ^ turned), dtype=np.uint64)


def _score(falling: NDArray[np.uint64]) -> NDArray[np.float32]:
    """The scores that `_falling` made integers of."""
    rising = ~falling.astype(np.uint32)
    turned = ((~rising).view(np.int32) >> np.int32(31)).view(np.uint32) | _SIGN
    return (rising ^ turned).view(np.float32)
