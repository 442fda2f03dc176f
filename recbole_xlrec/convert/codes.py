"""Ids and languages as small numbers, given in the order in which they first appear."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recbole_xlrec.data.languages import normalise_language
from recbole_xlrec.data.rows import MISSING_NUMBERS
from recbole_xlrec.errors import ConfigError, DataError

_CONTROL = r"[\x00-\x1f\x7f]"


class Ids:
    """Numbers for ids; memory grows with the number of different ids only.

    Attributes:
        wrong: By number, whether this is no id: empty, a word that RecBole reads as missing, or with a control
            character inside.
    """

    def __init__(self) -> None:
        self._categories = pl.Categories.random()
        # polars keeps a set of categories as long as something uses it.
        self._keep = pl.Series([], dtype=pl.Categorical(self._categories))
        self._names = pl.Series([], dtype=pl.String)
        self.wrong = np.zeros(0, dtype=bool)

    def __len__(self) -> int:
        return len(self.wrong)

    def codes(self, ids: pl.Series) -> NDArray[np.uint32]:
        """Returns the number of each id (blanks around it do not count); new ids get new numbers."""
        text = ids.cast(pl.String).str.strip_chars().fill_null("")
        numbers = text.cast(pl.Categorical(self._categories)).to_physical().to_numpy()
        known = len(self.wrong)
        new = np.flatnonzero(numbers >= known)
        if len(new):
            places = np.zeros(int(numbers.max()) + 1 - known, dtype=np.uint32)
            places[numbers[new] - known] = new  # a row in which each new id stands
            self._judge(text.gather(places))
        return numbers

    def names(self) -> pl.Series:
        """All ids, by number."""
        if len(self._names) < len(self):
            self._names = self._categories.to_series()
        return self._names

    def _judge(self, new: pl.Series) -> None:
        wrong = new.is_in(list(MISSING_NUMBERS)) | new.str.contains(_CONTROL)
        self.wrong = np.concatenate([self.wrong, wrong.to_numpy()])


class Languages:
    """Numbers for languages; 0 stands for none."""

    def __init__(self) -> None:
        self.names: list[str] = [""]
        self._codes: dict[str | None, int] = {None: 0, "": 0}

    def codes(self, tags: pl.Series) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Returns the number of each tag (a missing one is 0), and which tags are no known language."""
        text = tags.cast(pl.String)
        distinct = text.unique(maintain_order=True).to_list()
        wrong = [tag for tag in distinct if not self._is_language(tag)]
        found = {tag: self.code(tag) for tag in distinct if tag not in wrong}
        numbers = text.replace_strict(found, default=0, return_dtype=pl.UInt8).to_numpy()
        return numbers, text.is_in(wrong).fill_null(False).to_numpy()

    def code(self, tag: str | None) -> int:
        """Returns the number of one tag, in whichever of its forms.

        Raises:
            DataError: It is not a known language.
        """
        if tag not in self._codes:
            standard = normalise_language(tag)
            if standard not in self.names:
                self.names.append(standard)
            self._codes[tag] = self.names.index(standard)
        return self._codes[tag]

    def mask(self, tags: tuple[str, ...]) -> NDArray[np.bool_]:
        """By number, whether a language is one of `tags`."""
        chosen = np.zeros(256, dtype=bool)
        chosen[[self.code(tag) for tag in tags]] = True
        return chosen

    def _is_language(self, tag: str | None) -> bool:
        try:
            self.code(tag)
        except (ConfigError, DataError):
            return False
        return True


def note_first(known: NDArray, numbers: NDArray, values: NDArray) -> None:
    """Writes the first value other than 0 of each number that has none yet.

    Args:
        known: By number, the value; 0 where there is none. Changed in place.
        numbers: (rows,).
        values: (rows,).
    """
    new = (known[numbers] == 0) & (values > 0)
    known[numbers[new][::-1]] = values[new][::-1]  # of several for one number the first is written last


def grown(array: NDArray, size: int) -> NDArray:
    """Returns the array with zeros added up to a size; twice as many as asked for, so that it seldom grows."""
    if len(array) >= size:
        return array
    larger = np.zeros((2 * size, *array.shape[1:]), dtype=array.dtype)
    larger[: len(array)] = array
    return larger


def editions(ids: pl.Series, languages: NDArray[np.uint8], known: Languages) -> pl.Series:
    """Returns ids `<lang>:<id>`; a missing id stays missing."""
    tags = pl.Series(known.names).gather(pl.Series(languages, dtype=pl.UInt32))
    return (
        pl.DataFrame({"tag": tags, "id": ids.cast(pl.String).str.strip_chars()})
        .select(pl.when(pl.col("id") != "").then(pl.col("tag") + ":" + pl.col("id")))
        .to_series()
    )
