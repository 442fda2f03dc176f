"""Yelp Open Dataset: reviews of businesses; the language of a review is detected from its text with `--detect`."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from recbole_xlrec.convert.base import Batch, Source, Tables
from recbole_xlrec.convert.interactions import SAID
from recbole_xlrec.convert.raw import RawFile
from recbole_xlrec.convert.read import Reader
from recbole_xlrec.convert.times import AUTO
from recbole_xlrec.data import columns as c

_REVIEW = {"user_id": pl.String, "business_id": pl.String, "stars": pl.Float64, "date": pl.String}
_BUSINESS = {
    **dict.fromkeys(("business_id", "name", "city", "state", "categories"), pl.String),
    **dict.fromkeys(("stars", "is_open"), pl.Float64),
}
_USER = {"user_id": pl.String, "review_count": pl.Float64, "yelping_since": pl.String}


def read(reader: Reader) -> Tables:
    """Reviews with stars and times, businesses with name, kinds and place, users."""
    reviews = reader.folder.one("*review.json")
    business = reader.folder.one("*business.json")
    return Tables(
        interactions=_reviews(reader, reviews),
        items=(_business(batch) for batch in reader.json_lines(business, _BUSINESS)),
        users=(_user(batch) for file in reader.folder.find("*user.json") for batch in reader.json_lines(file, _USER)),
        time=AUTO,  # older editions have only the day
        features={
            **dict.fromkeys(("city", "state"), c.TOKEN),
            **dict.fromkeys(("stars", "is_open", "review_count", "yelping_since_year"), c.FLOAT),
        },
        texts=(c.TITLE, c.DESCRIPTION),
    )


def _reviews(reader: Reader, file: RawFile) -> Iterator[Batch]:
    """Texts are most of the file: they are read only where they tell the language."""
    said = [pl.lit(None, dtype=pl.String).alias(c.LANGUAGE), pl.col("text").alias(SAID)] if reader.detect else []
    schema = {**_REVIEW, "text": pl.String} if reader.detect else _REVIEW
    for batch in reader.json_lines(file, schema):
        yield batch.select(
            "user_id", pl.col("business_id").alias(c.ITEM_ID), pl.col("stars").alias(c.RATING),
            pl.col("date").alias(c.TIMESTAMP), *said,
        )  # fmt: skip


def _business(batch: Batch) -> Batch:
    """Kinds and city describe a business; there is no other text."""
    kinds = pl.col("categories").str.strip_chars()
    return batch.select(
        "city",
        "state",
        "stars",
        "is_open",
        item_id=pl.col("business_id"),
        language=pl.lit(None, dtype=pl.String),
        category=kinds.str.split(",").list.eval(pl.element().str.strip_chars()),
        title=pl.col("name"),
        description=pl.concat_str(kinds, pl.col("city").str.strip_chars(), separator=". ", ignore_nulls=True),
    )


def _user(batch: Batch) -> Batch:
    year = pl.col("yelping_since").str.extract(r"^(\d{4})-").cast(pl.Float64)
    return batch.select("user_id", "review_count", yelping_since_year=year)


SOURCE = Source(
    name="yelp",
    title="Yelp Open Dataset",
    read=read,
    url="https://business.yelp.com/data/resources/open-dataset/",
    licence="Yelp Dataset Terms of Use: personal, educational and academic use only; no redistribution",
    citation="Yelp Open Dataset, Yelp Inc.",
    size="6,990,280 reviews of 150,346 businesses by 1,987,897 users; 9 GB unpacked",
    languages="en, some fr, es, de and others: add --detect",
    good_for="local businesses, restaurants and travel; ratings with times, kinds and places",
    layout="yelp_academic_dataset_review.json, yelp_academic_dataset_business.json, yelp_academic_dataset_user.json "
    "(optional), unpacked from the tar",
)
