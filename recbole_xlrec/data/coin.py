"""A coin for every interaction, which falls the same way whatever the order of the rows, the process or the machine."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recbole_xlrec.data.cells import text_cells

_BITS = 53  # what a float holds exactly


def tosses(
    rows: pd.DataFrame, key: Sequence[str], types: Mapping[str, str], seed: int, part: str
) -> NDArray[np.float64]:
    """Tosses an independent coin for each interaction.

    A coin is a hash of the seed and of what names the interaction, so that it stays when other rows come, go or move.
    Interactions of one name, such as repeated ones without a time, have a coin each.

    Args:
        rows: Interactions, as `read_atomic` reads them.
        key: The columns that name one: user, item and, where there is one, time.
        types: RecBole type of each column.
        seed: Another one gives other coins.
        part: Of benchmark files the name of the part; an interaction that is in two parts has a coin in each.

    Returns:
        (rows,) numbers evenly drawn from [0, 1).

    Example:
        >>> rows = pd.DataFrame({"user_id": ["u1", "u2"], "item_id": ["7", "7"]})
        >>> types = {"user_id": "token", "item_id": "token"}
        >>> tosses(rows, ["user_id", "item_id"], types, 1, "").round(3).tolist()
        [0.238, 0.374]
    """
    cells = [text_cells(rows[name], types[name]) for name in key]
    lines = zip(*cells, map(str, _repeats(rows, key).tolist()), strict=True)
    start = hashlib.blake2b(f"{seed}\t{part}".encode(), digest_size=8)
    digests = bytearray()
    for line in lines:
        coin = start.copy()
        coin.update("".join(f"\t{cell}" for cell in line).encode())
        digests += coin.digest()
    numbers = np.frombuffer(bytes(digests), dtype="<u8") >> np.uint64(64 - _BITS)  # (rows,)
    return numbers * 2.0**-_BITS


def choices(tossed: NDArray[np.float64], there: NDArray[np.bool_], share: float) -> NDArray[np.int64]:
    """Reads off the coins in which language each interaction took place.

    The chance of the first language is `1 - share`; the others share the rest evenly. Where an item lacks languages,
    the chances of those that it has keep their proportions; where these have no chance, they are all alike.
    An interaction that leaves the first of two languages at some share stays away from it at every larger one.

    Args:
        tossed: (rows,) from `tosses`.
        there: (rows, languages) which languages an interaction's item has; at least one.
        share: From 0 to 1.

    Returns:
        (rows,) columns of `there`.

    Example:
        >>> both, second = [True, True], [False, True]
        >>> choices(np.array([0.2, 0.8, 0.2]), np.array([both, both, second]), 0.5).tolist()
        [0, 1, 1]
    """
    languages = there.shape[1]
    chances = np.array([1.0 - share, *[share / max(languages - 1, 1)] * (languages - 1)])
    weights = there * chances  # (rows, languages)
    weights = np.where(weights.any(axis=1, keepdims=True), weights, there)
    bounds = np.cumsum(weights, axis=1)
    bounds /= bounds[:, -1:]  # the last one is exactly 1, and no coin reaches it
    return (tossed[:, None] >= bounds).sum(axis=1)


def _repeats(rows: pd.DataFrame, key: Sequence[str]) -> NDArray[np.int64]:
    """(rows,) how many earlier rows have the same key, where the other columns say which is earlier."""
    counted = np.zeros(len(rows), dtype=np.int64)
    again = np.flatnonzero(rows.duplicated(list(key), keep=False))
    if len(again):
        ordered = rows.iloc[again].reset_index(drop=True).sort_values(list(rows.columns))
        counted[again[ordered.index]] = ordered.groupby(list(key), sort=False, dropna=False).cumcount()
    return counted
