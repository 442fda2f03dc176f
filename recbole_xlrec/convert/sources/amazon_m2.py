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
from collections.abc import Iterator, Mapping
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
#: Stands for "no price" in the published products.
_NO_PRICE = 40_000_000


class _Sessions(NamedTuple):
    """A file of sessions: what its users are called, and the file of the next items, if they are in one of their own."""

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
    found = {}
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
    ids = items.str.extract_all(_ID).list.eval(pl.element().str.strip_chars("'"))
    return Batch(batch.file, batch.frame.with_columns(ids.alias(_PREVIOUS)))


def _exploded(batch: Batch, last: str, split: bool) -> Batch:
    """One row an item, the next item last."""
    items = pl.col(_PREVIOUS)
    parts = [pl.int_ranges(pl.lit(0), items.list.len().cast(pl.Int64)).alias(c.TIMESTAMP), items.alias(c.ITEM_ID)]
    frame = batch.frame
    wide = frame.select(LINE, c.USER_ID, _LOCALE, *parts)
    if _NEXT in frame:
        wide = wide.with_columns(
            pl.int_ranges(pl.lit(0), pl.col(c.ITEM_ID).list.len().cast(pl.Int64) + 1).alias(c.TIMESTAMP),
            pl.concat_list(c.ITEM_ID, frame[_NEXT].cast(pl.String)).alias(c.ITEM_ID),
        )
    if split:
        known = pl.lit("train").repeat_by(pl.col(c.ITEM_ID).list.len() - (1 if _NEXT in frame else 0))
        ends = [pl.concat_list(known, pl.lit(last))] if _NEXT in frame else [known]
        wide = wide.with_columns(ends[0].alias(SPLIT))
    rows = wide.explode(c.TIMESTAMP, c.ITEM_ID, *([SPLIT] if split else []))
    return Batch(batch.file, rows)
