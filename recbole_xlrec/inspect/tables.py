"""What a profile reads of a dataset's files, turned into integer codes at once so that no column of strings stays.

Language code 0 is ``und``, the language that is not known; a file without a language column gives no codes at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from recbole_xlrec.data import columns as c
from recbole_xlrec.data.atomic import read_atomic, read_header
from recbole_xlrec.data.files import existing_file
from recbole_xlrec.data.hints import did_you_mean
from recbole_xlrec.data.languages import UNKNOWN, normalise_column
from recbole_xlrec.data.tables import duplicate_check
from recbole_xlrec.errors import DataError
from recbole_xlrec.inspect.measures import Array

SPLITS = ("train", "valid", "test")
LABEL = "label"

_CODE = np.int32


class Interactions(NamedTuple):
    """The interactions of a dataset, row by row.

    Attributes:
        users: (rows,) codes into `user_ids`.
        items: (rows,) codes into `item_ids`.
        user_ids: The users, in the order in which they first appear.
        item_ids: The items, likewise.
        ratings: (rows,) or None where the files have none.
        times: (rows,) or None where the files have none; NaN where a cell is empty.
        files: Name and number of rows of each file read.
        shown: Rows left out since their `label` is 0: items that were shown and not chosen.
    """

    users: Array
    items: Array
    user_ids: pd.Index
    item_ids: pd.Index
    ratings: Array | None
    times: Array | None
    files: tuple[tuple[str, int], ...]
    shown: int


class Listed(NamedTuple):
    """The rows of `<name>.item` or `<name>.user`.

    Attributes:
        ids: The ids, each once.
        languages: A tag for each, or None where the file has no such column.
        works: A `work_id` for each, or None likewise.
    """

    ids: pd.Index
    languages: pd.Series | None
    works: pd.Series | None


def dataset_folder(data_path: Path, name: str) -> Path:
    """Returns the folder of a dataset.

    Raises:
        DataError: There is none; the message names those that are nearest.
    """
    folder = data_path / name
    if folder.is_dir():
        return folder
    known = [entry.name for entry in data_path.iterdir() if entry.is_dir()] if data_path.is_dir() else []
    raise DataError(
        f"there is no dataset folder {folder}: convert the dataset first, or give --data-path the folder that holds "
        f"it.{did_you_mean(name, known)}"
    )


def inter_files(folder: Path, name: str) -> list[Path]:
    """The files of interactions: `<name>.inter`, else the benchmark files that are there.

    Raises:
        DataError: There is neither.
    """
    whole = folder / f"{name}.{c.INTER}"
    splits = [path for split in SPLITS if (path := folder / f"{name}.{split}.{c.INTER}").is_file()]
    return splits if splits and not whole.is_file() else [existing_file(whole)]


def read_interactions(paths: Sequence[Path]) -> Interactions:
    """Reads the interactions of one file or of several splits, the ids one column at a time.

    Raises:
        DataError: A file cannot be read or lacks a column, or there is no interaction in any.
    """
    sizes, users, user_ids = _coded(paths, c.USER_ID)
    _, items, item_ids = _coded(paths, c.ITEM_ID)
    numbers = _numbers(paths)
    labels = numbers.pop(LABEL, None)
    if labels is not None:
        chosen = labels != 0
        numbers = {name: values[chosen] for name, values in numbers.items()}
        users, user_ids = _compact(users[chosen], user_ids)
        items, item_ids = _compact(items[chosen], item_ids)
    if not len(users):
        raise DataError(f"{', '.join(map(str, paths))}: no interactions. Convert the dataset with weaker filters.")
    files = tuple((path.name, size) for path, size in zip(paths, sizes, strict=True))
    ratings, times = numbers.get(c.RATING), numbers.get(c.TIMESTAMP)
    return Interactions(users, items, user_ids, item_ids, ratings, times, files, sum(sizes) - len(users))


def _coded(paths: Sequence[Path], name: str) -> tuple[list[int], Array, pd.Index]:
    parts = [read_atomic(path, [name])[name] for path in paths]
    sizes = [len(part) for part in parts]
    codes, ids = pd.factorize(pd.concat(parts) if len(parts) > 1 else parts[0])
    return sizes, codes.astype(_CODE), pd.Index(ids)


def _numbers(paths: Sequence[Path]) -> dict[str, Array]:
    """The float columns that every file has, of those that a profile looks at."""
    headers = [read_header(path) for path in paths]
    wanted = (c.RATING, c.TIMESTAMP, LABEL)
    names = [name for name in wanted if all(header.get(name) == c.FLOAT for header in headers)]
    if not names:
        return {}
    table = pd.concat([read_atomic(path, names) for path in paths])
    return {name: table[name].to_numpy() for name in names}


def _compact(codes: Array, ids: pd.Index) -> tuple[Array, pd.Index]:
    """Numbers anew what is left of some codes, in the old order."""
    there = np.bincount(codes, minlength=len(ids)) > 0
    return (np.cumsum(there) - 1).astype(_CODE)[codes], ids[there]


def read_listed(path: Path, field: str) -> Listed | None:
    """Reads ids, languages and works of an item or user file, or returns None where there is no such file.

    Raises:
        DataError: The file cannot be read, names an id twice, or holds an unknown language.
    """
    if not path.is_file():
        return None
    header = read_header(path)
    table = read_atomic(path, [field, *(name for name in (c.LANGUAGE, c.WORK_ID) if name in header)])
    duplicate_check(table, [field], str(path))
    languages = language_tags(table[c.LANGUAGE], path) if c.LANGUAGE in table else None
    works = table[c.WORK_ID].where(table[c.WORK_ID] != "", table[field]) if c.WORK_ID in table else None
    return Listed(pd.Index(table[field]), languages, works)


def language_tags(tags: pd.Series, path: Path) -> pd.Series:
    """A column of tags in standard form; empty cells are ``und``.

    Raises:
        DataError: A tag is not known.
    """
    return normalise_column(tags.where(tags.str.strip() != "", UNKNOWN), f"{path}: column {c.LANGUAGE!r}")


def aligner(names: Sequence[str]) -> Callable[[Listed | None, pd.Index], Array | None]:
    """Returns a function that gives the language code of each of some ids.

    Args:
        names: The languages by code; the first is ``und``, which ids that are not listed get as well.
    """
    codes = pd.Series(range(len(names)), index=list(names), dtype=np.int16)

    def align(listed: Listed | None, ids: pd.Index) -> Array | None:
        if listed is None or listed.languages is None:
            return None
        places = listed.ids.get_indexer(ids)
        found = np.append(codes.loc[listed.languages].to_numpy(), np.int16(0))  # place -1: not listed
        return found[places]

    return align
