"""Tables whose cells are never quoted, at the speed of polars, with every misshapen line found.

polars fills or cuts lines that have too few or too many cells. So the separators of a block are counted first; only a
block whose counts do not add up is looked at line by line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from recbole_xlrec.convert.base import LINE, Batch
from recbole_xlrec.convert.lines import Block, set_aside, sound_blocks
from recbole_xlrec.convert.rejects import Rejects
from recbole_xlrec.data.hints import did_you_mean
from recbole_xlrec.errors import DataError, sample

#: Stands for a separator of two characters, which polars does not read.
_UNIT = b"\x1f"


class Form(NamedTuple):
    """The shape of a table: the columns wanted, the separator, whether it has a header, how many columns it has."""

    names: tuple[str, ...]
    separator: str
    header: bool
    width: int


def read(blocks: Iterator[bytes], file: str, form: Form, rejects: Rejects) -> Iterator[Batch]:
    """Reads a table from blocks of whole lines; see `Reader.delimited`."""
    names: Sequence[str] = [*form.names, *(f"__{place}" for place in range(len(form.names), form.width))]
    separator = form.separator.encode()
    for block in sound_blocks(blocks, file, rejects):
        rejects.seen(file, block.height)
        if form.header and block.first == 1:
            line, _, rest = block.data.partition(b"\n")
            names = header_names(line.decode(), form.names, form.separator, file)
            block = Block(rest, 2, block.height - 1, None if block.numbers is None else block.numbers[1:])
        if len(separator) > 1:
            block = block._replace(data=block.data.replace(separator, _UNIT))
        frame = _parsed(block, names, separator if len(separator) == 1 else _UNIT, file, rejects)
        if frame.height:
            yield Batch(file, frame.select(LINE, *form.names))


def header_names(line: str, wanted: Sequence[str], separator: str, file: str) -> list[str]:
    """Returns the columns that a header names.

    Raises:
        DataError: One that is wanted is not among them: a wrong separator, no header, or another file.
    """
    names = [cell.strip().strip('"') for cell in line.split(separator)]
    missing = [name for name in wanted if name not in names]
    if missing:
        hint = did_you_mean(missing[0], names)
        raise DataError(
            f"{file}: the first line must name the columns {sample(wanted, 20)}, {separator!r} between them. It is "
            f"{line[:120]!r}: {sample(missing, 20)} not found.{hint} Is it another file, or is the header line missing?"
        )
    return names


def _parsed(block: Block, names: Sequence[str], separator: bytes, file: str, rejects: Rejects) -> pl.DataFrame:
    if block.data.count(separator) == (len(names) - 1) * block.height:
        frame = _read_csv(block, names, separator)
        if not frame[names[-1]].null_count() and frame.height == block.height:
            return frame  # no line lacks a cell, so that none has one too many
    wrong = _misshapen(block, len(names), separator)
    if not len(wrong):
        return _read_csv(block, names, separator)
    return _read_csv(set_aside(block, wrong, file, f"not {len(names)} cells", rejects, _shown), names, separator)


def _shown(line: str) -> str:
    """A line as people can read it."""
    return line.replace(_UNIT.decode(), "::").replace("\x01", "\t")


def _read_csv(block: Block, names: Sequence[str], separator: bytes) -> pl.DataFrame:
    if not block.data:
        return pl.DataFrame(schema={LINE: pl.Int64, **dict.fromkeys(names, pl.String)})
    frame = pl.read_csv(
        block.data,
        has_header=False,
        separator=separator.decode(),
        quote_char=None,
        schema=dict.fromkeys(names, pl.String),
        truncate_ragged_lines=True,
    )
    return frame.with_columns(pl.Series(LINE, block.lines()))


def _misshapen(block: Block, width: int, separator: bytes) -> np.ndarray:
    """The places of lines that do not hold `width` cells; blank lines among them."""
    text = np.frombuffer(block.data, dtype=np.uint8)
    marks = text[(text == separator[0]) | (text == ord("\n"))]
    ends = np.flatnonzero(marks == ord("\n"))
    starts = np.flatnonzero(text == ord("\n"))
    blank = np.diff(starts, prepend=-1) == 1
    return np.flatnonzero((np.diff(ends, prepend=-1) != width) | blank)
