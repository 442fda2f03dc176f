"""Amazon Reviews 2023: reviews and products as JSON lines, or the ratings of the benchmark, whole or in its splits.

A folder may hold several categories. The reviews of one category come in one of three forms, `Toys.train.csv` (with
`.valid` and `.test`), `Toys.csv` or `Toys.jsonl`; products, `meta_Toys.jsonl`, go with each of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath

import polars as pl

from recbole_xlrec.convert.base import SPLIT, SPLITS, Batch, Source, Tables
from recbole_xlrec.convert.raw import RawFile
from recbole_xlrec.convert.read import Reader
from recbole_xlrec.data import columns as c
from recbole_xlrec.data.hints import did_you_mean
from recbole_xlrec.errors import ConfigError, DataError, sample

_META = "meta_"
_PARENT, _ASIN = "parent_asin", "asin"
_FORMS = ("splits", "ratings", "reviews")
_REVIEW = {c.USER_ID: pl.String, c.RATING: pl.Float64, c.TIMESTAMP: pl.Int64}
_TEXT, _TEXTS = pl.String(), pl.List(pl.String)
_PRODUCT = {_PARENT: _TEXT, "title": _TEXT, "description": _TEXTS, "features": _TEXTS, "store": _TEXT, "price": _TEXT}
_PRODUCT |= {"main_category": _TEXT, "categories": _TEXTS}

Files = Mapping[str, Sequence[RawFile]]


def read(reader: Reader) -> Tables:
    """Ratings with times; products with title, description, brand, categories and price."""
    item = reader.choice("id", (_PARENT, _ASIN), _PARENT)
    files = _reviews(reader)
    if item == _ASIN and "reviews" not in files:
        raise ConfigError("--option id=asin: only the reviews, CATEGORY.jsonl, tell the versions of a product apart.")
    products = [file for file in reader.folder.find(f"{_META}*.jsonl") if _wanted(reader, file)]
    items = (batch for file in _once(products) for batch in reader.json_lines(file, _PRODUCT))
    return Tables(
        interactions=_interactions(reader, files, item),
        items=_versions(_pairs(reader, files), items) if item == _ASIN else (_product(batch) for batch in items),
        time="ms",
        features={"store": c.TOKEN, "price": c.FLOAT, "main_category": c.TOKEN},
        texts=(c.TITLE, c.DESCRIPTION),
    )


def _reviews(reader: Reader) -> Files:
    """The files of the one form in which the reviews are there, or are wanted.

    Raises:
        ConfigError: There are several forms, or the category is not there.
        DataError: There are none.
    """
    tables = [file for file in reader.folder.find("*.csv") if _wanted(reader, file)]
    lines = [file for file in reader.folder.find("*.jsonl") if not _stem(file).startswith(_META)]
    found = {
        "splits": [file for split in SPLITS for file in tables if _split(file) == split],
        "ratings": [file for file in tables if not _split(file)],
        "reviews": [file for file in lines if _wanted(reader, file)],
    }
    there = {form: _once(files) for form, files in found.items() if files}
    form = reader.choice("form", _FORMS, next(iter(there), "reviews"))
    if form not in there:
        raise _missing(reader)
    if len(there) > 1 and "form" not in reader.settings:
        named = "; ".join(f"{name}: {sample((file.name for file in files), 3)}" for name, files in there.items())
        raise ConfigError(f"The reviews are there in {len(there)} forms ({named}). Add --option form={form}, say.")
    return {form: there[form]}


def _missing(reader: Reader) -> DataError | ConfigError:
    files = reader.folder.find("*.csv", "*.jsonl")
    there = sorted({_category(file) for file in files if not _stem(file).startswith(_META)})
    category = reader.settings.get("category")
    if category is None or not there:
        return reader.folder.missing(["CATEGORY.jsonl", "CATEGORY.csv"])
    hint = did_you_mean(category, there)
    return ConfigError(f"--option category={category}: not in the folder.{hint} There are: {sample(there, 40)}.")


def _once(files: Sequence[RawFile]) -> Sequence[RawFile]:
    """Checks that no file is there twice, packed and unpacked or from 0core and from 5core."""
    stems = [_stem(file) for file in files]
    if len(set(stems)) < len(stems):
        twice = sample((file.name for file in files if stems.count(_stem(file)) > 1), 6)
        raise DataError(
            f"The same reviews or products are there more than once: {twice}. Leave one of each in --input."
        )
    return files


def _stem(file: RawFile) -> str:
    """`Toys.train` of `5core/last_out/Toys.train.csv.gz`."""
    return PurePosixPath(file.name).name.removesuffix(".gz").rpartition(".")[0]


def _split(file: RawFile) -> str | None:
    ending = _stem(file).rpartition(".")[2]
    return ending if ending in SPLITS else None


def _category(file: RawFile) -> str:
    return _stem(file).removeprefix(_META).removesuffix(f".{_split(file)}")


def _wanted(reader: Reader, file: RawFile) -> bool:
    return reader.settings.get("category", _category(file)) == _category(file)


def _interactions(reader: Reader, files: Files, item: str) -> Iterator[Batch]:
    columns = (pl.col(item).alias(c.ITEM_ID), pl.lit("en").alias(c.LANGUAGE))
    for form, there in files.items():
        for file in there:
            split = [pl.lit(_split(file)).alias(SPLIT)] if form == "splits" else []
            if form == "reviews":
                batches = reader.json_lines(file, {**_REVIEW, item: pl.String})
            else:
                batches = reader.delimited(file, (c.USER_ID, item, c.RATING, c.TIMESTAMP), ",", True)
            for batch in batches:
                yield batch.select(c.USER_ID, c.RATING, c.TIMESTAMP, *columns, *split)


def _product(batch: Batch, *ids: pl.Expr) -> Batch:
    """Of products without a description, the list of features describes them."""
    told, listed = (pl.col(name).list.join(" ", ignore_nulls=True) for name in ("description", "features"))
    price = pl.col("price").str.extract(r"(\d[\d,]*(?:\.\d+)?)").str.replace_all(",", "").cast(pl.Float64, strict=False)
    return batch.select(
        *(ids or [pl.col(_PARENT).alias(c.ITEM_ID)]),
        pl.lit("en").alias(c.LANGUAGE),
        "store",
        "main_category",
        c.TITLE,
        category=pl.col("categories"),
        price=price,
        description=pl.when(told.str.strip_chars() != "").then(told).otherwise(listed),
    )


def _pairs(reader: Reader, files: Files) -> pl.DataFrame:
    """Each version of a product with the product; memory grows with versions, not with reviews."""
    pairs = pl.DataFrame(schema={_ASIN: pl.String, _PARENT: pl.String})
    again = reader.again()
    for file in files["reviews"]:
        for batch in again.json_lines(file, {_ASIN: pl.String, _PARENT: pl.String}):
            pairs = pl.concat([pairs, batch.frame.select(_ASIN, _PARENT)]).unique(
                _ASIN, keep="first", maintain_order=True
            )
    return pairs.drop_nulls().filter(pl.col(_PARENT).str.strip_chars() != "")


def _versions(pairs: pl.DataFrame, products: Iterable[Batch]) -> Iterator[Batch]:
    """Products become their versions, of one work; the texts are the product's."""
    ids = (pl.col(_ASIN).alias(c.ITEM_ID), pl.col(_PARENT).alias(c.WORK_ID))
    for batch in products:
        rows = batch.frame.join(pairs, on=_PARENT, how="inner", maintain_order="left_right")
        yield _product(Batch(batch.file, rows), *ids)


SOURCE = Source(
    name="amazon-reviews-2023",
    title="Amazon Reviews 2023",
    read=read,
    url="https://amazon-reviews-2023.github.io",
    licence="none stated; for research (see the site)",
    citation="Y. Hou, J. Li, Z. He, A. Yan, X. Chen and J. McAuley. Bridging Language and Items for Retrieval and "
    "Recommendation. arXiv:2403.03952, 2024.",
    size="571.54 million reviews by 54.51 million users of 48.19 million items in 33 categories, of 0.1 to 30 GB each",
    languages="en",
    good_for="e-commerce at any size, with texts, prices and exact times; the published benchmark splits",
    layout="CATEGORY.jsonl, meta_CATEGORY.jsonl | CATEGORY.csv (benchmark, rating_only) | CATEGORY.train.csv, "
    "CATEGORY.valid.csv, CATEGORY.test.csv (benchmark splits); each also as .gz, several categories side by side",
    options={
        "category": "only this category, such as All_Beauty",
        "form": "splits, ratings or reviews, where a category is there in several forms",
        "id": "parent_asin (versions of a product are one item) or asin (each is an item, the product its work)",
    },
)
