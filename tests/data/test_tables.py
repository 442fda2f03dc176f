from __future__ import annotations

import pandas as pd
import pytest

from recbole_xlrec.data.tables import duplicate_check, require_columns
from recbole_xlrec.errors import DataError


def test_rows_that_differ_in_the_key_pass() -> None:
    duplicate_check(pd.DataFrame({"item_id": ["a", "a"], "language": ["de", "ja"]}), ["item_id", "language"], "t")


def test_repeated_keys_are_counted_and_their_rows_named() -> None:
    frame = pd.DataFrame({"item_id": ["a", "b", "a", "a"], "language": ["de", "de", "de", "de"]}, index=[9, 9, 9, 9])
    with pytest.raises(DataError, match=r"toy\.text: 2 rows repeat .*\('a', 'de'\) \(rows 1, 3, 4\)"):
        duplicate_check(frame, ["item_id", "language"], "toy.text")


def test_only_the_first_few_of_many_repeated_keys_are_listed() -> None:
    frame = pd.DataFrame({"item_id": [str(row % 50) for row in range(100)]})
    with pytest.raises(DataError, match=r"50 rows repeat the item_id .*'2' \(rows 3, 53\), …\."):
        duplicate_check(frame, ["item_id"], "toy.item")


def test_a_missing_column_is_named_with_those_there_and_the_nearest() -> None:
    with pytest.raises(DataError, match=r"toy: no column 'item_id'\. It has 'itemid', 'x'\. Did you mean 'itemid'"):
        require_columns(pd.DataFrame(columns=["itemid", "x"]), ["item_id", "x"], "toy")
