"""What is recommended: the items of a run and new ones by internal numbers, with what is shown and filtered of them."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recbole_xlrec.data.atomic import read_atomic, read_header
from recbole_xlrec.data.columns import CATEGORY, ITEM, ITEM_ID, LANGUAGE, TEXT, TITLE, WORK_ID
from recbole_xlrec.data.languages import normalise_column
from recbole_xlrec.data.text_table import primary_texts, read_text_table
from recbole_xlrec.serving.new_items import NewItems


class Catalogue:
    """Items by number: those of the dataset by internal id, the padding item first, then the new ones.

    Args:
        dataset: The training part.
        new: New items.

    Attributes:
        ids: (items,) strings; the padding item's is empty.
        numbers: The number of each id.
        new: The new items.
    """

    def __init__(self, dataset: Any, new: NewItems | None = None) -> None:
        self.dataset, self.new = dataset, new
        self.ids = np.append("", dataset.item_ids[1:])
        if new is not None:
            self.ids = np.append(self.ids, new.ids)
        self.numbers = pd.Index(self.ids)

    def __len__(self) -> int:
        """How many numbers there are, that of the padding item among them."""
        return len(self.ids)

    @cached_property
    def languages(self) -> NDArray[np.str_]:
        """(items,) tags, empty where an item has none."""
        tags = pd.Series([cell[0] for cell in self._column(LANGUAGE)])
        named = tags != ""
        where = f"{self.dataset.folder / self.dataset.dataset_name}.{ITEM}: column {LANGUAGE!r}"
        tags[named] = normalise_column(tags[named], where)
        return tags.to_numpy(dtype=str)

    @cached_property
    def categories(self) -> list[list[str]]:
        """(items,) categories of each."""
        return self._column(CATEGORY)

    @cached_property
    def works(self) -> NDArray[np.int64]:
        """(items,) a number of each item's work, -1 where it has none."""
        names = pd.Series([cell[0] for cell in self._column(WORK_ID)])
        codes, _ = pd.factorize(names.where(names != ""))
        return codes.astype(np.int64)

    @cached_property
    def titles(self) -> NDArray[np.str_]:
        """(items,) what each is called in its own language, or else in the first one that it has a text in."""
        path = self.dataset.folder / f"{self.dataset.dataset_name}.{TEXT}"
        found: dict[str, str] = {}
        if path.is_file():
            rows = primary_texts(read_text_table(path), self._own_languages())
            fields = [field for field in rows if field not in (ITEM_ID, LANGUAGE)]
            shown = TITLE if TITLE in fields else [*fields, ITEM_ID][0]
            found = dict(zip(rows[ITEM_ID], rows[shown], strict=True))
        if self.new is not None:
            found.update(zip(self.new.ids, self.new.titles, strict=True))
        return np.array([found.get(item, "") for item in self.ids], dtype=str)

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """(items,) training interactions of each."""
        return np.pad(self.dataset.training_counts, (0, len(self) - self.dataset.item_num))

    def language_codes(self, names: tuple[str, ...]) -> NDArray[np.int64]:
        """(items,) the place of each item's language among names; -1 for one that is not there."""
        place = {name: code for code, name in enumerate(names)}
        return np.array([place.get(str(tag), -1) for tag in self.languages], dtype=np.int64)

    def _own_languages(self) -> pd.DataFrame | None:
        path = self.dataset.folder / f"{self.dataset.dataset_name}.{ITEM}"
        if not path.is_file() or LANGUAGE not in read_header(path):
            return None
        return read_atomic(path, [ITEM_ID, LANGUAGE])

    def _column(self, field: str) -> list[list[str]]:
        """The values of a column of the item file, (items,) lists of one or more strings, empty ones without it."""
        path = self.dataset.folder / f"{self.dataset.dataset_name}.{ITEM}"
        there = path.is_file() and field in read_header(path)
        known = self.dataset.item_feature(field) if there else [[""]] * self.dataset.item_num
        return [*known, *(self.new.column(field) if self.new is not None else [])]
