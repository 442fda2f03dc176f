"""Split sources for RecBole's sequential models: each target with the items before it.

RecBole cuts sequences itself, but not where the splits are given as benchmark files: there its sequential models read
`item_id_list`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recbole_xlrec.convert.base import SPLITS
from recbole_xlrec.convert.columnar import Arrays, ColumnStore
from recbole_xlrec.convert.filters import Selection
from recbole_xlrec.convert.write import Names, SplitFiles, look_up
from recbole_xlrec.data import columns as c

_TYPES = {c.USER_ID: c.TOKEN, "item_id_list": c.TOKEN_SEQ, c.ITEM_ID: c.TOKEN}


def write_sequences(
    folder: Path, name: str, store: ColumnStore, selection: Selection, names: Names, length: int
) -> dict[str, int]:
    """Writes `<name>.sequence-<split>.inter`: every interaction that has one before it, with up to `length` of those.

    Args:
        folder: Where to.
        name: The dataset's name.
        store: The interactions by user and time, with their splits.
        selection: Who stays.
        names: What the numbers stand for.
        length: Longest history.

    Returns:
        Rows written, by file suffix.
    """
    suffixes = [f"sequence-{split}.{c.INTER}" for split in SPLITS]
    with ExitStack() as stack:
        files = SplitFiles(stack, folder, name, suffixes, _TYPES)
        for rows in _whole_users(store, selection):
            files.write(*_with_histories(rows, names, length))
        return files.rows()


def _whole_users(store: ColumnStore, selection: Selection) -> Iterator[Arrays]:
    """Yields pieces that never cut a user in two."""
    rest: Arrays | None = None
    for piece in store.pieces(["user", "item", "split"]):
        stay = selection.rows(piece)
        rows = {name: values[stay] for name, values in piece.items()}
        if rest is not None:
            rows = {name: np.concatenate([rest[name], values]) for name, values in rows.items()}
        users = rows["user"]
        cut = int(np.searchsorted(users, users[-1])) if len(users) else 0  # users come in the order of their numbers
        yield {name: values[:cut] for name, values in rows.items()}
        rest = {name: values[cut:] for name, values in rows.items()}
    if rest is not None:
        yield rest


def _with_histories(rows: Arrays, names: Names, length: int) -> tuple[pl.DataFrame, NDArray[np.uint8]]:
    """The targets that have a history, and the split of each."""
    users = rows["user"]
    places = np.arange(len(users))
    first = np.maximum(np.searchsorted(users, users), places - length)  # (rows,) where each history begins
    sizes: NDArray[np.int64] = places - first
    targets = np.repeat(places, sizes)
    before = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes) + np.repeat(first, sizes)
    histories = pl.DataFrame({"row": targets, "item": look_up(names.items, rows["item"][before])})
    joined = histories.group_by("row", maintain_order=True).agg(pl.col("item").str.join(" ").alias("item_id_list"))
    there = joined["row"].to_numpy()
    frame = joined.with_columns(
        look_up(names.users, users[there]).alias(c.USER_ID), look_up(names.items, rows["item"][there]).alias(c.ITEM_ID)
    )
    return frame, rows["split"][there]
