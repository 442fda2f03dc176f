"""What an atomic file cannot carry: refused before anything is written.

RecBole reads with pandas' Python engine, which is `csv` underneath: it cannot take a cell of more than `CELL_LIMIT`
characters, and on Python 3.10 no NUL. Ids are held to more, because they meet again in other files and in reports.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd

from recbole_xlrec.data import columns
from recbole_xlrec.data.cells import LISTS, is_missing, text_cells
from recbole_xlrec.errors import DataError, sample

#: Longest cell that Python's `csv` module, and so RecBole, reads back by default.
CELL_LIMIT = 131_072
#: Rows handled at a time, so that the text of a large table is never in memory whole.
CHUNK = 1 << 17

_EXACT = 2**53
_NOT_CARRIED = re.compile("[\x00\ud800-\udfff]")
_BAD_ID = re.compile(r"[\x00-\x1f\x7f]|^\s|\s$")


def check_column(name: str, values: pd.Series, kind: str, where: str) -> None:
    """Refuses a column that the file could not give back as it was.

    Args:
        name: The column's name; those in `columns.ID_COLUMNS` have stricter rules.
        values: The column.
        kind: Its RecBole type.
        where: File and column for the error message.

    Raises:
        DataError: Says what is wrong, in how many cells, shows the first few, and says what to do.
    """
    for is_wrong, trouble in _VALUE_RULES[kind]:
        _refuse(where, trouble, [cell for part in chunks(values) for cell in _suspects(part, kind) if is_wrong(cell)])
    if kind == columns.TOKEN and name in columns.ID_COLUMNS:
        _check_ids(values, where)
    if kind != columns.FLOAT:
        _check_text(values, kind, where)


def chunks(values: pd.Series) -> Iterator[pd.Series]:
    """Yields a column piece by piece, `CHUNK` rows at a time."""
    return (values.iloc[start : start + CHUNK] for start in range(0, len(values), CHUNK))


def _suspects(values: pd.Series, kind: str) -> list[object]:
    """Returns the cells to look at one by one: none where the column as a whole is seen to be sound."""
    if kind == columns.FLOAT and (
        values.dtype.kind in "bf" or (values.dtype.kind == "i" and values.between(-_EXACT, _EXACT).all())
    ):
        return []
    cells = values.astype(object).to_numpy()
    sound = _SOUND.get(kind, ())
    return [] if pd.api.types.infer_dtype(cells, skipna=True) in sound else cells.tolist()


def _check_ids(values: pd.Series, where: str) -> None:
    codes, uniques = pd.factorize(values.astype(object), use_na_sentinel=False)
    cells = text_cells(pd.Series(uniques, dtype=object), columns.TOKEN)
    blank = np.array([not cell for cell in cells], dtype=bool)
    dirty = np.array([_BAD_ID.search(cell) is not None for cell in cells], dtype=bool)
    for wrong, trouble in ((blank, "are empty; every row needs one"), (dirty, _DIRTY)):
        if wrong.any():
            _refuse(where, trouble, [cells[code] for code in np.flatnonzero(wrong)], int(wrong[codes].sum()))


def _check_text(values: pd.Series, kind: str, where: str) -> None:
    unreadable: list[str] = []
    long: list[str] = []
    for part in chunks(values):
        cells = text_cells(part, kind)
        if _NOT_CARRIED.search("".join(cells)):
            unreadable += [cell for cell in cells if _NOT_CARRIED.search(cell)]
        if max(map(len, cells)) > CELL_LIMIT:
            long += [cell for cell in cells if len(cell) > CELL_LIMIT]
    _refuse(where, "hold a NUL character or half a surrogate pair, which no text file can carry; remove it", unreadable)
    _refuse(where, f"are longer than {CELL_LIMIT} characters, the most that RecBole reads; cut the text", long)


def _refuse(where: str, trouble: str, bad: Sequence[object], cells: int | None = None) -> None:
    if bad:
        shown = sample(f"{value[:40]}…" if isinstance(value, str) and len(value) > 40 else value for value in bad)
        raise DataError(f"{where}: {cells or len(bad)} of the cells {trouble}. Found {shown}")


def _not_token(cell: object) -> bool:
    return not (isinstance(cell, (str, int, np.integer)) or is_missing(cell))


def _not_number(cell: object) -> bool:
    return not (isinstance(cell, (int, float, np.integer, np.floating, np.bool_)) or is_missing(cell))


def _not_exact(cell: object) -> bool:
    return isinstance(cell, (int, np.integer)) and abs(int(cell)) > _EXACT


def _not_sequence(cell: object) -> bool:
    return not (isinstance(cell, (str, *LISTS)) or is_missing(cell))


def _not_token_list(cell: object) -> bool:
    return isinstance(cell, LISTS) and any(_not_token(part) or _token_is_lost(part) for part in cell)


def _token_is_lost(part: object) -> bool:
    return is_missing(part) or not str(part) or " " in str(part)


def _not_float_list(cell: object) -> bool:
    if isinstance(cell, LISTS):
        return any(_not_number(part) or is_missing(part) for part in cell)
    return isinstance(cell, str) and not all(_is_float(part) for part in cell.split(" ") if part)


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


_DIRTY = "hold a control character (tab, newline …) or begin or end with a blank; clean them, as they name things"

#: What `pandas.api.types.infer_dtype` calls columns that need no look at every cell.
_SOUND = {columns.TOKEN: ("string", "integer", "empty"), columns.TOKEN_SEQ: ("string", "empty")}

_SEQUENCE_RULE = (_not_sequence, "are neither a list nor a string of parts joined by blanks; make lists of them")
_VALUE_RULES: dict[str, tuple[tuple[Callable[[object], bool], str], ...]] = {
    columns.TOKEN: (
        (_not_token, "are neither text nor whole numbers; turn them into text first (floats with .astype('Int64'))"),
    ),
    columns.FLOAT: (
        (_not_number, "are not numbers; turn text into floats, and dates into seconds"),
        (_not_exact, "are beyond 2**53, where RecBole's 64-bit floats would round them; give times in seconds"),
    ),
    columns.TOKEN_SEQ: (
        _SEQUENCE_RULE,
        (_not_token_list, "list a part that is empty or holds a blank, which separates the parts; replace the blank"),
    ),
    columns.FLOAT_SEQ: (_SEQUENCE_RULE, (_not_float_list, "list a part that is not a number; correct it")),
}
