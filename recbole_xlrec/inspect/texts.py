"""The text table's part of a profile: which items have a text, in which languages, how long, and how often repeated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from recbole_xlrec.data import columns as c
from recbole_xlrec.data.atomic import read_atomic, read_header
from recbole_xlrec.data.tables import duplicate_check
from recbole_xlrec.inspect.measures import Array
from recbole_xlrec.inspect.tables import language_tags


@dataclass(frozen=True)
class TextField:
    """One field of the text table.

    Attributes:
        name: The column.
        filled: Share of the table's rows in which it is not blank.
        median: Characters (code points) of those that are not blank; 0 where all are.
        p90: The 90 % quantile of these.
    """

    name: str
    filled: float
    median: float
    p90: float


class TextTable(NamedTuple):
    """What a profile keeps of a text table, row by row.

    Attributes:
        ids: The item of each row.
        languages: The language tag of each row.
        filled: Whether any field of the row holds a text.
        titles: Characters of each title; None where there is no such column.
        fields: The text columns.
        repeated: Share of the filled rows whose whole text stands in the same language at another item as well.
        repeats: How many items share the text that most items share.
        example: That text's first field, cut short.
    """

    ids: pd.Index
    languages: pd.Series
    filled: Array
    titles: Array | None
    fields: tuple[TextField, ...]
    repeated: float
    repeats: int
    example: str


def read_texts(path: Path) -> TextTable | None:
    """Reads a text table one field at a time, or returns None where there is none.

    Raises:
        DataError: The file cannot be read, holds an unknown language, or names one (item, language) twice.
    """
    if not path.is_file():
        return None
    header = read_header(path)
    table = read_atomic(path, [c.ITEM_ID, c.LANGUAGE])
    languages = language_tags(table[c.LANGUAGE], path)
    duplicate_check(table.assign(**{c.LANGUAGE: languages}), [c.ITEM_ID, c.LANGUAGE], str(path))
    texts = _Fields(pd.factorize(languages)[0])
    for name, kind in header.items():
        if name not in (c.ITEM_ID, c.LANGUAGE) and kind in (c.TOKEN, c.TOKEN_SEQ):
            texts.add(name, read_atomic(path, [name])[name].str.strip())
    repeated, repeats, example = texts.repeats()
    ids = pd.Index(table[c.ITEM_ID])
    return TextTable(ids, languages, texts.filled, texts.titles, tuple(texts.found), repeated, repeats, example)


class _Fields:
    """Takes the fields one after another and keeps lengths and codes only."""

    def __init__(self, groups: Array) -> None:
        self.groups = groups  # equal where language and every field so far are
        self.filled = np.zeros(len(groups), dtype=bool)
        self.titles: Array | None = None
        self.found: list[TextField] = []
        self._first = pd.Series(dtype=object)

    def add(self, name: str, values: pd.Series) -> None:
        lengths = values.str.len().to_numpy(dtype=np.int64)
        there = lengths[lengths > 0]
        median, p90 = np.quantile(there, [0.5, 0.9]) if len(there) else (0.0, 0.0)
        share = len(there) / len(lengths) if len(lengths) else 0.0
        self.found.append(TextField(name, share, float(median), float(p90)))
        self.filled |= lengths > 0
        codes, texts = pd.factorize(values)
        self.groups = pd.factorize(self.groups * max(1, len(texts)) + codes)[0]
        if name == c.TITLE:
            self.titles = lengths
        if name == c.TITLE or self._first.empty:
            self._first = values

    def repeats(self) -> tuple[float, int, str]:
        if not self.filled.any():
            return 0.0, 0, ""
        groups = self.groups[self.filled]
        sizes = np.bincount(groups)
        most = int(sizes.argmax())
        example = str(self._first[self.filled].iloc[int((groups == most).argmax())])
        return float((sizes[groups] > 1).mean()), int(sizes[most]), example[:60]
