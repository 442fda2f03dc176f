"""Checks that several tables share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from recbole_xlrec.data.hints import did_you_mean
from recbole_xlrec.errors import DataError, sample


def require_columns(there: Iterable[object], names: Sequence[str], where: str) -> None:
    """Refuses a table that lacks one of these columns.

    Args:
        there: The table, or the names of its columns.
        names: The columns it must have.
        where: The table's name for the error message, such as a file's path.

    Raises:
        DataError: Names the table (`where`), the missing columns and those that are there.
    """
    found = list(map(str, there))
    missing = [name for name in names if name not in found]
    if missing:
        hint = did_you_mean(missing[0], found)
        raise DataError(f"{where}: no column {sample(missing)}. It has {sample(found, limit=20)}.{hint}")


def duplicate_check(frame: pd.DataFrame, key: list[str], where: str) -> None:
    """Refuses a table in which several rows share one key.

    Args:
        frame: The table.
        key: The columns that together name a row.
        where: The table's name for the error message, such as a file's path.

    Raises:
        DataError: Says how many rows repeat an earlier one and lists the first few keys and rows (counted from 1).

    Example:
        >>> duplicate_check(pd.DataFrame({"item_id": ["a", "b", "a"]}), ["item_id"], "toy.item")
        Traceback (most recent call last):
        recbole_xlrec.errors.DataError: toy.item: 1 row repeats the item_id of an earlier one: 'a' (rows 1, 3). \
Keep one row for each item_id.
    """
    require_columns(frame, key, where)
    repeats = frame.duplicated(key, keep="first").to_numpy()
    count = int(repeats.sum())
    if not count:
        return
    keys = frame.loc[repeats, key].drop_duplicates().head(3)
    clashes = [f"{_shown(row)} (rows {_rows_with(frame, key, row)})" for row in keys.itertuples(index=False, name=None)]
    name = key[0] if len(key) == 1 else f"({', '.join(key)})"
    verb = "row repeats" if count == 1 else "rows repeat"
    more = ", …" if len(frame.loc[repeats, key].drop_duplicates()) > len(clashes) else ""
    raise DataError(
        f"{where}: {count} {verb} the {name} of an earlier one: {', '.join(clashes)}{more}. "
        f"Keep one row for each {name}."
    )


def _shown(row: tuple[object, ...]) -> str:
    return repr(row[0]) if len(row) == 1 else repr(row)


def _rows_with(frame: pd.DataFrame, key: list[str], row: tuple[object, ...]) -> str:
    same = np.logical_and.reduce([(frame[name] == value).to_numpy() for name, value in zip(key, row, strict=True)])
    return ", ".join(str(place + 1) for place in np.flatnonzero(same)[:4])
