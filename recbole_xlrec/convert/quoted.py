"""Tables whose cells may be quoted, read by Python's `csv`, with a guard against quotes that are never closed.

A lone quote makes `csv` swallow the lines below it. A row of the wrong width that spans several lines is therefore
taken back: only its first line is set aside, and reading goes on at the next.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from recbole_xlrec.convert.base import LINE, Batch
from recbole_xlrec.convert.delimited import header_names
from recbole_xlrec.convert.lines import sound_blocks
from recbole_xlrec.convert.rejects import Rejects

_ROWS = 50_000
_LONGEST = 500  # lines of one row


class _Lines:
    """Lines that can be taken back."""

    def __init__(self, blocks: Iterator[bytes], file: str, rejects: Rejects) -> None:
        self._source = self._numbered(blocks, file, rejects)
        self._back: list[tuple[int, str]] = []
        self.row: list[tuple[int, str]] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if len(self.row) >= _LONGEST:
            raise csv.Error("quote not closed")
        line = self._back.pop() if self._back else next(self._source)
        self.row.append(line)
        return line[1]

    def take_back(self) -> tuple[int, str]:
        """Makes all lines of the current row but the first be read again, and returns the first."""
        self._back += reversed(self.row[1:])
        first = self.row[0]
        self.row = []
        return first

    @staticmethod
    def _numbered(blocks: Iterator[bytes], file: str, rejects: Rejects) -> Iterator[tuple[int, str]]:
        for block in sound_blocks(blocks, file, rejects):
            rejects.seen(file, block.height)
            lines = block.data.decode("utf-8")[:-1].split("\n")
            yield from zip(block.lines().tolist(), [f"{line}\n" for line in lines], strict=True)


def read(
    blocks: Iterator[bytes],
    file: str,
    wanted: Sequence[str],
    separator: str,
    escape: str | None,
    rejects: Rejects,
) -> Iterator[Batch]:
    """Reads a quoted table from blocks of whole lines; see `Reader.quoted`."""
    lines = _Lines(blocks, file, rejects)
    names = header_names(next(lines).rstrip("\n"), wanted, separator, file)
    places = [names.index(name) for name in wanted]
    lines.row = []
    form = {"delimiter": separator, "escapechar": escape}
    rows = _rows(lines, len(names), form, file, rejects)
    while batch := [row for _, row in zip(range(_ROWS), rows, strict=False)]:
        numbers, cells = zip(*batch, strict=True)
        columns = list(zip(*cells, strict=True))
        data = {name: pl.Series(columns[place], dtype=pl.String) for name, place in zip(wanted, places, strict=True)}
        frame = pl.DataFrame({LINE: pl.Series(numbers, dtype=pl.Int64), **data})
        yield Batch(file, frame.with_columns(pl.when(pl.col(pl.String) != "").then(pl.col(pl.String)).name.keep()))


def _rows(
    lines: _Lines, width: int, form: Mapping[str, Any], file: str, rejects: Rejects
) -> Iterator[tuple[int, list[str]]]:
    """Yields the sound rows with the line on which each begins."""
    reader = csv.reader(lines, **form)
    while True:
        reason = f"not {width} cells"
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            row, reason = [], str(error)
            reader = csv.reader(lines, **form)
        if len(row) == width:
            yield lines.row[0][0], row
            lines.row = []
            continue
        spans = len(lines.row)
        number, text = lines.take_back()
        if spans > 1:
            reader = csv.reader(lines, **form)
        if text.strip():
            rejects.add(file, [number], reason, [text.rstrip("\n")])
