"""The rows of an atomic file, read fast where the file is plain and with RecBole's own rules where it is not."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from recbole_xlrec.data import columns
from recbole_xlrec.errors import DataError, sample

#: What pandas, and so RecBole, reads as a missing number.
MISSING_NUMBERS = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
    *("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
)

_BLOCK = 1 << 24
_TAB, _NEWLINE = ord("\t"), ord("\n")


def is_plain(path: Path, fields: int) -> bool:
    """Tells whether every line simply holds `fields` cells between tabs.

    Such a file, without quotes, carriage returns, NUL or blank lines, means the same to every reader. One-column files
    never count, as blank lines are ambiguous there.
    """
    with path.open("rb") as handle:
        while block := handle.read(_BLOCK) + handle.readline():
            if any(mark in block for mark in (b'"', b"\r", b"\0")):
                return False
            text = np.frombuffer(block if block.endswith(b"\n") else block + b"\n", dtype=np.uint8)
            marks = text[(text == _TAB) | (text == _NEWLINE)]
            if (np.diff(np.flatnonzero(marks == _NEWLINE), prepend=-1) != fields).any():
                return False
    return fields > 1


def read_plain(path: Path, header: Mapping[str, str], names: Sequence[str]) -> pd.DataFrame:
    """Reads some columns of a plain file with pandas' C engine.

    Raises:
        ValueError: A cell of a float column is not a number.
    """
    floats = [name for name in names if header[name] == columns.FLOAT]
    return pd.read_csv(
        path,
        sep="\t",
        header=0,
        names=list(header),
        usecols=list(names),
        dtype={name: np.float64 if name in floats else str for name in names},
        engine="c",
        encoding="utf-8",
        quoting=csv.QUOTE_NONE,
        skip_blank_lines=False,
        keep_default_na=False,
        na_values={name: list(MISSING_NUMBERS) for name in floats},
        float_precision="round_trip",
    )[list(names)]


def read_any(path: Path, header: Mapping[str, str], names: Sequence[str]) -> pd.DataFrame:
    """Reads some columns of any atomic file as pandas' Python engine would: strict `csv`, blank lines left out.

    Raises:
        DataError: A line has too few or too many cells, a quote is not closed, or a number cannot be read.
    """
    places = [place for place, name in enumerate(header) if name in names]
    lines: list[int] = []
    kept: list[list[str]] = []
    for line, row in _rows(path):
        if len(row) < 2 and not "".join(row).strip():
            continue
        if len(row) != len(header):
            raise DataError(
                f"{path}, line {line}: {len(row)} cells where the header has {len(header)} ({sample(header)}). "
                "Cells are separated by tabs; quote a cell that holds one."
            )
        lines.append(line)
        kept.append([row[place] for place in places])
    there = [name for name in header if name in names]
    cells = dict(zip(there, map(list, zip(*kept, strict=True)), strict=True)) if kept else {name: [] for name in there}
    return pd.DataFrame(
        {name: _column(path, name, header[name], cells[name], lines) for name in names}, columns=list(names)
    )


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yields each row below the header with the number of the line on which it begins."""
    with path.open(encoding="utf-8", newline="") as handle:
        reader = csv.reader(handle, delimiter="\t", strict=True)
        line = 1
        try:
            for row in reader:
                if any("\0" in cell for cell in row):
                    raise csv.Error("line contains NUL")
                if line > 1:
                    yield line, row
                line = reader.line_num + 1
        except csv.Error as error:
            raise DataError(
                f"{path}, line {line}: {error}. A cell that begins with a quote must be quoted whole, and the quotes "
                "in it doubled, as the csv module does; RecBole cannot read this line either."
            ) from error


def _column(path: Path, name: str, kind: str, cells: list[str], lines: Sequence[int]) -> pd.Series:
    values = pd.Series(cells, dtype=object)
    if kind != columns.FLOAT:
        return values
    missing = values.isin(MISSING_NUMBERS)
    wrong = (pd.to_numeric(values, errors="coerce").isna() & ~missing).to_numpy()
    if wrong.any():
        places = np.flatnonzero(wrong)
        raise DataError(
            f"{path}: {len(places)} of the cells in column {name!r} are not numbers: {sample(values[wrong])}, "
            f"in lines {', '.join(str(lines[place]) for place in places[:5])}. Correct them, or type it {name}:token."
        )
    return values.mask(missing, "nan").astype(np.float64)
