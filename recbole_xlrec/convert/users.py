"""The users of a source: their features as given, their language as given or as their interactions tell."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recbole_xlrec.convert.base import LINE, Batch, Tables
from recbole_xlrec.convert.codes import Ids, Languages, grown, note_first
from recbole_xlrec.convert.items import feature
from recbole_xlrec.convert.rejects import Rejects
from recbole_xlrec.convert.write import Names, look_up
from recbole_xlrec.data import columns as c
from recbole_xlrec.data.languages import UNKNOWN
from recbole_xlrec.data.stream import AtomicStream

_CODE = "__user"
_MOST = "that of most of a user's interactions"


class Users:
    """Stages users, one row each; memory grows with their number.

    Attributes:
        language: By user number, the language that the source gives; 0 where it gives none.
        told_by: What tells the language of a user.
    """

    def __init__(self, tables: Tables, ids: Ids, languages: Languages, rejects: Rejects) -> None:
        self.language = np.zeros(0, dtype=np.uint8)
        self._types = {**c.TYPES, **tables.features}
        self._ids, self._languages, self._rejects = ids, languages, rejects
        self._rows: list[pl.DataFrame] = []
        self.told_by = _MOST

    def run(self, batches: Iterable[Batch]) -> Users:
        """Reads and checks all batches; of several rows for a user the first counts."""
        for batch in batches:
            numbers = self._ids.codes(batch.frame[c.USER_ID])
            gone = self._rejects.judge(batch, {"no user_id": self._ids.wrong[numbers]})
            if c.LANGUAGE in batch.frame:
                self._note_language(batch, numbers)
                self.told_by = f"given by the source; else {_MOST}"
            columns = [name for name in batch.frame.columns if name not in (LINE, c.USER_ID, c.LANGUAGE)]
            values = [feature(batch.frame[name], self._types[name]).alias(name) for name in columns]
            self._rows.append(pl.DataFrame([pl.Series(_CODE, numbers), *values]).filter(pl.Series(~gone)))
        return self

    def write(
        self,
        folder: Path,
        name: str,
        stay: NDArray[np.bool_],
        names: Names,
        told: NDArray[np.uint8],
        country: pl.Series,
    ) -> NDArray[np.uint8]:
        """Writes `<name>.user`.

        Args:
            folder: Where to.
            name: The dataset's name.
            stay: (users,) which are written.
            names: What the numbers stand for.
            told: (users,) the language of each user's interactions, for those whose language the source does not give.
            country: (users,) their countries; null where they are not known.

        Returns:
            (users,) the language of each user.
        """
        given = grown(self.language, len(stay))[: len(stay)]
        language = np.where(given == 0, told, given).astype(np.uint8)
        language[language == 0] = names.languages.code(UNKNOWN)
        codes = np.flatnonzero(stay).astype(np.uint32)
        frame = pl.DataFrame(
            {_CODE: codes, c.USER_ID: look_up(names.users, codes), c.LANGUAGE: names.tags(language[codes])}
        )
        if country.drop_nulls().len():
            frame = frame.with_columns(country.gather(pl.Series(codes)).alias(c.COUNTRY))
        if self._rows:
            features = pl.concat(self._rows, how="diagonal").unique(_CODE, keep="first", maintain_order=True)
            frame = frame.join(features, on=_CODE, how="left", maintain_order="left")
        types = {column: self._types[column] for column in frame.columns if column != _CODE}
        with AtomicStream(folder / f"{name}.{c.USER}", types) as stream:
            stream.write(frame)
        return language

    def _note_language(self, batch: Batch, numbers: NDArray[np.uint32]) -> None:
        languages, unknown = self._languages.codes(batch.frame[c.LANGUAGE])
        self._rejects.judge(batch, {"unknown language": unknown})
        self.language = grown(self.language, len(self._ids))
        note_first(self.language, numbers, languages)
