"""XMarket as the WSDM Cup 2022 gave it out: five markets of which neither country nor language is told.

`train_5core.tsv` (or `train.tsv`, which holds ratings) is the split train, `valid_qrel.tsv` valid, and `test_qrel.tsv`
test, where it is there. The markets may lie in folders of their names, or one of them flat in the input folder. The
language is `und`; the country is the name of the market.

The published protocol ranks, for each user, only the hundred or so items of `valid_run.tsv` and `test_run.tsv`, among
them the right ones. With `--negatives` these candidates are written too: rows with `label` 0 in the benchmark file of
their split, beside the right ones with `label` 1. RecBole evaluates such rows by `mode: labeled` with the metrics AUC
and LogLoss; it cannot rank them, so the cup's NDCG@10 is to be computed from the scores of each user's rows in that
file. Without `--negatives` the whole catalogue is ranked, which is harder: such figures are not those of the cup. Users
whose right items are not published have rows with `label` 0 only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import TypeVar

import polars as pl

from recbole_xlrec.convert.base import LABEL, SPLIT, Batch, Source, Tables
from recbole_xlrec.convert.raw import RawFile
from recbole_xlrec.convert.read import Reader
from recbole_xlrec.data import columns as c
from recbole_xlrec.data.hints import did_you_mean
from recbole_xlrec.data.languages import UNKNOWN
from recbole_xlrec.errors import ConfigError, DataError, sample

_USER, _ITEM, _RATING = "userId", "itemId", "rating"
_TRAIN = {"5core": "train_5core.tsv", "full": "train.tsv"}
_JUDGED = {"valid": ("valid_qrel.tsv", "valid_run.tsv"), "test": ("test_qrel.tsv", "test_run.tsv")}
#: Users and some markets are named alike: `t1U1005570`.
_MARKET_OF_USER = r"^([A-Za-z]+\d+)U\d+$"
#: The rating of a row of a qrel file, which only says that the item is a right one.
_UNRATED = 0.0

T = TypeVar("T")
MarketColumn = Callable[[str], pl.Expr]


def read(reader: Reader) -> Tables:
    """Interactions in their splits, market by market; there are no texts."""
    return split_tables(reader, lambda market: pl.lit(UNKNOWN), _country)


def _country(market: str) -> pl.Expr:
    return pl.lit(market) if market else pl.col(_USER).str.extract(_MARKET_OF_USER)


def split_tables(reader: Reader, language: MarketColumn, country: MarketColumn) -> Tables:
    """The interactions of markets that come with `train`, `valid_qrel` and `test_qrel` files.

    Args:
        reader: Reads the files; its options `train` and `markets` count.
        language: By the market's folder, the language of its rows; the folder is empty for files that lie flat.
        country: The same for the country.

    Raises:
        ConfigError: A market that is wanted is not there.
        DataError: A market has no file of training interactions.
    """
    kind = reader.choice("train", tuple(_TRAIN), "5core")
    markets = wanted(reader, _markets(reader))
    lacking = [market for market, files in markets.items() if _TRAIN[kind] not in files]
    if lacking or not markets:
        other = next(_TRAIN[name] for name in _TRAIN if name != kind)
        hint = f" There is {other}: --option train={'full' if kind == '5core' else '5core'} takes it."
        whose = f" Of the markets {sample(lacking)}." if any(lacking) else ""
        raise DataError(f"{reader.folder.missing([_TRAIN[kind]])}{whose}{hint if reader.folder.find(other) else ''}")
    split = any(qrel in files for files in markets.values() for qrel, _ in _JUDGED.values())

    def rows() -> Iterator[Batch]:
        for market, files in markets.items():
            columns = {c.LANGUAGE: language(market), c.COUNTRY: country(market)}
            for batch, part in _market(reader, files, kind):
                yield batch.select(
                    **{c.USER_ID: pl.col(_USER), c.ITEM_ID: pl.col(_ITEM), **columns},
                    **({c.RATING: pl.col(_RATING)} if kind == "full" else {}),
                    **({LABEL: pl.col(LABEL)} if reader.negatives else {}),
                    **({SPLIT: pl.lit(part)} if split else {}),
                )

    return Tables(interactions=rows(), implicit_rating=_UNRATED)


def asked(reader: Reader) -> list[str]:
    """The markets that `--option markets` names."""
    return [market.strip().lower() for market in reader.settings.get("markets", "").split(",") if market.strip()]


def wanted(reader: Reader, markets: Mapping[str, T]) -> Mapping[str, T]:
    """Those of the markets that `--option markets` names; all if it is not given.

    Raises:
        ConfigError: One is not there.
    """
    chosen = asked(reader)
    for market in chosen:
        if market not in markets:
            raise ConfigError(
                f"--option markets: there is no market {market!r}.{did_you_mean(market, markets)} "
                f"There are: {sample(markets, 20)}."
            )
    return {market: found for market, found in markets.items() if not chosen or market in chosen}


def _markets(reader: Reader) -> dict[str, dict[str, RawFile]]:
    """By market, its files by name."""
    found: dict[str, dict[str, RawFile]] = {}
    for file in reader.folder.find(*_TRAIN.values(), *(name for names in _JUDGED.values() for name in names)):
        path = PurePosixPath(file.name.removesuffix(".gz").lower())
        found.setdefault(path.parent.name, {})[path.name] = file
    return found


def _market(reader: Reader, files: Mapping[str, RawFile], kind: str) -> Iterator[tuple[Batch, str]]:
    """Rows of one market with their splits; columns of the qrel files, and `label`."""
    chosen, shown = (pl.lit(value, dtype=pl.Int8).alias(LABEL) for value in (1, 0))
    for batch in reader.delimited(files[_TRAIN[kind]], (_USER, _ITEM, _RATING), "\t", True):
        yield batch.select(_USER, _ITEM, _RATING, chosen), "train"
    for split, (qrel, run) in _JUDGED.items():
        right = pl.DataFrame(schema={_USER: pl.String, _ITEM: pl.String})
        for batch in reader.delimited(files[qrel], (_USER, _ITEM), "\t", True) if qrel in files else ():
            right = pl.concat([right, batch.frame.select(_USER, _ITEM)])
            yield batch.select(_USER, _ITEM, _unrated(), chosen), split
        for batch in reader.delimited(files[run], (_USER, _ITEM), "\t", False) if _runs(reader, run, files) else ():
            rows = batch.frame.with_columns(pl.col(_ITEM).str.split(",")).explode(_ITEM)
            rows = rows.join(right, on=[_USER, _ITEM], how="anti", maintain_order="left")
            yield Batch(batch.file, rows).select(_USER, _ITEM, _unrated(), shown), split


def _runs(reader: Reader, run: str, files: Mapping[str, RawFile]) -> bool:
    return reader.negatives and run in files


def _unrated() -> pl.Expr:
    return pl.lit(_UNRATED).alias(_RATING)


OPTIONS = {
    "train": "5core (train_5core.tsv) or full (train.tsv, with ratings; rows of the other splits have rating 0)",
    "markets": "only these markets, such as t1,t2",
}
SOURCE = Source(
    name="xmarket-wsdm22",
    title="XMarket, as given out for the WSDM Cup 2022 on cross-market recommendation",
    read=read,
    url="https://xmrec.github.io/wsdmcup",
    licence="Apache-2.0 (the cup's starter kit, which carries the data)",
    citation="H. Bonab, M. Aliannejadi, A. Vardasbi, E. Kanoulas and J. Allan. Cross-Market Product Recommendation. "
    "CIKM 2021.",
    size="5 markets, 3 to learn from and 2 to recommend in; a few MB",
    languages="und: markets are not named, and there are no texts",
    good_for="transfer between markets that share items and no users; published candidate lists",
    layout="{s1,s2,s3,t1,t2}/train_5core.tsv, train.tsv, valid_qrel.tsv, valid_run.tsv, test_qrel.tsv, test_run.tsv; "
    "or those of one market flat in the folder",
    options=OPTIONS,
)
