"""XMarket: ratings and products of Amazon's shops in 18 markets, by market and category.

Market and category are read from the names of the files, of which one folder may hold several: the ratings as published
(`ratings_jp_Electronics.txt.gz`), or the 5-cores of the XMarket paper's code (`proc_data/jp_5core.txt`). Products are
`metadata_jp_Electronics.json.gz`; one that several markets sell has a text in the language of each. Where there are
folders of the markets with `train`, `valid_qrel` and `test_qrel` files, these are the splits, as in `xmarket-wsdm22`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath

import polars as pl

from recbole_xlrec.convert.base import Batch, Source, Tables
from recbole_xlrec.convert.raw import RawFile
from recbole_xlrec.convert.read import Reader
from recbole_xlrec.convert.sources import xmarket_wsdm22
from recbole_xlrec.data import columns as c
from recbole_xlrec.data.hints import did_you_mean
from recbole_xlrec.data.languages import language_of_market
from recbole_xlrec.errors import ConfigError, sample

_RAW = re.compile(r"ratings_([a-z]{2})_(.+)\.txt$", re.IGNORECASE)
_CORE = re.compile(r"([a-z]{2})_5core()\.txt$", re.IGNORECASE)
_META = re.compile(r"metadata_([a-z]{2})_(.+)\.json$", re.IGNORECASE)
_NAMES = ("userId", "itemId", "rate", "date")
_FORMS = ("raw", "5core")
_PRODUCT = dict.fromkeys(("asin", "title", "description", "categories"), pl.String())
_PART = r'"(?:[^"\\]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*"'
_PARTS = rf"^\[(?:\s*{_PART}\s*,?)*\s*\]$"


def read(reader: Reader) -> Tables:
    """Ratings with days as times, or splits; products with title, description and categories."""
    markets = xmarket_wsdm22.asked(reader)
    products = _by_market(reader, _META, "metadata_*_*.json")
    products = {market: files for market, files in products.items() if not markets or market in markets}
    items = (batch for market, files in products.items() for file in files for batch in _items(reader, market, file))
    if reader.folder.find("*/valid_qrel.tsv") and "core" not in reader.settings:
        tables = xmarket_wsdm22.split_tables(reader, _language, _country)
    else:
        tables = Tables(interactions=_ratings(reader), time="%Y-%m-%d")
    return replace(tables, items=items, texts=(c.TITLE, c.DESCRIPTION))


def _ratings(reader: Reader) -> Iterator[Batch]:
    """Looks for the files at once, and reads them later."""
    raw, core = _by_market(reader, _RAW, "ratings_*_*.txt"), _by_market(reader, _CORE, "*_5core.txt")
    form = reader.choice("core", _FORMS, "raw" if raw or not core else "5core")
    found = raw if form == "raw" else core
    if not found:
        raise _missing(reader, form)
    batches = (
        batch.select(
            **{c.USER_ID: pl.col("userId"), c.ITEM_ID: pl.col("itemId")},
            **{c.RATING: pl.col("rate"), c.TIMESTAMP: pl.col("date")},
            **{c.LANGUAGE: _language(market), c.COUNTRY: _country(market)},
        )
        for market, files in xmarket_wsdm22.wanted(reader, found).items()
        for file in files
        for batch in reader.delimited(file, _NAMES, " ", form == "5core")
    )
    return batches


def _missing(reader: Reader, form: str) -> Exception:
    there = {match.group(2) for file in reader.folder.find("ratings_*_*.txt") if (match := _match(_RAW, file))}
    category = reader.settings.get("category")
    if form == "raw" and category and there:
        hint = did_you_mean(category, there)
        return ConfigError(
            f"--option category={category}: not in the folder.{hint} There are: {sample(sorted(there))}."
        )
    return reader.folder.missing(["ratings_jp_Electronics.txt.gz"] if form == "raw" else ["jp_5core.txt"])


def _by_market(reader: Reader, form: re.Pattern[str], pattern: str) -> dict[str, list[RawFile]]:
    """The files of the category that is wanted, by market; 5-cores are of no category."""
    category = reader.settings.get("category", "").lower()
    found: dict[str, list[RawFile]] = {}
    for file in reader.folder.find(pattern):
        match = _match(form, file)
        if match and (not category or match.group(2).lower() in ("", category)):
            found.setdefault(match.group(1).lower(), []).append(file)
    return found


def _match(form: re.Pattern[str], file: RawFile) -> re.Match[str] | None:
    return form.match(PurePosixPath(file.name).name.removesuffix(".gz"))


def _items(reader: Reader, market: str, file: RawFile) -> Iterator[Batch]:
    for batch in reader.json_lines(file, _PRODUCT):
        yield batch.select(
            _language(market).alias(c.LANGUAGE),
            c.TITLE,
            item_id=pl.col("asin"),
            category=_parts("categories"),
            description=_parts("description").list.join(" "),
        )


def _parts(column: str) -> pl.Expr:
    """A list of texts, or one text, as a list; lists arrive here as JSON."""
    told = pl.col(column)
    parts = told.str.extract_all(_PART).list.eval(pl.element().str.json_decode(pl.String))
    return pl.when(told.str.contains(_PARTS)).then(parts).when(told.is_not_null()).then(pl.concat_list(told))


def _language(market: str) -> pl.Expr:
    return pl.lit(language_of_market(market))


def _country(market: str) -> pl.Expr:
    return pl.lit(market.upper())


SOURCE = Source(
    name="xmarket",
    title="XMarket: Amazon reviews of 18 markets",
    read=read,
    url="https://xmrec.github.io",
    licence="none stated; for research (see the site)",
    citation="H. Bonab, M. Aliannejadi, A. Vardasbi, E. Kanoulas and J. Allan. Cross-Market Product Recommendation. "
    "CIKM 2021.",
    size="52.5 million ratings, 18 markets, 16 categories; 7.5 GB packed",
    languages="ar, de, en, es, fr, it, ja, nl, pt, tr, zh, by market",
    good_for="the same products sold in many countries and languages; small markets that large ones help",
    layout="ratings_{market}_{Category}.txt.gz, metadata_{market}_{Category}.json.gz | proc_data/{market}_5core.txt | "
    "{market}/train_5core.tsv, valid_qrel.tsv, test_qrel.tsv",
    options={
        "core": "raw (the published ratings; taken if they are there) or 5core (proc_data/{market}_5core.txt)",
        "markets": "only these markets, such as jp,in",
        "category": "only this category, such as Electronics",
        "train": xmarket_wsdm22.OPTIONS["train"],
    },
)
