"""EB-NeRD: Danish news of Ekstra Bladet, with the impressions in which they were shown.

`train` folders become the split train, `validation` folders valid; the clicks of `test` are not published, so it is not
read. A folder alone is not split. Papers report on validation: `dataset_configs/eb-nerd.yaml` evaluates on
`[train, valid, valid]`.

The history of a user, the articles he read in the three weeks before, is written once, with its real times, as clicks
of the split train. That of validation overlaps the clicks of train: for users who are in both, only that of train is
taken. Times have no zone and are taken for UTC.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from recbole_xlrec.convert.base import LABEL, LINE, SPLIT, Batch, Source, Tables
from recbole_xlrec.convert.raw import RawFile
from recbole_xlrec.convert.read import Reader
from recbole_xlrec.convert.splits import Seen, by_split, split_of
from recbole_xlrec.convert.times import AUTO
from recbole_xlrec.data import columns as c

_BEHAVIORS = ("user_id", "impression_time", "article_ids_inview", "article_ids_clicked")
_HISTORY = ("user_id", "article_id_fixed", "impression_time_fixed")
_ARTICLES = ("article_id", "title", "subtitle", "body", "category_str", "topics", "premium")
_USERS = ("user_id", "gender", "age", "postcode", "is_subscriber")
_BODY = "body"
#: Histories that are written out at a time; one holds about 150 articles.
_PIECE = 10_000


def read(reader: Reader) -> Tables:
    """Clicks, histories, articles where they are there, and what is known of the users."""
    behaviors = _published(reader, "behaviors.parquet")
    if not behaviors:
        raise reader.folder.missing(["behaviors.parquet", "train/behaviors.parquet"])
    return Tables(
        interactions=_interactions(reader, behaviors, _published(reader, "history.parquet")),
        items=_articles(reader),
        users=_users(reader, behaviors),
        time=AUTO,
        features={
            "topics": c.TOKEN_SEQ,
            "premium": c.TOKEN,
            "gender": c.TOKEN,
            "age": c.FLOAT,
            "postcode": c.TOKEN,
            "is_subscriber": c.TOKEN,
        },
        texts=(c.TITLE, c.DESCRIPTION, _BODY),
    )


def _published(reader: Reader, name: str) -> list[RawFile]:
    return [file for file in reader.folder.find(name) if split_of(file.name) != "test"]


def _interactions(reader: Reader, behaviors: Sequence[RawFile], histories: Sequence[RawFile]) -> Iterator[Batch]:
    splits = by_split(behaviors)
    for file, split in splits:
        for batch in reader.parquet(file, _BEHAVIORS):
            yield _finished(_shown(_sound(reader, batch), reader.negatives), file.name, split)
    seen = Seen()
    past = "train" if splits[0][1] else None
    for file, _ in by_split(histories) if histories else ():
        for batch in reader.parquet(file, _HISTORY):
            for piece in seen.first(_sound_history(reader, batch), c.USER_ID).frame.iter_slices(_PIECE):
                yield _finished(_past(piece, reader.negatives), file.name, past)


def _sound(reader: Reader, batch: Batch) -> Batch:
    batch = reader.reject(batch, pl.col("user_id").is_null(), "no user_id")
    batch = reader.reject(batch, pl.col("impression_time").is_null(), "no timestamp that is understood")
    return reader.reject(batch, pl.col("article_ids_clicked").is_null(), "no list of clicked articles")


def _sound_history(reader: Reader, batch: Batch) -> Batch:
    articles, times = (pl.col(name).list.len() for name in _HISTORY[1:])
    batch = reader.reject(batch, pl.col("user_id").is_null(), "no user_id")
    return reader.reject(batch, (articles == times).fill_null(False).not_(), "not as many times as articles")


def _shown(batch: Batch, negatives: bool) -> pl.DataFrame:
    """What was clicked, a row each; with negatives also what was shown and not clicked."""
    keys = {LINE: pl.col(LINE), c.USER_ID: pl.col("user_id"), c.TIMESTAMP: pl.col("impression_time")}
    item = pl.col("article_ids_clicked").alias(c.ITEM_ID)
    clicked = batch.frame.select(item, **keys).explode(c.ITEM_ID).drop_nulls(c.ITEM_ID)
    if not negatives:
        return clicked
    others = batch.frame.select("article_ids_clicked", item_id="article_ids_inview", **keys).explode(c.ITEM_ID)
    others = others.filter(~pl.col(c.ITEM_ID).is_in(pl.col("article_ids_clicked"))).drop("article_ids_clicked")
    label = pl.lit(1, dtype=pl.Int8).alias(LABEL)
    labelled = pl.concat([clicked.with_columns(label), others.with_columns(label - 1)])
    return labelled.sort(LINE, maintain_order=True)


def _past(rows: pl.DataFrame, negatives: bool) -> pl.DataFrame:
    rows = rows.select(LINE, c.USER_ID, item_id="article_id_fixed", timestamp="impression_time_fixed")
    label = {LABEL: pl.lit(1, dtype=pl.Int8)} if negatives else {}
    return rows.explode(c.ITEM_ID, c.TIMESTAMP).drop_nulls(c.ITEM_ID).with_columns(**label)


def _finished(rows: pl.DataFrame, file: str, split: str | None) -> Batch:
    added = {SPLIT: pl.lit(split)} if split else {}
    return Batch(file, rows.with_columns(pl.lit("da").alias(c.LANGUAGE), **added))


def _articles(reader: Reader) -> Iterator[Batch]:
    for file in reader.folder.find("articles.parquet"):
        for batch in reader.parquet(file, _ARTICLES):
            yield batch.select(
                c.TITLE,
                _BODY,
                pl.col("premium").cast(pl.String),
                "topics",
                item_id=pl.col("article_id"),
                language=pl.lit("da"),
                category=pl.concat_list("category_str"),
                description=pl.col("subtitle"),
            )


def _users(reader: Reader, behaviors: Sequence[RawFile]) -> Iterator[Batch]:
    seen = Seen()
    for file in behaviors:
        for batch in reader.parquet(file, _USERS):
            yield seen.first(batch.filter(pl.col(c.USER_ID).is_not_null()), c.USER_ID)


SOURCE = Source(
    name="eb-nerd",
    title="EB-NeRD: Ekstra Bladet News Recommendation Dataset",
    read=read,
    url="https://recsys.eb.dk",
    licence="research only; the terms are accepted at the download",
    citation="J. Kruse et al. EB-NeRD: A Large-Scale Dataset for News Recommendation. RecSys Challenge 2024.",
    size="demo, small and large; large: 1.1 million users, 37 million impressions, 125,000 articles",
    languages="da",
    good_for="news recommendation in a mid-sized language, with full texts and real times",
    layout="train/behaviors.parquet, train/history.parquet\nvalidation/behaviors.parquet, validation/history.parquet\n"
    "articles.parquet (optional; folder or zip)",
)
