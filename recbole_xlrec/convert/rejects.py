"""Rows that are broken or incomplete: kept aside with their place and the reason, counted, and limited."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recbole_xlrec.convert.base import LINE, Batch
from recbole_xlrec.errors import DataError

_SHOWN = 400
_EARLY = 1000
_ESCAPES = str.maketrans({"\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0"})


class Rejects:
    """The file `<name>.rejected.tsv`: `file`, `line`, `reason`, `row`; made with its first row.

    Args:
        path: Where the file goes.
        limit: Largest share of a file's rows that may be rejected.
    """

    def __init__(self, path: Path, limit: float) -> None:
        self.path = path
        self.reasons: Counter[str] = Counter()
        self._limit = limit
        self._handle: IO[str] | None = None
        self._rows: Counter[str] = Counter()
        self._bad: Counter[str] = Counter()
        self._first: dict[str, str] = {}

    def add(self, file: str, lines: Sequence[int], reason: str, rows: Sequence[str]) -> None:
        """Writes rejected rows.

        Args:
            file: Name of the raw file.
            lines: Line on which each row begins, counted from 1.
            reason: What is wrong, the same for all.
            rows: What stands there.
        """
        if not len(lines):
            return
        self.reasons[reason] += len(lines)
        self._bad[file] += len(lines)
        self._first.setdefault(file, f"line {lines[0]}: {reason}: {rows[0][:120]!r}")
        for line, row in zip(lines, rows, strict=True):
            self._write(file, line, reason, row)

    def judge(self, batch: Batch, wrong: Mapping[str, NDArray[np.bool_]]) -> NDArray[np.bool_]:
        """Sets rows aside, each for the first thing that is wrong.

        Args:
            batch: The rows.
            wrong: For each reason, which rows have it.

        Returns:
            (rows,) which are set aside.
        """
        gone = np.zeros(batch.frame.height, dtype=bool)
        for reason, found in wrong.items():
            mask = found & ~gone
            if mask.any():
                rows = batch.frame.filter(pl.Series(mask))
                self.add(batch.file, rows[LINE].to_list(), reason, _row_texts(rows))
                gone |= mask
        return gone

    def duplicates(self, files: Sequence[str], lines: Sequence[int], first: Sequence[int], rows: Sequence[str]) -> None:
        """Writes rows that repeat an earlier one in everything; they do not count as broken.

        Args:
            files: Name of the raw file of each.
            lines: Line of each.
            first: Line of the row that each repeats.
            rows: What stands there.
        """
        for file, line, earlier, row in zip(files, lines, first, rows, strict=True):
            self._write(file, line, f"repeats line {earlier}", row)

    def seen(self, file: str, rows: int) -> None:
        """Counts rows that were read, and stops early where most of a file is broken.

        Raises:
            DataError: More than half of what has been read of this file was rejected.
        """
        self._rows[file] += rows
        if self._rows[file] >= _EARLY:
            self._check(file, max(0.5, self._limit))

    def finish(self) -> None:
        """Looks at the shares.

        Raises:
            DataError: Of some file, a larger share was rejected than the limit.
        """
        for file in self._bad:
            self._check(file, self._limit)

    def close(self) -> None:
        """Closes the file."""
        if self._handle is not None and not self._handle.closed:
            self._handle.flush()
            os.fsync(self._handle.fileno())
            self._handle.close()

    @property
    def total(self) -> int:
        """How many rows were rejected."""
        return sum(self.reasons.values())

    def _write(self, file: str, line: int, reason: str, row: str) -> None:
        if self._handle is None:
            self._handle = self.path.open("x", encoding="utf-8", newline="")
            self._handle.write("file\tline\treason\trow\n")
        self._handle.write(f"{file}\t{line}\t{reason}\t{row[:_SHOWN].translate(_ESCAPES)}\n")

    def _check(self, file: str, limit: float) -> None:
        bad, rows = self._bad[file], max(self._rows[file], self._bad[file])
        if bad > limit * rows:
            reasons = "; ".join(f"{count:,} × {reason}" for reason, count in self.reasons.most_common(3))
            raise DataError(
                f"{file}: {bad:,} of {rows:,} rows are broken or incomplete ({reasons}). First, {self._first[file]}. "
                "Is it the right file, with the right separator and --encoding? Nothing was written. "
                "--max-rejected 1 goes on all the same and keeps these rows in <name>.rejected.tsv."
            )


def _row_texts(rows: pl.DataFrame) -> list[str]:
    """What stands in some rows, tabs between the cells, blanks between the parts of a list."""
    lists = {name for name, kind in rows.schema.items() if isinstance(kind, pl.List)}
    cells = [
        pl.col(name).cast(pl.List(pl.String)).list.join(" ") if name in lists else pl.col(name).cast(pl.String)
        for name in rows.columns
        if name != LINE
    ]
    joined = pl.concat_str([cell.fill_null("") for cell in cells], separator="\t")
    return rows.select(joined).to_series().to_list()


class Deaf(Rejects):
    """Takes no notice: for rows that are read once more."""

    def __init__(self) -> None:
        super().__init__(Path(), 1.0)

    def add(self, file: str, lines: Sequence[int], reason: str, rows: Sequence[str]) -> None:
        """Does nothing."""

    def seen(self, file: str, rows: int) -> None:
        """Does nothing."""
