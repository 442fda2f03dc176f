from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbole_xlrec.data.text_table import primary_texts, read_text_table
from recbole_xlrec.errors import DataError


def write(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(["item_id:token\tlanguage:token\ttitle:token", *rows]) + "\n", encoding="utf-8")
    return path


def test_a_text_table_comes_in_file_order_with_standard_languages(tmp_path: Path) -> None:
    table = read_text_table(write(tmp_path / "toy.text", "2\tDE\tHund", "1\tjpn\t犬", "2\tpt_br\t"))
    assert table.values.tolist() == [["2", "de", "Hund"], ["1", "ja", "犬"], ["2", "pt-BR", ""]]


@pytest.mark.parametrize(
    "rows, told",
    [
        (["1\tde\tx", "\tde\tx"], r"1 rows have no item_id \(row 2, counted"),
        (["1\t\tx"] * 7, r"7 rows have no language \(row 1, 2, 3, 4, 5, …, counted"),
        (["1\tgermanish\tx"], "column 'language': 1 of 1 rows hold no usable language tag: 'germanish'"),
        (["1\tde\tx", "1\tja\tx", "1\tDE\ty"], r"1 row repeats .*\('1', 'de'\) \(rows 1, 3\)"),
    ],
)
def test_unsound_text_tables_are_refused_by_row(tmp_path: Path, rows: list[str], told: str) -> None:
    with pytest.raises(DataError, match=told) as error:
        read_text_table(write(tmp_path / "toy.text", *rows))
    assert "toy.text" in str(error.value)


def test_a_text_table_without_a_language_column_is_refused(tmp_path: Path) -> None:
    (tmp_path / "toy.text").write_text("item_id:token\ttitle:token\n1\tx\n")
    with pytest.raises(DataError, match=r"toy\.text: no column 'language'"):
        read_text_table(tmp_path / "toy.text")


TABLE = pd.DataFrame(
    [["b", "de", "Hund"], ["a", "en", "cat"], ["b", "ja", "犬"], ["a", "ja", "猫"], ["c", "fr", "ours"]],
    columns=["item_id", "language", "title"],
    index=[7, 7, 7, 7, 7],
)


def test_without_items_each_item_has_its_first_row() -> None:
    assert primary_texts(TABLE).values.tolist() == [["b", "de", "Hund"], ["a", "en", "cat"], ["c", "fr", "ours"]]


def test_an_items_own_language_goes_first_whatever_its_spelling() -> None:
    items = pd.DataFrame({"item_id": ["z", "c", "b", "a"], "language": ["de", "en", "jpn", "en"]}, index=[3, 3, 3, 3])
    found = primary_texts(TABLE, items)
    assert found["title"].tolist() == ["犬", "cat", "ours"]
    assert found.index.tolist() == [0, 1, 2]


def test_items_with_two_rows_or_without_a_language_column_are_refused() -> None:
    with pytest.raises(DataError, match="item table: 1 row repeats the item_id"):
        primary_texts(TABLE, pd.DataFrame({"item_id": ["a", "a"], "language": ["de", "ja"]}))
    with pytest.raises(DataError, match="item table: no column 'language'"):
        primary_texts(TABLE, pd.DataFrame({"item_id": ["a"]}))


PAIRS = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["de", "ja", "en"])), unique=True)


@given(PAIRS, st.dictionaries(st.sampled_from("abcdz"), st.sampled_from(["de", "ja", "en"])))
def test_there_is_exactly_one_row_per_item_and_it_is_the_right_one(
    pairs: list[tuple[str, str]], own: dict[str, str]
) -> None:
    table = pd.DataFrame(pairs, columns=["item_id", "language"], dtype=object)
    items = pd.DataFrame(list(own.items()), columns=["item_id", "language"], dtype=object)
    expected = {}
    for item, language in pairs:
        if item not in expected or own.get(item) == language:
            expected[item] = language
    assert primary_texts(table, items).values.tolist() == [list(pair) for pair in expected.items()]
