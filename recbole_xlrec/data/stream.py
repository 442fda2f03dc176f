"""Writes an atomic file piece by piece, at the speed of polars, for tables larger than memory.

The same format as `atomic.write_atomic`; what it checks, the caller has already seen to.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import polars as pl

from recbole_xlrec.data import columns
from recbole_xlrec.errors import DataError, sample


class AtomicStream:
    r"""An atomic file that is being written.

    Args:
        path: The new file.
        types: RecBole type of each column, in the order of the file.

    Raises:
        DataError: A type is not one of RecBole's.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> path = Path(folder.name) / "toy.inter"
        >>> with AtomicStream(path, {"user_id": "token", "rating": "float"}) as stream:
        ...     stream.write(pl.DataFrame({"user_id": ["u1", "u2"], "rating": [5.0, 3.5]}))
        >>> path.read_text()
        'user_id:token\trating:float\nu1\t5\nu2\t3.5\n'
    """

    def __init__(self, path: Path, types: Mapping[str, str]) -> None:
        if unknown := [kind for kind in types.values() if kind not in columns.COLUMN_TYPES]:
            raise DataError(f"{path}: unknown types {sample(unknown)}; the types are {sample(columns.COLUMN_TYPES)}.")
        self.rows = 0
        self.types = dict(types)
        self._handle = path.open("xb")
        self._handle.write(("\t".join(f"{name}:{kind}" for name, kind in types.items()) + "\n").encode())

    def __enter__(self) -> AtomicStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._handle.close()

    def write(self, frame: pl.DataFrame) -> None:
        """Adds rows.

        Args:
            frame: Text columns for `token` and `token_seq` (parts joined by blanks), numbers for `float`; missing
                values become empty cells.
        """
        self.rows += frame.height
        cells = [_text(frame[name], kind) for name, kind in self.types.items()]
        pl.DataFrame(cells).write_csv(self._handle, separator="\t", include_header=False)


def _text(values: pl.Series, kind: str) -> pl.Series:
    if kind != columns.FLOAT:
        return values.set(values == "", None)
    if not values.dtype.is_float():
        return values
    numbers = values.fill_nan(None)
    if (numbers.is_null() | ((numbers == numbers.round()) & (numbers.abs() < 2**53))).all():
        return numbers.cast(pl.Int64)
    return numbers.cast(pl.String).str.strip_suffix(".0")
