"""MovieLens: the three layouts, titles put right, titles in other languages."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

from recbole_xlrec.convert.base import LINE, Batch
from recbole_xlrec.convert.pipeline import Converted
from recbole_xlrec.convert.sources.movielens import _film
from recbole_xlrec.errors import DataError

Convert = Callable[..., Converted]
RAW = Path(__file__).parents[2] / "data" / "raw"


@pytest.mark.parametrize(
    ("raw", "title", "year"),
    [
        ("American President, The (1995)", "The American President", "1995"),
        (
            "City of Lost Children, The (Cité des enfants perdus, La) (1995)",
            "The City of Lost Children (La Cité des enfants perdus)",
            "1995",
        ),
        ("Boot, Das (Boat, The) (1981)", "Das Boot (The Boat)", "1981"),
        (
            "Good, the Bad and the Ugly, The (Buono, il brutto, il cattivo, Il) (1966)",
            "The Good, the Bad and the Ugly (Il Buono, il brutto, il cattivo)",
            "1966",
        ),
        (
            "Legend of 1900, The (a.k.a. The Pianist) (Leggenda del pianista, La) (1998)",
            "The Legend of 1900 (a.k.a. The Pianist) (La Leggenda del pianista)",
            "1998",
        ),
        ("Adventure, The (Avventura, L') (1960)", "The Adventure (L'Avventura)", "1960"),
        ("Appartement, L' (1996) ", "L'Appartement", "1996"),
        ("Death Note: Desu nôto (2006–2007)", "Death Note: Desu nôto", "2006"),
        ("Land Before Time III (1995) (V)", "Land Before Time III", "1995"),
        ("2001: A Space Odyssey (1968)", "2001: A Space Odyssey", "1968"),
        ("1984 (2000) (1956)", "1984 (2000)", "1956"),
        ("Play It Again, Sam (1972)", "Play It Again, Sam", "1972"),
        ("Babylon 5", "Babylon 5", None),
    ],
)
def test_articles_go_to_the_front_and_the_year_out(raw: str, title: str, year: str | None) -> None:
    batch = Batch("movies.csv", pl.DataFrame({LINE: [1], "t": [raw], "g": [["Drama"]]}))
    film = _film(batch, pl.col(LINE), pl.col("t"), pl.col("g")).frame
    assert film.select("title", "release_year").row(0) == (title, year)


def test_a_folder_of_something_else_is_refused(convert: Convert, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "rating.csv").write_text("x\n")
    with pytest.raises(DataError, match=r"ratings\.csv or ratings\.dat or u\.data.*Did you mean 'rating\.csv'"):
        convert("movielens", tmp_path / "raw")


def test_films_of_10m_are_utf_8_and_those_of_1m_latin_1(convert: Convert, tmp_path: Path, tables: Any) -> None:
    for encoding, users in (("utf-8", False), ("latin-1", True)):
        raw = tmp_path / encoding
        raw.mkdir()
        (raw / "ratings.dat").write_text("1::1::5::978300760\n")
        (raw / "movies.dat").write_bytes("1::Misérables, Les (1995)::Drama\n".encode(encoding))
        if users:
            (raw / "users.dat").write_text("1::F::1::10::48067\n")
        found = convert("movielens", raw, replace=True)
        assert tables(found)["text"]["title"].tolist() == ["Les Misérables"]
        assert found.meta["mended_texts"] == {}


def test_a_title_file_that_is_not_there_is_named(convert: Convert) -> None:
    with pytest.raises(DataError, match=r"no_such\.tsv does not exist"):
        convert("movielens", RAW / "movielens", max_rejected=1, settings={"titles": "no_such.tsv"})


def test_languages_leave_out_titles_and_films_of_others(convert: Convert, tables: Any) -> None:
    options = {"max_rejected": 1, "settings": {"titles": "titles.tsv"}}
    found = tables(convert("movielens", RAW / "movielens", languages=("en", "fr"), **options))
    assert found["text"].groupby("language").size().to_dict() == {"en": 4, "fr": 1}
    assert "00199" not in found["item"]["item_id"].tolist()  # of no language


@pytest.mark.data
def test_the_real_data(convert: Convert, real_data: Path, tables: Any, stock_dataset: Any) -> None:
    raw = real_data / "raw" / "movielens"
    converted = convert("movielens", raw)
    ratings = pd.read_csv(raw / "ratings.csv", dtype=str)
    counts = {
        "users": ratings["userId"].nunique(),
        "items": ratings["movieId"].nunique(),
        "interactions": len(ratings),
    }
    assert converted.meta["counts"] == counts
    assert converted.meta["languages"] == {"en": counts}
    assert converted.meta["rejected"] == {}

    found = tables(converted)
    written = found["inter"].astype(float).sort_values(["user_id", "item_id"]).to_numpy()
    expected = ratings.astype(float).sort_values(["userId", "movieId"]).to_numpy()
    assert (written == expected).all()
    with (raw / "movies.csv").open(encoding="utf-8", newline="") as handle:
        years = {row["movieId"]: re.findall(r"\((\d{4})", row["title"])[-1:] for row in csv.DictReader(handle)}
    for item, year in zip(found["item"]["item_id"], found["item"]["release_year"], strict=True):
        assert [year] == (years[item] or [""]), item

    dataset = stock_dataset(converted)
    assert dataset.user_num - 1 == counts["users"]
    assert dataset.item_num - 1 == counts["items"]
    assert dataset.inter_num == counts["interactions"]


@pytest.mark.parametrize(
    ("first", "rows"), [("user\titem\trating\ttimestamp\n", 4), ("", 4)], ids=["a header too many", "as it should be"]
)
def test_a_header_where_none_is_expected_is_one_counted_reject(
    first: str, rows: int, convert: Callable[..., Converted], tmp_path: Path
) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "u.data").write_text(first + "".join(f"{user}\t7\t4\t881250949\n" for user in range(1, rows + 1)))
    (raw / "u.item").write_text("7|Film (1995)|01-Jan-1995||url" + "|0" * 19 + "\n")
    done = convert("movielens", raw, max_rejected=0.3)
    assert done.meta["counts"]["interactions"] == rows
    assert done.meta["rejected"] == ({"no rating that is a number": 1} if first else {})
