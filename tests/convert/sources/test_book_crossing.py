"""Book-Crossing: the language of an ISBN, kinds of feedback, quotes that are never closed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recbole_xlrec.convert.pipeline import Converted
from recbole_xlrec.convert.sources.book_crossing import GROUPS, isbn_language
from recbole_xlrec.data.languages import normalise_language
from recbole_xlrec.errors import ConfigError, DataError

Convert = Callable[..., Converted]
RAW = Path(__file__).parents[2] / "data" / "raw" / "book-crossing"


@pytest.mark.parametrize(
    ("isbn", "language"),
    [
        ("0195153448", "en"),
        ("1400031354", "en"),
        ("2226249672", "fr"),
        ("3-257-22428-1", "de"),
        ("034545104x", "en"),
        ("978 88 06 13487 7", "it"),
        ("9510000001", "fi"),
        ("9720000001", "pt"),
        ("9500000001", "es"),
        ("9791032700001", "fr"),
        ("9798650000001", None),
        ("8120000001", None),
        ("9999999999", None),
        ("B0000CDVXV", None),
        ("01951534", None),
        ("97801951534489", None),
        ("X195153448", None),
        ("", None),
    ],
)
def test_the_registration_group_of_an_isbn_tells_its_language(isbn: str, language: str | None) -> None:
    assert pl.DataFrame({"i": [isbn]}).select(isbn_language(pl.col("i"))).item() == language


def test_no_group_begins_with_another_one_and_all_languages_are_in_standard_form() -> None:
    groups = [group for listed in GROUPS.values() for group in listed.split()]
    assert len(set(groups)) == len(groups)
    assert not [(a, b) for a in groups for b in groups if a != b and b.startswith(a)]
    assert [normalise_language(tag) for tag in GROUPS] == list(GROUPS)


def test_explicit_and_implicit_feedback_are_told_apart(convert: Convert, tables: Any) -> None:
    ratings = {}
    for kind in ("all", "explicit", "implicit"):
        found = convert("book-crossing", RAW, replace=True, max_rejected=1, settings={"feedback": kind})
        ratings[kind] = tables(found)["inter"]["rating"].tolist()
    assert ratings["all"].count(0) == 2
    assert ratings["implicit"] == [0, 0]
    assert sorted(ratings["explicit"] + ratings["implicit"]) == sorted(ratings["all"])


def test_a_rating_of_zero_is_positive_feedback_whatever_the_least_rating(convert: Convert, tables: Any) -> None:
    found = convert("book-crossing", RAW, max_rejected=1, min_rating=9)
    assert sorted(tables(found)["inter"]["rating"].tolist()) == [0, 0, 9, 10, 10]


def test_an_unknown_kind_of_feedback_is_refused(convert: Convert) -> None:
    with pytest.raises(ConfigError, match=r"feedback=explicitt: choose one of all, explicit, implicit.*'explicit'"):
        convert("book-crossing", RAW, settings={"feedback": "explicitt"})


def test_a_quote_that_is_never_closed_costs_one_row(convert: Convert, tables: Any, tmp_path: Path) -> None:
    raw = shutil.copytree(RAW, tmp_path / "raw")
    path = raw / "BX-Book-Ratings.csv"
    path.write_text(path.read_text("latin-1").replace('"3257224281";"7"', '"3257224281;"7'), "latin-1")
    whole = tables(convert("book-crossing", RAW, max_rejected=1))["inter"]
    assert len(tables(convert("book-crossing", raw, replace=True, max_rejected=1))["inter"]) == len(whole) - 1


def test_a_missing_file_is_named(convert: Convert, tmp_path: Path) -> None:
    shutil.copy(RAW / "BX-Books.csv", tmp_path)
    with pytest.raises(
        DataError, match=r"holds no BX-Book-Ratings\.csv or BX_Book-Ratings\.csv; it holds 'BX-Books\.csv'"
    ):
        convert("book-crossing", tmp_path)
