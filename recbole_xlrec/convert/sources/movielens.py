"""MovieLens 100K, 1M, 10M and the `ml-latest` family, with release titles in other languages if the user has them.

`City of Lost Children, The (Cité des enfants perdus, La) (1995)` becomes `The City of Lost Children (La Cité des
enfants perdus)` of 1995. An original title in parentheses stays where it is: nothing says which language it is in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import polars as pl

from recbole_xlrec.convert.base import Batch, Source, Tables
from recbole_xlrec.convert.read import Reader
from recbole_xlrec.data import columns as c

_ARTICLES = "The|A|An|Le|La|Les|L'|Un|Une|Das|Der|Die|Ein|Eine|El|Los|Las|Una|Il|Lo|I|Gli|O|Os|Det|Den|En|De|Het"
#: Articles stand behind: at the end of the title before the parentheses, and at the end of what is in parentheses.
_ARTICLE = rf"^([^()]+), ({_ARTICLES})(\s*\(.*)?$"
_INNER_ARTICLE = rf"\(([^()]+), ({_ARTICLES})\)"
#: `(1995)`, `(2006–2007)`, `(2015-)`, and `(1995) (V)` of a film for video or television.
_YEAR = r"\((\d{4})(?:[-–]\s?(?:\d{4})?)?\)\s*(?:\((?:V|TV)\))?\s*$"
_GENRES_100K = (
    *(
        "unknown",
        "Action",
        "Adventure",
        "Animation",
        "Children's",
        "Comedy",
        "Crime",
        "Documentary",
        "Drama",
        "Fantasy",
    ),
    *("Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)


def read(reader: Reader) -> Tables:
    """Ratings, films with title, year and genres."""
    for layout in (_latest, _million, _hundred_thousand):
        batches = layout(reader)
        if batches is not None:
            ratings, films = batches
            return Tables(
                interactions=(batch.select(c.USER_ID, c.ITEM_ID, c.RATING, c.TIMESTAMP) for batch in ratings),
                items=_with_localized(reader, films),
                time="s",
            )
    raise reader.folder.missing(["ratings.csv", "ratings.dat", "u.data"])


class _Layout(NamedTuple):
    ratings: Iterable[Batch]
    films: Iterable[Batch]


def _latest(reader: Reader) -> _Layout | None:
    if not reader.folder.find("ratings.csv"):
        return None
    ratings = reader.delimited(
        reader.folder.one("ratings.csv"), ("userId", "movieId", "rating", "timestamp"), ",", True
    )
    films = reader.quoted(reader.folder.one("movies.csv"), ("movieId", "title", "genres"))
    renamed = {c.USER_ID: pl.col("userId"), c.ITEM_ID: pl.col("movieId")}
    return _Layout(
        (batch.select(c.RATING, c.TIMESTAMP, **renamed) for batch in ratings),
        (_film(batch, pl.col("movieId"), pl.col("title"), pl.col("genres").str.split("|")) for batch in films),
    )


def _million(reader: Reader) -> _Layout | None:
    """1M, in Latin-1, and 10M, in UTF-8; only 1M tells who the users are."""
    if not reader.folder.find("ratings.dat"):
        return None
    names = (c.USER_ID, c.ITEM_ID, c.RATING, c.TIMESTAMP)
    encoding = "latin-1" if reader.folder.find("users.dat") else "utf-8"
    films = reader.delimited(
        reader.folder.one("movies.dat"), (c.ITEM_ID, c.TITLE, "genres"), "::", False, encoding=encoding
    )
    return _Layout(
        reader.delimited(reader.folder.one("ratings.dat"), names, "::", False, encoding="latin-1"),
        (_film(batch, pl.col(c.ITEM_ID), pl.col(c.TITLE), pl.col("genres").str.split("|")) for batch in films),
    )


def _hundred_thousand(reader: Reader) -> _Layout | None:
    if not reader.folder.find("u.data"):
        return None
    names = (c.USER_ID, c.ITEM_ID, c.RATING, c.TIMESTAMP)
    flags = tuple(f"genre{place}" for place in range(len(_GENRES_100K)))
    films = reader.delimited(
        reader.folder.one("u.item"),
        (c.ITEM_ID, c.TITLE, "date", "video", "url", *flags),
        "|",
        False,
        encoding="latin-1",
    )
    named = [pl.when(pl.col(flag) == "1").then(pl.lit(name)) for flag, name in zip(flags, _GENRES_100K, strict=True)]
    return _Layout(
        reader.delimited(reader.folder.one("u.data"), names, "\t", False),
        (_film(batch, pl.col(c.ITEM_ID), pl.col(c.TITLE), pl.concat_list(named).list.drop_nulls()) for batch in films),
    )


def _film(batch: Batch, item: pl.Expr, title: pl.Expr, genres: pl.Expr) -> Batch:
    title = title.str.strip_chars()
    bare = title.str.replace(r"\s*" + _YEAR, "").str.replace(_ARTICLE, "${2} ${1}${3}")
    bare = bare.str.replace_all(_INNER_ARTICLE, "(${2} ${1})").str.replace_all(r"(^|\()L' ", "${1}L'")
    return batch.select(
        item_id=item,
        language=pl.lit("en"),
        release_year=title.str.extract(_YEAR),
        category=genres.list.eval(pl.element().filter(pl.element() != "(no genres listed)")),
        title=bare,
    )


def _with_localized(reader: Reader, films: Iterable[Batch]) -> Iterator[Batch]:
    yield from films
    path = reader.settings.get("titles")
    if path is None:
        return
    for batch in reader.own_table(path, (c.ITEM_ID, c.LANGUAGE, c.TITLE)):
        yield batch.select(c.ITEM_ID, c.LANGUAGE, c.TITLE)


SOURCE = Source(
    name="movielens",
    title="MovieLens 100K, 1M, ml-latest, ml-latest-small, 10M to 32M",
    read=read,
    url="https://grouplens.org/datasets/movielens/",
    licence="research and other non-commercial use; redistribution under the same terms only (see the README inside)",
    citation="F. M. Harper and J. A. Konstan. The MovieLens Datasets: History and Context. ACM TiiS 5(4), 2015.",
    size="100,000 to 33 million ratings; 5 to 900 MB",
    languages="en; others with --option titles=FILE",
    good_for="film ratings with exact times; with localized titles, one catalogue in several languages",
    layout="ratings.csv, movies.csv | ratings.dat, movies.dat | u.data, u.item (folder or zip)",
    options={"titles": "TSV or CSV with item_id, language, title: release titles in other languages"},
)
