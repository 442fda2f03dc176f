"""The atomic files of a dataset, from what was staged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recbole_xlrec.convert.base import LABEL, SPLITS
from recbole_xlrec.convert.codes import Languages
from recbole_xlrec.convert.columnar import Arrays, ColumnStore
from recbole_xlrec.convert.filters import Selection
from recbole_xlrec.convert.items import CODE, FIRST, LANG, Items
from recbole_xlrec.convert.tally import Tally
from recbole_xlrec.data import columns as c
from recbole_xlrec.data.languages import UNKNOWN
from recbole_xlrec.data.stream import AtomicStream

INTERACTIONS, FIRST_TIME, LAST_TIME = "interactions", "first_timestamp", "last_timestamp"
_PIECE = 1 << 18


class Names(NamedTuple):
    """What the numbers stand for."""

    users: pl.Series
    items: pl.Series
    languages: Languages

    def tags(self, codes: NDArray) -> pl.Series:
        """Languages by number."""
        return look_up(pl.Series(self.languages.names), codes)


def look_up(names: pl.Series, codes: NDArray) -> pl.Series:
    """Returns the name of each number."""
    return names.gather(pl.Series(codes.astype(np.uint32)))


def write_interactions(
    folder: Path, name: str, store: ColumnStore, selection: Selection, names: Names, tally: Tally
) -> dict[str, int]:
    """Writes `<name>.inter`, or one benchmark file a split, and counts what is written.

    Returns:
        Rows written, by file suffix.
    """
    types = {c.USER_ID: c.TOKEN, c.ITEM_ID: c.TOKEN}
    staged = {"rating": c.RATING, "time": c.TIMESTAMP, "label": LABEL}
    types |= {column: c.FLOAT for part, column in staged.items() if part in store.names}
    suffixes = [f"{split}.{c.INTER}" for split in SPLITS] if "split" in store.names else [c.INTER]
    with ExitStack() as stack:
        files = SplitFiles(stack, folder, name, suffixes, types)
        for rows in _chosen(store, selection):
            tally.add(rows)
            frame = pl.DataFrame(
                {
                    c.USER_ID: look_up(names.users, rows["user"]),
                    c.ITEM_ID: look_up(names.items, rows["item"]),
                    **{staged[part]: rows[part] for part in staged if part in rows},
                }
            )
            files.write(frame, rows.get("split"))
        return files.rows()


class SplitFiles:
    """One atomic file a split, or one for all; each is made with its first row.

    Args:
        stack: Closes the files.
        folder: Where they go.
        name: The dataset's name.
        suffixes: One a split, in the order of `SPLITS`; or the one for all.
        types: Columns of the files.
    """

    def __init__(
        self, stack: ExitStack, folder: Path, name: str, suffixes: Sequence[str], types: Mapping[str, str]
    ) -> None:
        self._stack, self._folder, self._name, self._suffixes, self._types = stack, folder, name, suffixes, types
        self._streams: dict[str, AtomicStream] = {}

    def write(self, frame: pl.DataFrame, split: NDArray[np.uint8] | None) -> None:
        """Writes each row into the file of its split; `split` counts from 1."""
        for place, suffix in enumerate(self._suffixes, start=1):
            part = frame if split is None else frame.filter(pl.Series(split == place))
            if part.height and suffix not in self._streams:
                path = self._folder / f"{self._name}.{suffix}"
                self._streams[suffix] = self._stack.enter_context(AtomicStream(path, self._types))
            if part.height:
                self._streams[suffix].write(part)

    def rows(self) -> dict[str, int]:
        """Rows written, by file suffix."""
        return {suffix: self._streams[suffix].rows for suffix in self._suffixes if suffix in self._streams}


def _chosen(store: ColumnStore, selection: Selection) -> Iterator[Arrays]:
    names = [name for name in store.names if name not in ("file", "line")]
    for piece in store.pieces(names):
        stay = selection.rows(piece)
        if stay.any():
            yield {name: values[stay] for name, values in piece.items()}


def write_items(
    folder: Path, name: str, items: Items, stay: NDArray[np.bool_], names: Names, tally: Tally, texts: tuple[str, ...]
) -> NDArray[np.uint8]:
    """Writes `<name>.item`, and `<name>.text` if there is a text.

    Args:
        folder: Where to.
        name: The dataset's name.
        items: The staged items.
        stay: (items,) which are written.
        names: What the numbers stand for.
        tally: Counts of the interactions that were written.
        texts: The text fields.

    Returns:
        (items,) the language of each item.
    """
    bare = stay & (items.language[: len(stay)] == 0)
    language = np.where(bare, tally.item_language(), items.language[: len(stay)]).astype(np.uint8)
    language[bare & (language == 0)] = names.languages.code(UNKNOWN)
    types = {c.ITEM_ID: c.TOKEN, c.LANGUAGE: c.TOKEN, c.WORK_ID: c.TOKEN, **items.features}
    counted = {INTERACTIONS: tally.items, FIRST_TIME: tally.first, LAST_TIME: tally.last}
    if not np.isfinite(tally.first).any():
        counted = {INTERACTIONS: tally.items}
    types |= dict.fromkeys(counted, c.FLOAT)
    with ExitStack() as stack:
        target = stack.enter_context(AtomicStream(folder / f"{name}.{c.ITEM}", types))
        words = _TextFile(stack, folder / f"{name}.{c.TEXT}", names, texts)
        for part in items.parts():
            part = part.filter(pl.Series(stay[part[CODE].to_numpy()]))
            words.write(part)
            _write_item_rows(target, part.filter(pl.col(FIRST)), language, names, counted)
        for start in range(0, len(bare), _PIECE):
            codes = (np.flatnonzero(bare[start : start + _PIECE]) + start).astype(np.uint32)
            works = {c.WORK_ID: look_up(names.items, codes).str.replace("^[^:]*:", "")} if items.editions else {}
            rows = pl.DataFrame({CODE: codes, **works})
            _write_item_rows(target, rows, language, names, counted)
    return language


def _write_item_rows(
    target: AtomicStream, rows: pl.DataFrame, language: NDArray, names: Names, counted: Mapping[str, NDArray]
) -> None:
    codes = rows[CODE].to_numpy()
    ids = look_up(names.items, codes).alias(c.ITEM_ID)
    works = rows[c.WORK_ID] if c.WORK_ID in rows else pl.Series([None], dtype=pl.String).new_from_index(0, rows.height)
    made = {
        c.ITEM_ID: ids,
        c.LANGUAGE: names.tags(language[codes]),
        c.WORK_ID: works.zip_with((works != "").fill_null(False), ids),
        **{
            key: pl.Series(np.where(np.isfinite(values[codes]), values[codes], np.nan))
            for key, values in counted.items()
        },
    }
    rows = rows.with_columns(**made)
    missing = [pl.lit(None, dtype=pl.String).alias(key) for key in target.types if key not in rows]
    target.write(rows.with_columns(missing))


class _TextFile:
    """The text table; made with its first row."""

    def __init__(self, stack: ExitStack, path: Path, names: Names, fields: tuple[str, ...]) -> None:
        self._stack, self._path, self._names, self._fields = stack, path, names, fields
        self._stream: AtomicStream | None = None

    def write(self, rows: pl.DataFrame) -> None:
        there = [name for name in self._fields if name in rows]
        rows = rows.filter(pl.any_horizontal(pl.col(name).is_not_null() for name in there)) if there else rows.clear()
        if not rows.height:
            return
        if self._stream is None:
            types = dict.fromkeys((c.ITEM_ID, c.LANGUAGE, *self._fields), c.TOKEN)
            self._stream = self._stack.enter_context(AtomicStream(self._path, types))
        ids = look_up(self._names.items, rows[CODE].to_numpy()).alias(c.ITEM_ID)
        missing = [pl.lit(None, dtype=pl.String).alias(name) for name in self._fields if name not in rows]
        self._stream.write(rows.with_columns(ids, self._names.tags(rows[LANG].to_numpy()).alias(c.LANGUAGE), *missing))
