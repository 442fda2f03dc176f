"""RecBole's atomic files: the one reader and writer.

An atomic file is tab-separated UTF-8 whose header types each column (`item_id:token`), quoted as the `csv` module does.
RecBole reads it with pandas' Python engine and default options, and gets back every row that `write_atomic` wrote. It
then takes words such as `NA` or `null` for missing values, and its floats can differ in the last bits; `read_atomic`
keeps both.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from recbole_xlrec.data import columns
from recbole_xlrec.data.cells import encode, text_cells
from recbole_xlrec.data.checks import CHUNK, check_column
from recbole_xlrec.data.files import existing_file, file_hash, replacing
from recbole_xlrec.data.hints import did_you_mean
from recbole_xlrec.data.rows import is_plain, read_any, read_plain
from recbole_xlrec.data.tables import require_columns
from recbole_xlrec.errors import DataError, sample

__all__ = ["file_hash", "read_atomic", "read_header", "write_atomic"]

_BAD_NAME = re.compile(r'[\x00-\x1f\x7f:"\ufeff\ud800-\udfff]|^\s|\s$|^$')


def write_atomic(path: str | os.PathLike[str], frame: pd.DataFrame, types: Mapping[str, str] | None = None) -> None:
    r"""Writes a table as an atomic file, whole or not at all.

    Args:
        path: Where to; the folder is created, an existing file replaced in one step.
        frame: The table; its index is not written. Missing values become empty cells. Cells of a `*_seq` column are
            lists, tuples or arrays, or strings already joined by blanks.
        types: RecBole type by column, over those of `columns.TYPES`.

    Raises:
        DataError: A column has no type, an unknown one or a name that occurs twice, or holds what the file could not
            give back (see `checks`). Nothing is written then.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> path = Path(folder.name) / "toy.item"
        >>> write_atomic(path, pd.DataFrame({"item_id": ["1"], "category": [["a", "b"]]}))
        >>> path.read_text()
        'item_id:token\tcategory:token_seq\n1\ta b\n'
    """
    target = Path(path)
    kinds = _column_types(target, frame, {**columns.TYPES, **(types or {})})
    for name, kind in kinds.items():
        check_column(name, frame[name], kind, f"{target}: column {name!r}")
    if len(kinds) == 1:
        _refuse_blank_lines(target, frame, kinds)
    with replacing(target) as partial, partial.open("x", encoding="utf-8", newline="") as handle:
        handle.write("\t".join(f"{name}:{kind}" for name, kind in kinds.items()) + "\n")
        for start in range(0, len(frame), CHUNK):
            part = frame.iloc[start : start + CHUNK]
            rows = zip(*(encode(part[name], kind) for name, kind in kinds.items()), strict=True)
            handle.write("\n".join(map("\t".join, rows)) + "\n")


def read_atomic(path: str | os.PathLike[str], columns: Sequence[str] | None = None) -> pd.DataFrame:
    r"""Reads an atomic file, ours or RecBole's.

    Args:
        path: The file.
        columns: The columns wanted, in the order wanted; all by default.

    Returns:
        One row a line. Columns of type `token` are strings, where an empty cell is `""` and words such as `NA` stay as
        they are; `float` columns are float64, where an empty cell is NaN; `token_seq` and `float_seq` columns are
        strings of parts joined by blanks.

    Raises:
        DataError: The file is missing, empty, not UTF-8 or without a typed header, lacks a column, or has a line that
            does not fit its header.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> path = Path(folder.name) / "toy.user"
        >>> _ = path.write_text("user_id:token\tcountry:token\nu1\tNA\n")
        >>> read_atomic(path).values.tolist()
        [['u1', 'NA']]
    """
    header = read_header(path)
    names = list(header) if columns is None else list(columns)
    require_columns(header, names, str(path))
    try:
        return _read(Path(path), header, names)
    except UnicodeDecodeError as error:
        raise _not_utf8(Path(path)) from error


def read_header(path: str | os.PathLike[str]) -> dict[str, str]:
    """Returns the type of each column of an atomic file, in the file's order.

    Raises:
        DataError: The file is missing, empty or not UTF-8, or its first line does not type the columns.
    """
    file = existing_file(path)
    try:
        with file.open(encoding="utf-8") as handle:
            first = handle.readline().rstrip("\n")
    except UnicodeDecodeError as error:
        raise _not_utf8(file) from error
    if not first:
        raise DataError(f"{file} is empty: its first line must name and type the columns, as in item_id:token.")
    if first.startswith("\ufeff"):
        raise DataError(f"{file} begins with a byte-order mark, which RecBole takes for text: save it as plain UTF-8.")
    fields = [field.split(":") for field in first.split("\t")]
    if untyped := [":".join(field) for field in fields if len(field) != 2]:
        raise DataError(
            f"{file}: the first line does not type {sample(untyped)}. Each column is written name:type, tabs between, "
            f"with a type of {sample(columns.COLUMN_TYPES)}."
        )
    return _checked_types(file, [name for name, _ in fields], dict(fields))


def _read(path: Path, header: Mapping[str, str], names: Sequence[str]) -> pd.DataFrame:
    if not is_plain(path, len(header)):
        return read_any(path, header, names)
    try:
        return read_plain(path, header, names)
    except UnicodeDecodeError:
        raise
    except ValueError:
        return read_any(path, header, names)  # a cell is not a number: this reader says which


def _column_types(path: Path, frame: pd.DataFrame, types: Mapping[str, str]) -> dict[str, str]:
    names = list(frame.columns)
    if not names:
        raise DataError(f"{path}: the table has no columns, so there is nothing to write.")
    if bad := [name for name in names if not isinstance(name, str) or _BAD_NAME.search(name)]:
        raise DataError(f"{path}: the column names {sample(bad)} do not fit a header. Use plain words without colons.")
    if untyped := [name for name in names if name not in types]:
        hint = did_you_mean(untyped[0], types)
        raise DataError(f"{path}: no type is known for column {sample(untyped)}. Pass types={{name: type}}.{hint}")
    return _checked_types(path, names, types)


def _checked_types(path: Path, names: Sequence[str], types: Mapping[str, str]) -> dict[str, str]:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"{path}: the columns {sample(twice)} occur more than once. Rename or drop one of each.")
    for name in names:
        if types[name] not in columns.COLUMN_TYPES:
            raise DataError(
                f"{path}: column {name!r} has the unknown type {types[name]!r}; the types are "
                f"{sample(columns.COLUMN_TYPES)}.{did_you_mean(types[name], columns.COLUMN_TYPES)}"
            )
    return {name: types[name] for name in names}


def _refuse_blank_lines(path: Path, frame: pd.DataFrame, kinds: Mapping[str, str]) -> None:
    for name, kind in kinds.items():
        if count := sum(not cell.strip() for cell in text_cells(frame[name], kind)):
            raise DataError(
                f"{path}: {count} cells of its one column {name!r} are blank, and RecBole skips blank lines. "
                "Drop these rows or add a column."
            )


def _not_utf8(path: Path) -> DataError:
    with path.open("rb") as handle:
        for number, line in enumerate(handle, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return DataError(
                    f"{path}, line {number}: not UTF-8 (byte {error.start + 1} is {line[error.start]:#x}). "
                    "Convert the file, for instance with iconv -f latin1 -t utf-8."
                )
    return DataError(f"{path} is not UTF-8.")
