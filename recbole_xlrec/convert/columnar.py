"""Columns of numbers on disk, written and read in pieces, so that rows never fill the memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray]

#: Rows of a piece.
PIECE = 1 << 20

#: The columns of staged interactions: codes of user, item, language (0: none) and split, and where the row stood.
KINDS: Mapping[str, str] = {
    "user": "u4",
    "item": "u4",
    "time": "f8",
    "rating": "f8",
    "label": "u1",
    "language": "u1",
    "split": "u1",
    "file": "u2",
    "line": "u4",
}


class ColumnStore:
    """A table of numbers, one file a column.

    Args:
        folder: Where the files go; made if it is not there.
        names: The columns, of `KINDS`.
    """

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.names = tuple(names)
        self.rows = 0
        self._files = {name: folder / f"{name}.bin" for name in names}
        for path in self._files.values():
            path.touch()

    def append(self, arrays: Mapping[str, NDArray]) -> None:
        """Adds rows; every column must be there."""
        for name, path in self._files.items():
            with path.open("ab") as handle:
                handle.write(np.ascontiguousarray(arrays[name], dtype=KINDS[name]).data)
        self.rows += len(arrays[self.names[0]])

    def read(self, names: Sequence[str] | None = None) -> Arrays:
        """Returns whole columns."""
        return {name: np.fromfile(self._files[name], dtype=KINDS[name]) for name in names or self.names}

    def pieces(self, names: Sequence[str] | None = None) -> Iterator[Arrays]:
        """Yields columns in pieces of `PIECE` rows."""
        wanted = names or self.names
        for start in range(0, self.rows, PIECE):
            yield {name: self._piece(name, start) for name in wanted}

    def clear(self) -> None:
        """Removes the files."""
        for path in self._files.values():
            path.unlink(missing_ok=True)

    def _piece(self, name: str, start: int) -> NDArray:
        kind = np.dtype(KINDS[name])
        return np.fromfile(self._files[name], dtype=kind, count=PIECE, offset=start * kind.itemsize)
