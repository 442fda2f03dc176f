"""Sorting, duplicates and k-core in pieces give what the plain definitions give."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recbole_xlrec.convert import columnar, order
from recbole_xlrec.convert.columnar import Arrays, ColumnStore
from recbole_xlrec.convert.filters import Selection, core, counted, sampled

NAMES = ("user", "item", "time", "rating", "line")
ROWS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(0, 2), st.integers(1, 2)), min_size=1, max_size=40
)
FAST = settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columnar, "PIECE", 7)
    monkeypatch.setattr(order, "BUCKET", 5)


def _store(folder: Path, rows: list[tuple[int, ...]], names: tuple[str, ...] = NAMES) -> ColumnStore:
    store = ColumnStore(folder, names)
    store.clear()
    columns = dict(zip(names, np.array([(*row, n + 1) for n, row in enumerate(rows)]).T, strict=True))
    for start in range(0, len(rows), 3):
        store.append({name: values[start : start + 3] for name, values in columns.items()})
    return store


@FAST
@given(rows=ROWS)
def test_rows_come_by_user_and_time_and_of_equals_the_first_stays(rows: list[tuple[int, ...]], tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []

    def duplicates(gone: Arrays, first: np.ndarray) -> None:
        told.extend(zip(gone["line"].tolist(), first.tolist(), strict=True))

    for path in tmp_path.rglob("*.bin"):
        path.unlink()
    found = order.ordered(_store(tmp_path / "staged", rows), 5, tmp_path, duplicates).read()
    first: dict[tuple[int, ...], int] = {}
    expected_told = []
    for line, row in enumerate(rows, start=1):
        if row in first:
            expected_told.append((line, first[row]))
        first.setdefault(row, line)
    expected = sorted(first.items(), key=lambda entry: (entry[0][0], entry[0][2], entry[1]))
    assert found["line"].tolist() == [line for _, line in expected]
    assert list(zip(*(found[name].astype(int).tolist() for name in NAMES[:4]), strict=True)) == [
        row for row, _ in expected
    ]
    assert sorted(told) == expected_told


def test_without_times_the_order_of_the_file_stays(tmp_path: Path) -> None:
    rows = [(1, 3), (0, 1), (1, 2), (1, 3), (0, 0)]
    found = order.ordered(_store(tmp_path / "s", rows, ("user", "item", "line")), 2, tmp_path, lambda *_: None).read()
    assert list(zip(found["user"].tolist(), found["item"].tolist(), strict=True)) == [(0, 1), (0, 0), (1, 3), (1, 2)]


def _naive_core(rows: list[tuple[int, ...]], user_core: int, item_core: int) -> list[tuple[int, ...]]:
    while True:
        users, items = Counter(row[0] for row in rows), Counter(row[1] for row in rows)
        left = [row for row in rows if users[row[0]] >= user_core and items[row[1]] >= item_core]
        if len(left) == len(rows):
            return rows
        rows = left


@FAST
@given(rows=ROWS, user_core=st.integers(1, 4), item_core=st.integers(1, 4))
def test_the_core_is_the_largest_in_which_everybody_has_enough(
    rows: list[tuple[int, ...]], user_core: int, item_core: int, tmp_path: Path
) -> None:
    store = _store(tmp_path / "s", rows)
    everybody = Selection(np.ones(5, dtype=bool), np.ones(4, dtype=bool))
    selection = core(store, everybody, user_core, item_core)
    expected = _naive_core(rows, user_core, item_core)
    users, items = counted(store, selection)
    assert users.tolist() == [sum(row[0] == user for row in expected) for user in range(5)]
    assert items.tolist() == [sum(row[1] == item for row in expected) for item in range(4)]
    everything = store.read()
    assert int(selection.rows(everything).sum()) == len(expected)


def test_a_sample_is_of_those_who_stay_and_hangs_on_the_seed() -> None:
    selection = Selection(np.array([True, False] * 50), np.ones(3, dtype=bool))
    first, again, other = (sampled(selection, 10, seed).users for seed in (1, 1, 2))
    assert first.sum() == 10
    assert not (first & ~selection.users).any()
    assert (first == again).all()
    assert (first != other).any()
    assert sampled(selection, 99, 1).users.tolist() == selection.users.tolist()
