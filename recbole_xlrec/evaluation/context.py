"""What a ranking is judged against, beyond its own targets: the catalogue, its popularity, and the users' histories."""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.data.arrays import load_arrays, save_arrays
from recbole_xlrec.errors import DataError


class Context(NamedTuple):
    """Beside each ``ranking.npz``, in the order of its queries.

    Attributes:
        item_ids: (items,) strings, the whole catalogue without the padding item.
        item_languages: (items,) strings; empty where the items carry none.
        item_counts: (items,) int64, training interactions of each item.
        history_starts: (queries + 1,) int64; the history of query q is ``history_items[starts[q] : starts[q + 1]]``.
        history_items: (total,) int32 positions in `item_ids`, oldest first: what the query's user had consumed in
            training, and in validation too where the ranking is that of the test part.
    """

    item_ids: NDArray[np.str_]
    item_languages: NDArray[np.str_]
    item_counts: NDArray[np.int64]
    history_starts: NDArray[np.int64]
    history_items: NDArray[np.int32]

    def history_lengths(self) -> NDArray[np.int64]:
        """(queries,) how many interactions each query's user had before."""
        return np.diff(self.history_starts)


def save_context(context: Context, path: str | os.PathLike[str]) -> None:
    """Writes a context as an ``.npz``, beside its place first and then renamed."""
    save_arrays(context, path)


def load_context(path: str | os.PathLike[str]) -> Context:
    """Reads a context.

    Raises:
        DataError: If the file is missing, broken, lacks an array, or its arrays do not fit each other.
    """
    absent = (
        f"no {path}: the run was made before runs kept what their ranking is judged against. Make it again with "
        "rerun: True"
    )
    context = load_arrays(Context, path, "the context of a ranking", absent)
    _check(context, path)
    return context


def _check(context: Context, path: str | os.PathLike[str]) -> None:
    ids, languages, counts, starts, items = context
    shapes = {name: array.shape for name, array in context._asdict().items()}
    flat = all(array.ndim == 1 for array in context)
    if not flat or not len(ids) == len(languages) == len(counts) or not len(starts):
        raise DataError(f"{path}: the arrays of the context do not fit each other: {shapes}")
    if starts[0] != 0 or starts[-1] != len(items) or (np.diff(starts) < 0).any():
        raise DataError(f"{path}: history_starts do not divide the {len(items)} history_items into histories")
    if len(items) and (items.min() < 0 or items.max() >= len(ids)):
        raise DataError(f"{path}: history_items hold {items.min()} to {items.max()}, and there are {len(ids)} items")
