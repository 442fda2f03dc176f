"""The text table `<name>.text`: what an item is called and described as, in each of its languages."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd

from recbole_xlrec.data.atomic import read_atomic
from recbole_xlrec.data.columns import ITEM_ID, LANGUAGE
from recbole_xlrec.data.languages import normalise_column
from recbole_xlrec.data.tables import duplicate_check, require_columns
from recbole_xlrec.errors import DataError


def read_text_table(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Reads a text table and checks it.

    Returns:
        One row per (item, language), in file order: `item_id`, `language` in standard form, then the text fields.

    Raises:
        DataError: The file cannot be read (see `read_atomic`), lacks `item_id` or `language`, leaves one empty, holds
            an unknown language, or has two rows for one (item, language).
    """
    table = read_atomic(path)
    require_columns(table, [ITEM_ID, LANGUAGE], str(path))
    for name in (ITEM_ID, LANGUAGE):
        rows = np.flatnonzero((table[name].str.strip() == "").to_numpy())
        if len(rows):
            shown = ", ".join(str(row + 1) for row in rows[:5])
            raise DataError(
                f"{path}: {len(rows)} rows have no {name} (row {shown}{', …' if len(rows) > 5 else ''}, counted from 1 "
                f"below the header). Every text belongs to one item and one language."
            )
    table[LANGUAGE] = normalise_column(table[LANGUAGE], f"{path}: column {LANGUAGE!r}")
    duplicate_check(table, [ITEM_ID, LANGUAGE], str(path))
    return table


def primary_texts(table: pd.DataFrame, items: pd.DataFrame | None = None) -> pd.DataFrame:
    """Picks one row per item: the one in the item's own language, else the item's first.

    Args:
        table: A text table, as `read_text_table` returns it.
        items: The items' own languages (`item_id`, `language`); items that are not in it get their first row.

    Returns:
        One row per item of `table`, in the order in which the items first appear; the index counts from 0.

    Raises:
        DataError: `items` lacks a column, names an item twice, or holds an unknown language.

    Example:
        >>> table = pd.DataFrame({"item_id": ["1", "1"], "language": ["de", "ja"], "title": ["Hund", "犬"]})
        >>> primary_texts(table, pd.DataFrame({"item_id": ["1"], "language": ["ja"]}))["title"].tolist()
        ['犬']
    """
    codes, _ = pd.factorize(table[ITEM_ID])
    chosen = np.flatnonzero(~table[ITEM_ID].duplicated().to_numpy())
    if items is not None:
        require_columns(items, [ITEM_ID, LANGUAGE], "the item table")
        duplicate_check(items, [ITEM_ID], "the item table")
        languages = normalise_column(items[LANGUAGE], f"the item table: column {LANGUAGE!r}")
        wanted = table[ITEM_ID].map(pd.Series(languages.to_numpy(), index=items[ITEM_ID].to_numpy()))
        own = np.flatnonzero((wanted == table[LANGUAGE]).to_numpy())
        chosen[codes[own]] = own
    return table.iloc[chosen].reset_index(drop=True)
