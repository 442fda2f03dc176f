"""The language of every user and item, aligned to a dataset's internal ids."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recbole_xlrec.data.atomic import read_atomic, read_header
from recbole_xlrec.data.columns import ITEM, LANGUAGE, USER
from recbole_xlrec.data.languages import normalise_column
from recbole_xlrec.data.tables import duplicate_check
from recbole_xlrec.errors import DataError, sample

Codes = NDArray[np.int64]


class LanguageIndex(NamedTuple):
    """Languages by internal id; code 0 is "no language" and belongs to the padding id.

    Attributes:
        names: The languages by code; ``names[0]`` is empty.
        users: (users,) codes.
        items: (items,) codes, or None where the items carry no language.
    """

    names: tuple[str, ...]
    users: Codes
    items: Codes | None

    @property
    def by_user(self) -> bool:
        """Whether an interaction is in its user's language; where all users are of one, it is in the item's."""
        return self.items is None or len(np.unique(self.users[1:])) > 1

    def of_rows(self, users: Codes, items: Codes) -> Codes:
        """(rows,) users and items of interactions, internal ids → (rows,) codes of their languages."""
        return self.users[users] if self.by_user or self.items is None else self.items[items]

    def code(self, language: str) -> int:
        """The code of a language.

        Raises:
            DataError: If no user or item has it; lists those that are there.
        """
        if language not in self.names[1:]:
            raise DataError(f"no user or item is in language {language!r}; there are {', '.join(self.names[1:])}")
        return self.names.index(language)


def read_language_index(
    folder: Path, name: str, user_field: str, item_field: str, users: NDArray[np.str_], items: NDArray[np.str_]
) -> LanguageIndex | None:
    """Reads the languages of a dataset's users and items.

    Args:
        folder: The dataset's folder.
        name: The dataset's name.
        user_field: Name of the user id column.
        item_field: Name of the item id column.
        users: (users,) ids by internal id, the padding id first.
        items: (items,) ids by internal id, the padding id first.

    Returns:
        The index, or None where the users carry no language.

    Raises:
        DataError: For an unknown tag, duplicate rows, or users or items that the file leaves without a language.
    """
    user_tags = _tags(folder / f"{name}.{USER}", user_field, users)
    if user_tags is None:
        return None
    item_tags = _tags(folder / f"{name}.{ITEM}", item_field, items)
    tags = pd.concat([user_tags, item_tags] if item_tags is not None else [user_tags])
    names = ("", *sorted(tags.unique()))
    codes = pd.Series(range(len(names)), index=names)
    return LanguageIndex(names, _coded(user_tags, codes), None if item_tags is None else _coded(item_tags, codes))


def _coded(tags: pd.Series, codes: pd.Series) -> Codes:
    padding = np.zeros(1, dtype=np.int64)
    return np.concatenate([padding, codes.loc[tags].to_numpy(dtype=np.int64)])


def _tags(path: Path, field: str, ids: NDArray[np.str_]) -> pd.Series | None:
    """The language of each id but the padding one, in their order."""
    if not path.is_file() or LANGUAGE not in read_header(path):
        return None
    table = read_atomic(path, [field, LANGUAGE])
    duplicate_check(table, [field], str(path))
    tags = table.set_index(field)[LANGUAGE].reindex(ids[1:].astype(str))
    absent = tags.index[tags.isna() | (tags == "")]
    if len(absent):
        raise DataError(
            f"{path}: {len(absent)} of the {field}s in the interactions have no {LANGUAGE}: {sample(absent)}. "
            "Add their rows; a language that is not known is written und."
        )
    return normalise_column(tags, f"{path}: column {LANGUAGE!r}")
