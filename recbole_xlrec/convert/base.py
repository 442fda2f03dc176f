"""What a source is: a description people can read, and a function that parses its raw files into plain tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from recbole_xlrec.data import columns as c

if TYPE_CHECKING:
    from recbole_xlrec.convert.read import Reader

#: Column of a batch: the line (or row) of the raw file on which a row begins, counted from 1.
LINE = "__line"
#: Columns of interactions beside those of the atomic files.
SPLIT, LABEL = "split", "label"
#: The splits of a pre-split source, in the order of time; each becomes a RecBole benchmark file.
SPLITS = ("train", "valid", "test")


class Batch(NamedTuple):
    """Some rows of one raw file.

    Attributes:
        file: The file's name below the input folder.
        frame: The rows; column `LINE` says where each stands.
    """

    file: str
    frame: pl.DataFrame

    def select(self, *exprs: pl.Expr | str, **named: pl.Expr) -> Batch:
        """The same rows with other columns; `LINE` is kept."""
        return Batch(self.file, self.frame.select(LINE, *exprs, **named))

    def filter(self, predicate: pl.Expr) -> Batch:
        """The rows for which `predicate` holds."""
        return Batch(self.file, self.frame.filter(predicate))


@dataclass(frozen=True)
class Tables:
    """The plain tables of a source: batches that are parsed only when they are asked for.

    Attributes:
        interactions: `user_id`, `item_id`; where the source has them `rating`, `timestamp` (see `time`), `language` (a
            tag), `country`, `split` (one of `SPLITS`), `label` (1 chosen, 0 shown only).
        items: `item_id`, `language` (a tag; null where it is not known), `work_id`, features and texts: one row an
            (item, language); the features of an item are those of its first row.
        users: `user_id`, `language`, `country`, other features.
        time: How `timestamp` is written, see `times.utc_seconds`; None where there are no times.
        features: RecBole type of each feature column of items and users that `columns.TYPES` does not have.
        texts: Text fields of items, in the order of the text table.
        known_items: Whether interactions with items that are not among `items` are left out.
        described: `title`, `url`, `licence`, `citation`, where the raw files know better than the source.
        implicit_rating: A rating that stands for "no rating given", and counts as positive feedback.
    """

    interactions: Iterable[Batch]
    items: Iterable[Batch] = ()
    users: Iterable[Batch] = ()
    time: str | None = None
    features: Mapping[str, str] = field(default_factory=dict)
    texts: tuple[str, ...] = (c.TITLE,)
    implicit_rating: float | None = None
    known_items: bool = False
    described: Mapping[str, str] = field(default_factory=dict)


class Source(NamedTuple):
    """One public source (or the user's own tables).

    Attributes:
        name: Name on the command line.
        title: Name in full.
        read: Parses the raw files.
        url: Where to get it.
        licence: Terms of use.
        citation: What to cite.
        size: How large it is in full.
        languages: Its languages.
        good_for: What it is good for.
        layout: The raw files that are expected, one a line.
        options: Name → meaning of what `--option NAME=VALUE` sets.
        dataset: Name of the dataset, where it is not the source's.
    """

    name: str
    title: str
    read: Callable[[Reader], Tables]
    url: str
    licence: str
    citation: str
    size: str
    languages: str
    good_for: str
    layout: str
    options: Mapping[str, str] = {}
    dataset: str = ""
