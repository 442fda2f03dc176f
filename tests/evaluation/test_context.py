"""The file of a context: back as it was, or refused with what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recbole_xlrec.errors import DataError
from recbole_xlrec.evaluation.context import Context, load_context, save_context


def test_a_context_comes_back_from_its_file_as_it_was(by_hand: Any, tmp_path: Path) -> None:
    save_context(by_hand.context, tmp_path / "context.npz")
    back = load_context(tmp_path / "context.npz")
    for name in Context._fields:
        np.testing.assert_array_equal(getattr(back, name), getattr(by_hand.context, name))
    assert back.history_lengths().tolist() == [2, 3, 0]
    assert [path.name for path in tmp_path.iterdir()] == ["context.npz"]


def test_a_run_without_one_is_to_be_made_again(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no .*context\.npz.* Make it again with rerun: True"):
        load_context(tmp_path / "context.npz")


def test_a_file_that_is_no_context_is_refused(by_hand: Any, tmp_path: Path) -> None:
    path = tmp_path / "context.npz"
    path.write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(DataError, match="cannot be read"):
        load_context(path)
    np.savez(path, item_ids=np.array(["a"]))
    with pytest.raises(DataError, match="lacks item_languages, item_counts"):
        load_context(path)
    np.savez(path, **{**by_hand.context._asdict(), "item_ids": np.array([{"code": 1}] * 4, dtype=object)})
    with pytest.raises(DataError, match="cannot be read"):
        load_context(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"item_counts": np.array([1])}, "do not fit each other"),
        ({"history_starts": np.array([], dtype=int)}, "do not fit each other"),
        ({"history_starts": np.array([0, 2, 4, 4])}, "do not divide the 5 history_items"),
        ({"history_starts": np.array([0, 4, 2, 5])}, "do not divide the 5 history_items"),
        ({"history_items": np.array([1, 0, 0, 2, 4])}, "hold 0 to 4, and there are 4 items"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    change: dict[str, np.ndarray], message: str, by_hand: Any, tmp_path: Path
) -> None:
    save_context(by_hand.context._replace(**change), tmp_path / "context.npz")
    with pytest.raises(DataError, match=message):
        load_context(tmp_path / "context.npz")
