"""Ranked lists of integer item codes: the form in which rankings are fused, filtered and ordered anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.errors import ConfigError, DataError, sample

#: The code of a place that holds no item.
EMPTY = -1
#: Cells of an array that are worked on at once: few enough that a processor's cache holds the arrays made on the way.
CELLS = 2**17

Items = NDArray[np.int32]
Scores = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]
Codes = NDArray[np.integer[Any]]


class Lists(NamedTuple):
    """Top-k lists of one member, one row a query; the rows of all members are the same queries in the same order.

    Attributes:
        items: (queries, k) int32 codes, best first, none twice in a row; -1 where empty, which is only at the end.
        scores: (queries, k) float32; -inf where empty. Between the steps of one fusion they may be float64.
    """

    items: Items
    scores: Scores

    def present(self) -> Mask:
        """(queries, k), true where there is an item."""
        return self.items >= 0

    def codes(self, of_items: Codes) -> NDArray[np.int64]:
        """(queries, k) what stands for each listed item in a table of whole numbers (items,), -1 where empty."""
        return np.append(np.asarray(of_items, dtype=np.int64), EMPTY)[self.items]

    def rows(self, some: slice | NDArray[np.int64]) -> Lists:
        """The lists of some queries."""
        return Lists(self.items[some], self.scores[some])

    def top(self, k: int) -> Lists:
        """The first k places of every list."""
        return Lists(self.items[:, :k], self.scores[:, :k])

    def taken(self, places: Codes) -> Lists:
        """The lists with what stands at other places of each: (queries, length) places, -1 for an empty one."""
        items = np.take_along_axis(self.items, places, axis=1)  # (queries, length)
        scores = np.take_along_axis(self.scores, places, axis=1)  # (queries, length)
        gone = (places < 0) | (items < 0)
        return Lists(np.where(gone, np.int32(EMPTY), items), np.where(gone, scores.dtype.type(-np.inf), scores))

    def kept(self, keep: Mask) -> Lists:
        """The lists without the places that are not kept (queries, k); what follows moves up."""
        order = np.argsort(~(keep & self.present()), axis=1, kind="stable")  # (queries, k)
        dropped = np.arange(order.shape[1]) >= (keep & self.present()).sum(axis=1)[:, None]
        return self.taken(np.where(dropped, EMPTY, order))


def empty_lists(queries: int, k: int) -> Lists:
    """Lists that hold nothing."""
    return Lists(np.full((queries, k), EMPTY, dtype=np.int32), np.full((queries, k), -np.inf, dtype=np.float32))


def check_members(members: Sequence[Lists]) -> None:
    """Refuses members that cannot be fused.

    Raises:
        DataError: There is none, a member's arrays differ in shape, or members have different numbers of queries.
    """
    if not members:
        raise DataError("there is no member to fuse: give the lists of one or more")
    for place, member in enumerate(members):
        if member.items.ndim != 2 or member.items.shape != member.scores.shape:
            shapes = f"items {member.items.shape} and scores {member.scores.shape}"
            raise DataError(f"member {place} has {shapes}: both are (queries, k)")
    counts = [len(member.items) for member in members]
    if len(set(counts)) > 1:
        raise DataError(f"the members have different numbers of queries: {counts}. Align their rankings first.")


def check_lists(lists: Lists, name: str) -> None:
    """Refuses lists that are not what `Lists` promises.

    Raises:
        DataError: An item stands twice in one list, follows an empty place, or has a score that is no finite number.
    """
    present = lists.present()
    ordered = np.sort(lists.items, axis=1)
    problems: dict[str, Mask] = {
        "list an item twice": (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0),
        "have an empty place before an item": present[:, 1:] & ~present[:, :-1],
        "have a score that is no finite number": ~np.isfinite(lists.scores) & present,
    }
    for what, found in problems.items():
        rows = np.flatnonzero(found.any(axis=1)).tolist()
        if rows:
            raise DataError(f"{name}: {len(rows)} of {len(found)} queries {what}: rows {sample(rows)}")


def check_length(k: int) -> None:
    """Refuses a length of lists below 1 with a ConfigError."""
    if k < 1:
        raise ConfigError(f"k is the length of the lists, 1 or more; found {k}")


def blocks(queries: int, cells: int) -> Iterator[slice]:
    """Rows to work on at once where a query takes so many cells."""
    step = max(1, CELLS // max(1, cells))
    for low in range(0, queries, step):
        yield slice(low, min(low + step, queries))


def by_blocks(function: Callable[[slice], Lists], queries: int, k: int, cells: int, workers: int = 1) -> Lists:
    """Lists made block by block.

    Args:
        function: The lists (rows, k or fewer) of a block of queries.
        queries: How many there are.
        k: Length of the lists.
        cells: What a query takes, to size the blocks.
        workers: Threads; NumPy lets go of the interpreter in what takes long. The result is the same for any number.
    """
    check_length(k)
    out = empty_lists(queries, k)

    def write(some: slice) -> None:
        made = function(some)
        out.items[some, : made.items.shape[1]] = made.items
        out.scores[some, : made.items.shape[1]] = made.scores

    with ThreadPoolExecutor(max(1, workers)) as pool:
        for _ in pool.map(write, blocks(queries, cells)):
            pass
    return out
