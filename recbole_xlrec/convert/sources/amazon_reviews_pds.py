"""The older public Amazon reviews: tab-separated, 15 columns, one file or several of one or several marketplaces.

A product stands in every row that reviews it: it is passed on once for each marketplace.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from recbole_xlrec.convert.base import Batch, Source, Tables
from recbole_xlrec.convert.raw import RawFile, opened
from recbole_xlrec.convert.read import Reader
from recbole_xlrec.convert.splits import Seen
from recbole_xlrec.data.languages import MARKETS

_MARKET, _PRODUCT, _PARENT = "marketplace", "product_id", "product_parent"
_ROW = (_MARKET, "customer_id", _PRODUCT, _PARENT, "star_rating", "review_date")
_ITEM = (_MARKET, _PRODUCT, _PARENT, "product_title", "product_category")
_PATTERN = "amazon_reviews_*.tsv"
_KEY = "__key"


def read(reader: Reader) -> Tables:
    """Ratings by day with the market they were given in; products with title and category."""
    item = reader.choice("id", (_PRODUCT, _PARENT), _PRODUCT)
    files = reader.folder.find(_PATTERN) or [file for file in reader.folder.find("*.tsv") if _has_header(file)]
    if not files:
        raise reader.folder.missing([_PATTERN])
    return Tables(
        interactions=(batch for file in files for batch in _interactions(reader, file, item)),
        items=_items(reader.again(), files, item),
        time="%Y-%m-%d",
    )


def _has_header(file: RawFile) -> bool:
    with opened(file) as handle:
        first = handle.readline(1000).decode("utf-8-sig", "replace").rstrip("\r\n")
    return set(_ROW) <= set(first.split("\t"))


def _market() -> pl.Expr:
    return pl.col(_MARKET).str.strip_chars().str.to_uppercase()


def _language() -> pl.Expr:
    """The language of the market; null where it is none of the known ones."""
    return _market().replace_strict(dict(MARKETS), default=None, return_dtype=pl.String)


def _interactions(reader: Reader, file: RawFile, item: str) -> Iterator[Batch]:
    for batch in reader.delimited(file, _ROW, "\t", True):
        batch = reader.reject(batch, _language().is_null(), "unknown marketplace")
        yield batch.select(
            user_id=pl.col("customer_id"),
            item_id=pl.col(item),
            rating=pl.col("star_rating"),
            timestamp=pl.col("review_date").str.strip_chars(),
            language=_language(),
            country=_market(),
        )


def _items(reader: Reader, files: list[RawFile], item: str) -> Iterator[Batch]:
    """Each product once for each marketplace; rows that lack one are set aside as interactions."""
    seen = Seen()
    key = pl.concat_str(_language(), pl.col(item).str.strip_chars(), separator="\t").alias(_KEY)
    for file in files:
        for batch in reader.delimited(file, _ITEM, "\t", True):
            keyed = Batch(batch.file, batch.frame.with_columns(key).drop_nulls(_KEY))
            yield seen.first(keyed, _KEY).select(
                item_id=pl.col(item),
                language=_language(),
                work_id=pl.col(_PARENT),
                category=pl.concat_list("product_category"),
                title=pl.col("product_title"),
            )


SOURCE = Source(
    name="amazon-reviews-pds",
    title="Amazon Customer Reviews Dataset (1995 to 2015), US, UK, DE, FR and JP marketplaces",
    read=read,
    url="https://s3.amazonaws.com/amazon-reviews-pds/readme.html (withdrawn by Amazon in 2023; mirrors remain)",
    licence="Amazon's Conditions of Use with a licence for academic research only (licence.txt of the dataset)",
    citation="Amazon Customer Reviews Dataset, Amazon.com, Inc., 2018.",
    size="over 130 million reviews in some 50 files; 50 GB unpacked",
    languages="en, de, fr, ja",
    good_for="e-commerce in several markets with one product id or parent across them; ratings by day",
    layout="amazon_reviews_us_Toys_v1_00.tsv.gz, amazon_reviews_multilingual_FR_v1_00.tsv.gz ... (or any *.tsv with "
    "their header)",
    options={
        "id": "product_id (the parent is its work) or product_parent (versions are one item, also across marketplaces)"
    },
)
