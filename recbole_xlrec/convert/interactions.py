"""Who did what: every row checked, its values normalised, ids numbered, and set down on disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recbole_xlrec.convert.base import LABEL, LINE, SPLIT, SPLITS, Batch, Tables
from recbole_xlrec.convert.codes import Ids, Languages, editions, grown, note_first
from recbole_xlrec.convert.columnar import Arrays, ColumnStore
from recbole_xlrec.convert.options import Options
from recbole_xlrec.convert.rejects import Rejects
from recbole_xlrec.convert.times import AUTO, utc_seconds
from recbole_xlrec.data import columns as c
from recbole_xlrec.errors import ConfigError

#: Column of interactions whose text tells the language, where nothing else does.
SAID = "said"
Mask = NDArray[np.bool_]


class Staged(NamedTuple):
    """The interactions of a source on disk.

    Attributes:
        store: The rows, in the order of the files.
        files: Names of the raw files by number.
        country: By user, a number for `countries`; 0 is none.
        countries: Countries by number.
        removed: Rows that a rule left out, by rule.
    """

    store: ColumnStore
    files: list[str]
    country: NDArray[np.uint16]
    countries: list[str]
    removed: Counter[str]


class Stager:
    """Stages interactions.

    Args:
        tables: What the source's columns mean.
        options: What to keep.
        users: Numbers of users.
        items: Numbers of items.
        languages: Numbers of languages.
        item_language: By item number, the language of the items known so far.
        rejects: Where broken rows go.
    """

    def __init__(
        self,
        tables: Tables,
        options: Options,
        users: Ids,
        items: Ids,
        languages: Languages,
        item_language: NDArray[np.uint8],
        rejects: Rejects,
    ) -> None:
        self._tables, self._options, self._rejects = tables, options, rejects
        self._users, self._items, self._languages = users, items, languages
        self._item_language = item_language
        self._wanted = languages.mask(options.languages) if options.languages else None
        self._removed: Counter[str] = Counter()
        self._country = np.zeros(0, dtype=np.uint16)
        self._countries = [""]

    def run(self, batches: Iterable[Batch], folder: Path) -> Staged:
        """Reads, checks and stages all batches."""
        store: ColumnStore | None = None
        files: list[str] = []
        for batch in batches:
            if batch.file not in files:
                files.append(batch.file)
            arrays = self._numbered(batch)
            if store is None:
                store = ColumnStore(folder, [*arrays, "file"])
            count = len(arrays["user"])
            if count:
                store.append({**arrays, "file": np.full(count, files.index(batch.file))})
        store = store or ColumnStore(folder, ["user", "item", "line", "file"])
        return Staged(store, files, grown(self._country, len(self._users)), self._countries, self._removed)

    def _numbered(self, batch: Batch) -> Arrays:
        """The rows of a batch that stay, as numbers."""
        frame = batch.frame
        arrays: Arrays = {"line": frame[LINE].cast(pl.UInt32).to_numpy()}
        wrong: dict[str, Mask] = {}
        self._ids(frame, arrays, wrong)
        self._values(frame, arrays, wrong)
        stay = ~self._rejects.judge(batch, wrong)
        for rule, mask in self._rules(arrays):
            self._removed[rule] += int((stay & ~mask).sum())
            stay &= mask
        if not self._options.negatives:
            arrays.pop("label", None)  # it would be 1 throughout
        if c.COUNTRY in frame:
            self._note_country(frame[c.COUNTRY].filter(pl.Series(stay)), arrays["user"][stay])
        return {name: values[stay] for name, values in arrays.items()}

    def _values(self, frame: pl.DataFrame, arrays: Arrays, wrong: dict[str, Mask]) -> None:
        if c.RATING in frame:
            rating = frame[c.RATING].cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
            wrong["no rating that is a number"] = ~np.isfinite(rating)
            arrays["rating"] = rating
        if self._tables.time is not None:
            time = utc_seconds(frame[c.TIMESTAMP], self._tables.time or AUTO).fill_null(np.nan).to_numpy()
            wrong["no timestamp that is understood"] = np.isnan(time)
            arrays["time"] = time
        if LABEL in frame:
            label = frame[LABEL].cast(pl.Float64, strict=False).fill_null(-1).to_numpy()
            wrong["no label 0 or 1"] = ~np.isin(label, (0, 1))
            arrays["label"] = (label == 1).astype(np.uint8)
        if SPLIT in frame and not self._options.whole:
            places = {name: place for place, name in enumerate(SPLITS, start=1)}
            arrays["split"] = frame[SPLIT].replace_strict(places, return_dtype=pl.UInt8).to_numpy()

    def _ids(self, frame: pl.DataFrame, arrays: Arrays, wrong: dict[str, Mask]) -> None:
        items: dict[str, Mask] = {}
        with ThreadPoolExecutor(1) as pool:  # to number the ids is most of the work
            users = pool.submit(self._users.codes, frame[c.USER_ID])
            self._item_ids(frame, arrays, items)
            arrays["user"] = users.result()
        wrong["no user_id"] = self._users.wrong[arrays["user"]]
        wrong.update(items)

    def _item_ids(self, frame: pl.DataFrame, arrays: Arrays, wrong: dict[str, Mask]) -> None:
        item_ids = frame[c.ITEM_ID]
        if c.LANGUAGE in frame:
            arrays["language"], wrong["unknown language"] = self._languages.codes(self._told(frame))
        if self._options.identity == "edition":
            item_ids = self._editions(item_ids, arrays, wrong)
        arrays["item"] = self._items.codes(item_ids)
        wrong["no item_id"] = self._items.wrong[arrays["item"]]
        if "language" not in arrays:
            self._item_language = grown(self._item_language, len(self._items))
            arrays["language"] = self._item_language[arrays["item"]]

    def _told(self, frame: pl.DataFrame) -> pl.Series:
        """The language of each row; where it is missing, that of what the user said."""
        if SAID not in frame or not self._options.detect:
            return frame[c.LANGUAGE]
        from recbole_xlrec.convert.detect import filled

        return filled(frame[c.LANGUAGE].cast(pl.String), frame[SAID], self._options)

    def _editions(self, ids: pl.Series, arrays: Arrays, wrong: dict[str, Mask]) -> pl.Series:
        if "language" not in arrays:
            raise ConfigError(
                "--identity edition: the interactions of this source carry no language or market, so that an item "
                "cannot be told apart by it. Use --identity item."
            )
        wrong["no language"] = arrays["language"] == 0
        return editions(ids, arrays["language"], self._languages)

    def _rules(self, arrays: Arrays) -> Iterable[tuple[str, Mask]]:
        if "label" in arrays and not self._options.negatives:
            yield "shown, not chosen", arrays["label"] == 1
        if "rating" in arrays and self._options.min_rating is not None:
            rating = arrays["rating"]
            implicit = self._tables.implicit_rating
            keep = rating >= self._options.min_rating
            yield (
                f"rating below {self._options.min_rating:g}",
                keep if implicit is None else keep | (rating == implicit),
            )
        if self._tables.known_items:
            self._item_language = grown(self._item_language, len(self._items))
            yield "items without a row of their own", self._item_language[arrays["item"]] > 0
        if self._wanted is not None:
            yield "other languages", self._wanted[arrays["language"]]

    def _note_country(self, countries: pl.Series, users: NDArray[np.uint32]) -> None:
        self._country = grown(self._country, len(self._users))
        known = {name: place for place, name in enumerate(self._countries)}
        for name in countries.drop_nulls().unique(maintain_order=True).to_list():
            if name not in known:
                known[name] = len(self._countries)
                self._countries.append(name)
        codes = countries.replace_strict(known, default=0, return_dtype=pl.UInt16).to_numpy()
        note_first(self._country, users, codes)
