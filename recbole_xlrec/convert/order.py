"""Interactions by user and time, exact duplicates out, in bounded memory.

RecBole keeps times as 32-bit floats, about a minute apart today, and leaves ties in the order of the file: so the file
is written in the true order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.convert.columnar import Arrays, ColumnStore

#: Rows sorted at a time.
BUCKET = 1 << 21
_EXACT = ("time", "rating", "label", "split")


def ordered(
    staged: ColumnStore, users: int, folder: Path, duplicates: Callable[[Arrays, NDArray], None]
) -> ColumnStore:
    """Sorts by user (in the order of first appearance), time, and place in the files; drops exact duplicates.

    Args:
        staged: The rows in the order of the files; removed from disk piece by piece.
        users: How many users there are.
        folder: Where the result goes.
        duplicates: Told of rows that repeat another one in everything: the rows, and the line of the first of each.

    Returns:
        The rows.
    """
    result = ColumnStore(folder / "ordered", staged.names)
    for arrays in _buckets(staged, users, folder):
        keep, first = _first_of_equals(arrays)
        if len(first):
            duplicates({name: values[~keep] for name, values in arrays.items()}, first)
            arrays = {name: values[keep] for name, values in arrays.items()}
        keys = (arrays["time"], arrays["user"]) if "time" in arrays else (arrays["user"],)
        order = np.lexsort(keys)
        result.append({name: values[order] for name, values in arrays.items()})
    return result


def _buckets(staged: ColumnStore, users: int, folder: Path) -> Iterator[Arrays]:
    """Yields all rows of some users after the other, in the order of the users."""
    if staged.rows <= BUCKET:
        yield staged.read()
        staged.clear()
        return
    counts = np.zeros(users, dtype=np.int64)
    for piece in staged.pieces(["user"]):
        counts += np.bincount(piece["user"], minlength=users)
    bucket_of = np.cumsum(counts) // BUCKET
    stores = [ColumnStore(folder / f"bucket{place}", staged.names) for place in range(int(bucket_of[-1]) + 1)]
    for piece in staged.pieces():
        bucket = bucket_of[piece["user"]]
        order = np.argsort(bucket, kind="stable")
        ends = np.searchsorted(bucket[order], np.arange(len(stores) + 1))
        for store, start, end in zip(stores, ends, ends[1:], strict=False):
            if end > start:
                store.append({name: values[order[start:end]] for name, values in piece.items()})
    staged.clear()
    for store in stores:
        if store.rows:
            yield store.read()
        store.clear()


def _first_of_equals(arrays: Arrays) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which rows repeat no earlier one, and for each that does, the line of the earlier one."""
    pair = arrays["user"].astype(np.uint64) << np.uint64(32) | arrays["item"]
    order = np.argsort(pair)
    same = pair[order][1:] == pair[order][:-1]
    several = np.zeros(len(pair), dtype=bool)
    several[1:] |= same
    several[:-1] |= same
    rows = order[several]  # rows whose pair occurs more than once
    keys = [arrays[name][rows] for name in _EXACT if name in arrays]
    order = np.lexsort((rows, *keys, pair[rows]))
    rows = rows[order]
    equal = pair[rows][1:] == pair[rows][:-1]
    for key in keys:
        equal &= key[order][1:] == key[order][:-1]
    repeats = np.concatenate([[False], equal]) if len(rows) else np.zeros(0, dtype=bool)
    keep = np.ones(len(pair), dtype=bool)
    keep[rows[repeats]] = False
    head = np.maximum.accumulate(np.where(repeats, 0, np.arange(len(rows)))) if len(rows) else rows
    first_line = np.zeros(len(pair), dtype=np.int64)
    first_line[rows] = arrays["line"][rows[head]]
    return keep, first_line[~keep]
