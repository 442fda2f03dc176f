"""How the values of a table stand in the cells of an atomic file.

A cell is quoted as the standard `csv` module would quote it; carriage returns are quoted too, which `csv` itself does
not do before Python 3.13. `checks` has refused beforehand what cannot be written.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pandas as pd

from recbole_xlrec.data import columns

_NEEDS_QUOTES = re.compile('[\t"\r\n]')
LISTS = (list, tuple, np.ndarray)


def encode(values: pd.Series, kind: str) -> list[str]:
    """Returns the cells of a checked column as they stand in the file, quoted where needed.

    Args:
        values: The column; missing values become empty cells.
        kind: Its RecBole type, one of `columns.COLUMN_TYPES`.

    Example:
        >>> encode(pd.Series(["a", 'a "b" c', None]), "token")
        ['a', '"a ""b"" c"', '']
        >>> encode(pd.Series([5.0, 0.1, float("nan")]), "float")
        ['5', '0.1', '']
    """
    cells = text_cells(values, kind)
    if not _NEEDS_QUOTES.search("".join(cells)):
        return cells
    return ['"' + cell.replace('"', '""') + '"' if _NEEDS_QUOTES.search(cell) else cell for cell in cells]


def text_cells(values: pd.Series, kind: str) -> list[str]:
    """Returns the cells of a column before quoting."""
    if kind == columns.FLOAT and _all_whole(values):
        return list(map(str, values.to_numpy().astype(np.int64).tolist()))
    cells = values.astype(object).to_numpy()
    if kind == columns.TOKEN and pd.api.types.infer_dtype(cells, skipna=False) == "string":
        return cells.tolist()
    return list(map(_WRITERS[kind], cells.tolist()))


def is_missing(value: object) -> bool:
    """Tells whether a cell holds None, NaN, NaT or NA; lists never count as missing."""
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value)


def _all_whole(values: pd.Series) -> bool:
    """Tells whether a column holds whole numbers only, which are written several times faster: ratings, times."""
    if values.dtype.kind != "f":
        return values.dtype.kind == "i" and isinstance(values.dtype, np.dtype)
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    return bool(((np.abs(numbers) <= 2**53) & (numbers == np.floor(numbers)) & ~np.signbit(numbers)).all())


def _token(value: object) -> str:
    return "" if is_missing(value) else str(value)


def _number(value: object) -> str:
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if is_missing(value):
        return ""
    text = repr(float(value))  # type: ignore[arg-type]  # the shortest text that reads back as the same 64 bits
    return text[:-2] if text.endswith(".0") else text


def _token_sequence(value: object) -> str:
    return " ".join(map(_token, value)) if isinstance(value, LISTS) else _token(value)


def _float_sequence(value: object) -> str:
    return " ".join(map(_number, value)) if isinstance(value, LISTS) else _token(value)


_WRITERS: dict[str, Callable[[object], str]] = {
    columns.TOKEN: _token,
    columns.FLOAT: _number,
    columns.TOKEN_SEQ: _token_sequence,
    columns.FLOAT_SEQ: _float_sequence,
}
