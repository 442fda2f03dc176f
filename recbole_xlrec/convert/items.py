"""The items of a source: features and texts checked, cleaned, and set down on disk until it is known which stay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recbole_xlrec.convert.base import LINE, Batch, Tables
from recbole_xlrec.convert.codes import Ids, Languages, editions, grown
from recbole_xlrec.convert.options import Options
from recbole_xlrec.convert.rejects import Rejects
from recbole_xlrec.convert.texts import clean
from recbole_xlrec.data import columns as c
from recbole_xlrec.data.languages import UNKNOWN

CODE, LANG, FIRST = "__item", "__language", "__first"


class Items:
    """Stages items.

    Attributes:
        language: By item number, the language of its first text; 0 where the item is not among these.
        features: RecBole type of each feature column that was found, in order.
        mended: What was mended in the texts, by kind.
        removed: Rows left out, by rule.
        editions: Whether an item is one a language, its id `<lang>:<work_id>`.
    """

    def __init__(
        self, tables: Tables, options: Options, ids: Ids, languages: Languages, rejects: Rejects, folder: Path
    ) -> None:
        folder.mkdir()
        self.language = np.zeros(0, dtype=np.uint8)
        self.features: dict[str, str] = {}
        self.mended: Counter[str] = Counter()
        self.removed: Counter[str] = Counter()
        self.editions = options.identity == "edition"
        self._tables, self._options, self._ids, self._languages = tables, options, ids, languages
        self._rejects, self._folder = rejects, folder
        self._wanted = languages.mask(options.languages) if options.languages else None
        self._seen = np.zeros((0, 0), dtype=bool)  # (items, languages)
        self._parts: list[Path] = []

    def run(self, batches: Iterable[Batch]) -> Items:
        """Reads, checks and stages all batches."""
        types = {**c.TYPES, **self._tables.features}
        for batch in batches:
            for name in batch.frame.columns:
                if name not in (LINE, c.ITEM_ID, c.LANGUAGE, *self._tables.texts):
                    self.features[name] = types[name]
            frame = self._staged(batch)
            if frame.height:
                self._parts.append(self._folder / f"{len(self._parts):06}.parquet")
                frame.write_parquet(self._parts[-1], compression="lz4")
        self.language = grown(self.language, len(self._ids))
        return self

    def parts(self) -> Iterator[pl.DataFrame]:
        """Yields the staged rows, with their numbers, in the order of the files."""
        return (pl.read_parquet(path) for path in self._parts)

    def _staged(self, batch: Batch) -> pl.DataFrame:
        frame = self._cleaned(batch.frame)
        languages, unknown = self._languages.codes(self._tags(frame))
        languages = np.where(languages == 0, self._languages.code(UNKNOWN), languages).astype(np.uint8)
        ids = self._edition_ids(frame[c.ITEM_ID], languages)
        numbers = self._ids.codes(ids)
        gone = self._rejects.judge(batch, {"no item_id": self._ids.wrong[numbers], "unknown language": unknown})
        if self._wanted is not None:
            self.removed["texts in other languages"] += int((~gone & ~self._wanted[languages]).sum())
            gone |= ~self._wanted[languages]
        first = self._note(numbers, languages, gone)
        numbered = frame.with_columns(pl.Series(CODE, numbers), pl.Series(LANG, languages), pl.Series(FIRST, first))
        return numbered.drop(LINE, c.ITEM_ID, c.LANGUAGE, strict=False).filter(pl.Series(~gone))

    def _note(self, numbers: NDArray[np.uint32], languages: NDArray[np.uint8], gone: NDArray[np.bool_]) -> NDArray:
        """Marks repeated rows as gone, and returns which rows are the first of their items."""
        size = len(self._ids)
        self.language = grown(self.language, size)
        width = len(self._languages.names)
        if self._seen.shape[1] < width:
            self._seen = np.pad(self._seen, ((0, 0), (0, width - self._seen.shape[1])))
        self._seen = grown(self._seen, size)
        pair = numbers.astype(np.int64) * 256 + languages
        pair[gone] = -1 - np.arange(int(gone.sum()))
        _, first_rows = np.unique(pair, return_index=True)
        repeats = np.ones(len(pair), dtype=bool)
        repeats[first_rows] = False
        repeats |= self._seen[numbers, languages]
        repeats &= ~gone
        self.removed["repeated (item, language) rows"] += int(repeats.sum())
        gone |= repeats
        self._seen[numbers[~gone], languages[~gone]] = True
        unknown_so_far = np.flatnonzero(~gone & (self.language[numbers] == 0))
        _, places = np.unique(numbers[unknown_so_far], return_index=True)
        first = np.zeros(len(numbers), dtype=bool)
        first[unknown_so_far[places]] = True
        self.language[numbers[first]] = languages[first]
        return first

    def _edition_ids(self, ids: pl.Series, languages: NDArray[np.uint8]) -> pl.Series:
        return editions(ids, languages, self._languages) if self.editions else ids

    def _tags(self, frame: pl.DataFrame) -> pl.Series:
        if c.LANGUAGE not in frame:
            frame = frame.with_columns(pl.lit(None, dtype=pl.String).alias(c.LANGUAGE))
        tags = frame[c.LANGUAGE].cast(pl.String)
        if not self._options.detect:
            return tags
        from recbole_xlrec.convert.detect import filled

        texts = [pl.col(name) for name in self._tables.texts if name in frame]
        return filled(
            tags, frame.select(pl.concat_str(texts, separator=". ", ignore_nulls=True)).to_series(), self._options
        )

    def _cleaned(self, frame: pl.DataFrame) -> pl.DataFrame:
        columns: list[pl.Series] = []
        for name in frame.columns:
            values = frame[name]
            if name in self._tables.texts:
                values = clean(values.cast(pl.String), self.mended)
            elif name in self.features:
                values = feature(values, self.features[name])
            columns.append(values.alias(name))
        cleaned = pl.DataFrame(columns)
        if c.WORK_ID not in cleaned and self.editions:
            cleaned = cleaned.with_columns(pl.col(c.ITEM_ID).cast(pl.String).str.strip_chars().alias(c.WORK_ID))
            self.features.setdefault(c.WORK_ID, c.TOKEN)
        if c.TITLE in cleaned and c.DESCRIPTION in cleaned:
            echo = (cleaned[c.TITLE] == cleaned[c.DESCRIPTION]).fill_null(False)
            self.mended["descriptions that only repeat the title, emptied"] += int(echo.sum())
            cleaned = cleaned.with_columns(cleaned[c.DESCRIPTION].set(echo, None))
        return cleaned


def feature(values: pl.Series, kind: str) -> pl.Series:
    """Returns a feature column as its type asks: clean text, parts without blanks, or finite numbers.

    Example:
        >>> feature(pl.Series([["Home & Garden", " Tools", ""]]), "token_seq").to_list()
        ['Home_&_Garden Tools']
    """
    if kind == c.FLOAT:
        numbers = values.cast(pl.Float64, strict=False)
        return numbers.set(~numbers.is_finite(), None)
    if kind == c.TOKEN_SEQ and isinstance(values.dtype, pl.List):
        part = pl.element().cast(pl.String).str.replace_all(r"[\x00-\x1f\x7f\s]+", " ").str.strip_chars()
        parts = values.list.eval(part.str.replace_all(" ", "_").filter(part != ""))
        return parts.list.join(" ")
    return values.cast(pl.String).str.replace_all(r"[\x00-\x1f\x7f\s]+", " ").str.strip_chars()
