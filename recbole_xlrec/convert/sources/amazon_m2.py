"""Amazon-M2: shopping sessions in six locales, with the products of each in its language.

A session is a user: `train-12` is the 12th of the training sessions, `task2-7` the 7th of task 2's test sessions. The
time of an interaction is its place in the session, from 0. Where the file with the next items of the test sessions is
there, these are the split test, and all that is known before is train; without it there are no splits.

Published results rank the products of the session's locale: `candidates: language` does so. With `--identity item` a
product that several locales sell is one item, with the language of its first row; with `--identity edition` it is one
item a locale, so that the candidates are exactly those of the locale.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import NamedTuple

import polars as pl

from recbole_xlrec.convert.base import LINE, SPLIT, Batch, Source, Tables
from recbole_xlrec.convert.raw import RawFile
from recbole_xlrec.convert.read import Reader
from recbole_xlrec.data import columns as c
from recbole_xlrec.data.hints import did_you_mean
from recbole_xlrec.data.languages import MARKETS
from recbole_xlrec.errors import ConfigError, DataError, sample

_PREVIOUS, _NEXT, _LOCALE = "prev_items", "next_item", "locale"
_TEST = re.compile(r"sessions_test_(task\d+.*?)\.(?:csv|parquet)$", re.IGNORECASE)
_ID = r"'[^']*'"
_LIST = rf"^\s*\[(?:\s*{_ID},?)*\s*\]\s*$"
_FEATURES = ("brand", "color", "size", "model", "material", "author")
_PRODUCT = ("id", _LOCALE, "title", "price", *_FEATURES, "desc")
#: Stands for "no price" in the published products.
_NO_PRICE = 40_000_000


class _Sessions(NamedTuple):
    """A file of sessions, what its users are called, and the file of their next items if that is another one."""

    name: str
    file: RawFile
    truth: RawFile | None = None


def read(reader: Reader) -> Tables:
    """Sessions as interactions with places as times; products with their texts, a locale each."""
    train = [_Sessions("train", file) for file in reader.folder.find("sessions_train.csv", "sessions_train.parquet")]
    tests = _tests(reader)
    if not train and not tests:
        raise reader.folder.missing(["sessions_train.csv", "sessions_test_task1.parquet"])
    split = any(sessions.truth for sessions in tests)
    products = reader.folder.find("products_train.csv", "products_train.parquet")
    return Tables(
        interactions=(batch for sessions in (*train, *tests) for batch in _interactions(reader, sessions, split)),
        items=(_product(reader, batch) for file in products for batch in _rows(reader, file, _PRODUCT)),
        time="s",
        features={**dict.fromkeys(_FEATURES, c.TOKEN), "price": c.FLOAT},
        texts=(c.TITLE, c.DESCRIPTION),
    )


def _tests(reader: Reader) -> list[_Sessions]:
    """The test sessions of the tasks that are wanted. Of task 3 the truth is a title, no item: it is left alone."""
    found: dict[str, _Sessions] = {}
    for file in reader.folder.find("sessions_test_task*.csv", "sessions_test_task*.parquet"):
        match = _TEST.search(PurePosixPath(file.name).name.removesuffix(".gz"))
        task = match.group(1).lower() if match else ""
        if task in found:
            raise DataError(f"{file.name} and {found[task].file.name} are the same test sessions. Leave one of them.")
        names = [f"{prefix}{task}.{kind}" for prefix in ("gt_test_", "gt_") for kind in ("parquet", "csv")]
        truth = [] if task.startswith("task3") else reader.folder.find(*names)
        found[task] = _Sessions(task, file, truth[0] if truth else None)
    asked = [word.strip().lower().removeprefix("task") for word in reader.settings.get("tasks", "").split(",") if word]
    for word in asked:
        if f"task{word}" not in {task[:5] for task in found}:
            hint = did_you_mean(f"task{word}", found)
            raise ConfigError(f"--option tasks: no task {word!r}.{hint} There are: {sample(found)}.")
    return [sessions for task, sessions in found.items() if not asked or task[4:5] in asked]


def _rows(reader: Reader, file: RawFile, names: tuple[str, ...]) -> Iterator[Batch]:
    packed = file.name.lower().endswith(".parquet")
    return reader.parquet(file, names) if packed else reader.quoted(file, names)


def _interactions(reader: Reader, sessions: _Sessions, split: bool) -> Iterator[Batch]:
    own = (_PREVIOUS, _NEXT, _LOCALE) if sessions.name == "train" else (_PREVIOUS, _LOCALE)
    truth = None if sessions.truth is None else _truth(reader, sessions.truth)
    done = 0
    for batch in _rows(reader, sessions.file, own):
        frame = batch.frame.with_columns(
            pl.concat_str(pl.lit(f"{sessions.name}-"), pl.int_range(pl.len()) + done + 1).alias(c.USER_ID)
        )
        if truth is not None:
            frame = _with_truth(frame, truth[done : done + frame.height], sessions)
        done += frame.height
        yield _exploded(_sound(reader, Batch(batch.file, frame)), "test" if truth is not None else "train", split)
    if truth is not None and done != truth.height:
        raise _misaligned(sessions, f"it has {truth.height:,} rows, the sessions {done:,} that can be read")


def _truth(reader: Reader, file: RawFile) -> pl.DataFrame:
    parts = [batch.frame.select(_NEXT, truth_locale=pl.col(_LOCALE)) for batch in _rows(reader, file, (_NEXT, _LOCALE))]
    return pl.concat(parts)


def _with_truth(frame: pl.DataFrame, truth: pl.DataFrame, sessions: _Sessions) -> pl.DataFrame:
    if truth.height < frame.height:
        raise _misaligned(sessions, "it has fewer rows than the sessions")
    frame = pl.concat([frame, truth], how="horizontal")
    other = frame.filter(pl.col(_LOCALE).str.strip_chars() != pl.col("truth_locale").str.strip_chars())
    if other.height:
        user, locale, said = other.select(c.USER_ID, _LOCALE, "truth_locale").row(0)
        raise _misaligned(sessions, f"{user} is of {locale}, the next item of {said}")
    return frame.drop("truth_locale")


def _misaligned(sessions: _Sessions, what: str) -> DataError:
    truth = sessions.truth.name if sessions.truth else ""
    return DataError(
        f"{truth} does not go with {sessions.file.name}, row by row: {what}. Download both again, or leave {truth} out."
    )


def _sound(reader: Reader, batch: Batch) -> Batch:
    """The rows whose list and locale can be read, the list as a list of ids."""
    locale = pl.col(_LOCALE).str.strip_chars().str.to_uppercase()
    batch = Batch(batch.file, batch.frame.with_columns(locale))
    batch = reader.reject(batch, ~locale.is_in(list(MARKETS)).fill_null(False), "unknown locale")
    if batch.frame[_PREVIOUS].dtype != pl.String:
        return batch
    items = pl.col(_PREVIOUS).fill_null("")
    batch = reader.reject(batch, items.str.contains("...", literal=True), "session printed with '...': not all of it")
    batch = reader.reject(batch, ~items.str.contains(_LIST), "no list of items ['...' '...']")
    return Batch(batch.file, batch.frame.with_columns(items.str.extract_all(_ID).alias(_PREVIOUS)))


def _exploded(batch: Batch, last: str, split: bool) -> Batch:
    """One row an item, the next item last."""
    length = pl.col(_PREVIOUS).list.len().cast(pl.Int64).fill_null(0)
    whose = (LINE, c.USER_ID, _LOCALE)
    known = batch.frame.filter(length > 0).select(
        *whose, pl.int_ranges(pl.lit(0), length).alias(c.TIMESTAMP), pl.col(_PREVIOUS).alias(c.ITEM_ID)
    )
    known = known.explode(c.TIMESTAMP, c.ITEM_ID).with_columns(
        pl.col(c.ITEM_ID).str.strip_chars("'"), pl.lit("train").alias(SPLIT)
    )
    parts = [known]
    if _NEXT in batch.frame:
        new = batch.frame.select(*whose, length.alias(c.TIMESTAMP), pl.col(_NEXT).alias(c.ITEM_ID))
        parts.append(new.with_columns(pl.lit(last).alias(SPLIT)))
    rows = pl.concat(parts).rename({_LOCALE: c.COUNTRY}).with_columns(_language(c.COUNTRY))
    return Batch(batch.file, rows if split else rows.drop(SPLIT))


def _language(locale: str) -> pl.Expr:
    return pl.col(locale).replace_strict(MARKETS, default=None, return_dtype=pl.String).alias(c.LANGUAGE)


def _product(reader: Reader, batch: Batch) -> Batch:
    locale = pl.col(_LOCALE).str.strip_chars().str.to_uppercase()
    batch = reader.reject(batch, ~locale.is_in(list(MARKETS)).fill_null(False), "unknown locale")
    price = pl.col("price").cast(pl.Float64, strict=False)
    return Batch(batch.file, batch.frame.with_columns(locale)).select(
        _language(_LOCALE),
        *(c.TITLE, *_FEATURES),
        item_id=pl.col("id"),
        description=pl.col("desc"),
        price=pl.when(price < _NO_PRICE).then(price),
    )


SOURCE = Source(
    name="amazon-m2",
    title="Amazon-M2: multilingual multi-locale shopping sessions (KDD Cup 2023)",
    read=read,
    url="https://kddcup23.github.io",
    licence="Apache-2.0 by the dataset's paper (arXiv:2307.09688); see the rules of the KDD Cup 2023 too",
    citation="W. Jin, H. Mao, Z. Li, H. Jiang, C. Luo, H. Wen, H. Han, H. Lu, Z. Wang, R. Li et al. Amazon-M2: A "
    "Multilingual Multi-locale Shopping Session Dataset for Recommendation and Text Generation. NeurIPS 2023 Datasets "
    "and Benchmarks.",
    size="3.6 million training sessions, 1.4 million products in 6 locales; about 1 GB",
    languages="en (UK), de, ja, fr, it, es",
    good_for="next-item recommendation in sessions; large locales that help small ones; product texts in six languages",
    layout="sessions_train.csv, products_train.csv, sessions_test_task1.csv|parquet, gt_test_task1.parquet, "
    "..._task2 (any of them may be missing, not all sessions)",
    options={"tasks": "tasks whose test sessions are taken, such as 1,2; all that are there if not given"},
)
