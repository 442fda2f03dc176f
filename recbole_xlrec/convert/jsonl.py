"""One JSON object a line, parsed by polars; a block with a line that is no JSON is looked at line by line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import numpy as np
import polars as pl

from recbole_xlrec.convert.base import LINE, Batch
from recbole_xlrec.convert.lines import Block, set_aside, sound_blocks
from recbole_xlrec.convert.rejects import Rejects

Schema = Mapping[str, pl.DataType | type[pl.DataType]]


def read(blocks: Iterator[bytes], file: str, schema: Schema, rejects: Rejects) -> Iterator[Batch]:
    """Reads objects from blocks of whole lines; see `Reader.json_lines`."""
    for block in sound_blocks(blocks, file, rejects):
        rejects.seen(file, block.height)
        frame = _parsed(block, file, schema, rejects)
        if frame.height:
            yield Batch(file, frame)


def _parsed(block: Block, file: str, schema: Schema, rejects: Rejects) -> pl.DataFrame:
    if b"\n\n" not in block.data and not block.data.startswith(b"\n"):
        try:
            return _read(block, schema)
        except pl.exceptions.PolarsError:
            pass  # a line is no JSON object: found below
    bad = [place for place, line in enumerate(block.data[:-1].split(b"\n")) if not _is_object(line)]
    return _read(set_aside(block, np.array(bad, dtype=np.int64), file, "not a JSON object", rejects), schema)


def _read(block: Block, schema: Schema) -> pl.DataFrame:
    if not block.data:
        return pl.DataFrame(schema={LINE: pl.Int64, **schema})
    frame = pl.read_ndjson(block.data, schema=dict(schema), ignore_errors=True)
    return frame.with_columns(pl.Series(LINE, block.lines()))


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
