"""The texts that a report is made from: so many of each language, drawn by a seed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from recbole_xlrec.data.columns import LANGUAGE
from recbole_xlrec.errors import DataError
from recbole_xlrec.text.catalogue import RENDERED, rendered_rows


def texts_by_language(
    folder: Path, name: str, template: str | Mapping[str, str] | None, most: int, seed: int
) -> dict[str, list[str]]:
    """Draws up to `most` different texts of each language of a dataset's text table.

    Raises:
        DataError: If there is no text.
    """
    rows = rendered_rows(folder, name, template, "all")
    rows = rows[rows[RENDERED] != ""].drop_duplicates([LANGUAGE, RENDERED])
    if rows.empty:
        raise DataError(f"{folder}: no item has a text. Check the template.")
    return {str(tag): _draw(found[RENDERED], most, seed) for tag, found in rows.groupby(LANGUAGE, sort=True)}


def _draw(texts: pd.Series, most: int, seed: int) -> list[str]:
    if len(texts) <= most:
        return list(map(str, texts))
    chosen = np.sort(np.random.default_rng(seed).choice(len(texts), size=most, replace=False))
    return [str(text) for text in texts.iloc[chosen]]
