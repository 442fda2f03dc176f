"""The streaming writer writes what the reader reads, and what stock RecBole reads."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from recbole_xlrec.data.atomic import read_atomic, write_atomic
from recbole_xlrec.data.stream import AtomicStream
from recbole_xlrec.errors import DataError

#: Any text but NUL and half surrogates, which a text file cannot carry.
CELLS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
IDS = st.text(st.characters(categories=["L", "N", "S", "P"]), min_size=1, max_size=8)
TYPES = {"item_id": "token", "title": "token", "category": "token_seq", "price": "float"}
ROWS = st.lists(
    st.tuples(
        IDS, CELLS, st.lists(IDS, max_size=3).map(" ".join), st.none() | st.floats(-1e15, 1e15, allow_subnormal=False)
    ),
    min_size=1,
    max_size=12,
)


def stock_read(path: Path) -> pd.DataFrame:
    """Reads as RecBole's `Dataset._load_feat` does, words such as NA kept so that rows can be compared."""
    with path.open(encoding="utf-8") as handle:
        header = handle.readline().rstrip("\n").split("\t")
    names = [field.split(":")[0] for field in header]
    kinds = {name: float if field.endswith(":float") else str for name, field in zip(names, header, strict=True)}
    return pd.read_csv(
        path, delimiter="\t", usecols=names, dtype=kinds, names=names, header=0, engine="python", keep_default_na=False,
        na_values={name: [""] for name, kind in kinds.items() if kind is float},
    )  # fmt: skip


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
@example(rows=[("0", "", "", 2.172425466371994e-05)])
def test_whatever_is_streamed_is_read_back_by_us_and_by_stock_recbole(
    rows: list[tuple[str, str, str, float | None]], tmp_path: Path
) -> None:
    path = tmp_path / "t.item"
    path.unlink(missing_ok=True)
    frame = pl.DataFrame(
        rows, schema=dict.fromkeys(["item_id", "title", "category"], pl.String) | {"price": pl.Float64}, orient="row"
    )
    with AtomicStream(path, TYPES) as stream:
        for start in range(0, len(rows), 5):
            stream.write(frame.slice(start, 5))
    expected = [list(row[:3]) for row in rows]
    for found in (read_atomic(path), stock_read(path)):
        assert found[["item_id", "title", "category"]].to_numpy().tolist() == expected
        prices = np.array([row[3] for row in rows], dtype=float)
        np.testing.assert_allclose(found["price"], prices, rtol=1e-11)  # pandas counts leading zeros among its digits
    assert stream.rows == len(rows)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_both_writers_write_the_same_bytes(rows: list[tuple[str, str, str, float | None]], tmp_path: Path) -> None:
    whole = [(*row[:3], None if row[3] is None else float(round(row[3]))) for row in rows]
    write_atomic(tmp_path / "a.item", pd.DataFrame(whole, columns=list(TYPES)), TYPES)
    (tmp_path / "b.item").unlink(missing_ok=True)
    with AtomicStream(tmp_path / "b.item", TYPES) as stream:
        stream.write(
            pl.DataFrame(
                whole,
                schema=dict.fromkeys(["item_id", "title", "category"], pl.String) | {"price": pl.Float64},
                orient="row",
            )
        )
    assert (tmp_path / "b.item").read_bytes() == (tmp_path / "a.item").read_bytes()


def test_cells_that_hold_separators_are_quoted_as_csv_quotes(tmp_path: Path) -> None:
    cells = ["a\tb", 'say "x"', "two\nlines", "cr\rhere", "plain", ""]
    with AtomicStream(tmp_path / "t.item", {"item_id": "token", "title": "token"}) as stream:
        stream.write(pl.DataFrame({"item_id": [f"i{n}" for n in range(6)], "title": cells}))
    with (tmp_path / "t.item").open(encoding="utf-8", newline="") as handle:
        assert [row[1] for row in csv.reader(handle, delimiter="\t", strict=True)][1:] == cells


def test_an_unknown_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="unknown types 'text'"):
        AtomicStream(tmp_path / "t.item", {"item_id": "text"})
