r"""Book-Crossing: ratings of books by ISBN, whose registration group tells the language.

The files are Latin-1, cells quoted, a quote inside them written `\"`; some rows are broken.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from recbole_xlrec.convert.base import Batch, Source, Tables
from recbole_xlrec.convert.raw import RawFile
from recbole_xlrec.convert.read import Reader
from recbole_xlrec.data import columns as c

#: Registration groups of ISBN (International ISBN Agency, range message) by the usual language of their books. Left out
#: are groups of several languages: 81 and 93 India, 92 international, 955, 969, 971, 981, 982, 985 and others.
GROUPS = {
    **{"en": "0 1 976 978", "fr": "2", "de": "3", "ja": "4", "ru": "5", "zh": "7 957 962 986 988", "cs": "80"},
    **{"no": "82", "pl": "83", "es": "84 607 612 950 956 958 959 968 970 980 987", "pt": "65 85 972 989", "sr": "86"},
    **{"da": "87", "it": "88", "ko": "89", "nl": "90 94", "sv": "91", "fi": "951 952", "hr": "953", "bg": "619 954"},
    **{"el": "618 960", "sl": "961", "hu": "615 963", "fa": "600 622 964", "he": "965", "uk": "617 966"},
    **{"ms": "967 983", "ro": "606 973", "th": "611 616 974", "tr": "605 975", "ar": "603 977", "id": "602 623 979"},
    **{"vi": "604", "mk": "608", "lt": "609", "bn": "984"},
}
_LANGUAGE_OF_GROUP = {group: language for language, groups in GROUPS.items() for group in groups.split()}
_LANGUAGE_OF_979 = {"10": "fr", "11": "ko", "12": "it"}
_FEEDBACK = ("all", "explicit", "implicit")
_NOWHERE = ("", "n/a", "na", "null", "none", "unknown", "-")


def read(reader: Reader) -> Tables:
    """Ratings from 1 to 10, 0 for a book read but not rated; books and users."""
    feedback = reader.choice("feedback", _FEEDBACK, "all")
    ratings, books, users = (
        reader.folder.one(f"BX-{name}.csv", f"BX_{name}.csv") for name in ("Book-Ratings", "Books", "Users")
    )
    return Tables(
        interactions=_ratings(reader, ratings, feedback),
        items=_books(reader, books),
        users=_users(reader, users),
        features={"author": c.TOKEN, "publisher": c.TOKEN, "age": c.FLOAT},
        implicit_rating=0.0,
    )


def isbn_language(isbn: pl.Expr) -> pl.Expr:
    """The language of the registration group of an ISBN; null where it is none or its group has no one language.

    Only the shape is checked: many check digits of the dataset are wrong, with a sound group before them.
    """
    bare = isbn.str.replace_all(r"[\s-]", "").str.to_uppercase()
    tail = pl.coalesce(bare.str.extract(r"^978(\d{10})$"), bare.str.extract(r"^(\d{9}[\dX])$"))
    found = [_looked_up(tail.str.slice(0, length), _LANGUAGE_OF_GROUP) for length in (1, 2, 3)]
    newer = _looked_up(bare.str.extract(r"^979(\d{2})\d{8}$"), _LANGUAGE_OF_979)
    return pl.coalesce(*found, newer)  # no group begins with another one


def _looked_up(key: pl.Expr, table: dict[str, str]) -> pl.Expr:
    return key.replace_strict(table, default=None, return_dtype=pl.String)


def _ratings(reader: Reader, file: RawFile, feedback: str) -> Iterator[Batch]:
    rating = pl.col("Book-Rating").str.strip_chars()
    given = rating.cast(pl.Float64, strict=False) != 0
    wanted = {"all": pl.lit(True), "explicit": given, "implicit": ~given}[feedback]
    for batch in _rows(reader, file, ("User-ID", "ISBN", "Book-Rating")):
        yield batch.filter(wanted.fill_null(True)).select(
            user_id=pl.col("User-ID"), item_id=pl.col("ISBN"), rating=rating, language=isbn_language(pl.col("ISBN"))
        )


def _books(reader: Reader, file: RawFile) -> Iterator[Batch]:
    names = ("ISBN", "Book-Title", "Book-Author", "Year-Of-Publication", "Publisher")
    year = pl.col("Year-Of-Publication").str.extract(r"^\s*([12]\d{3})\s*$")
    for batch in _rows(reader, file, names):
        yield batch.select(
            item_id=pl.col("ISBN"),
            language=isbn_language(pl.col("ISBN")),
            author=_plain("Book-Author"),
            publisher=_plain("Publisher"),
            release_year=year,
            title=pl.col("Book-Title"),
        )


def _plain(name: str) -> pl.Expr:
    return pl.col(name).str.replace_all("&amp;", "&", literal=True)


def _users(reader: Reader, file: RawFile) -> Iterator[Batch]:
    """The country is the last part of "city, state, country", in small letters."""
    country = pl.col("Location").str.extract(r"([^,]*)$").str.strip_chars(' \t\n".').str.to_lowercase()
    for batch in _rows(reader, file, ("User-ID", "Location", "Age")):
        yield batch.select(
            user_id=pl.col("User-ID"),
            country=pl.when(~country.is_in(_NOWHERE)).then(country),
            age=pl.col("Age").cast(pl.Float64, strict=False),
        )


def _rows(reader: Reader, file: RawFile, names: tuple[str, ...]) -> Iterator[Batch]:
    return reader.quoted(file, names, ";", escape="\\", encoding="latin-1")


SOURCE = Source(
    name="book-crossing",
    title="Book-Crossing",
    read=read,
    url="http://www2.informatik.uni-freiburg.de/~cziegler/BX/ (the CSV dump)",
    licence="free for research use when acknowledged",
    citation="C.-N. Ziegler, S. M. McNee, J. A. Konstan and G. Lausen. Improving Recommendation Lists Through Topic "
    "Diversification. WWW 2005.",
    size="1,149,780 ratings (433,671 explicit) of 271,379 books by 278,858 users; 100 MB",
    languages="en, de, es, fr, it, nl, pt and others, by the ISBN; add --detect for what has none",
    good_for="books in several languages, explicit and implicit feedback, users of many countries; no times",
    layout="BX-Book-Ratings.csv, BX-Books.csv, BX-Users.csv (the CSV dump, unpacked or as zip)",
    options={"feedback": "all, explicit (ratings 1 to 10) or implicit (0, not rated)"},
)
