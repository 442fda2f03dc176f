"""Raw files of Amazon Reviews 2023 at any size: users and items with a long tail, rows in no order of users or time."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

_PIECE = 250_000
_LETTERS = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", dtype=np.uint8)
_RATINGS = pl.Series([1.0, 2.0, 3.0, 4.0, 5.0])
_SHARES = (0.11, 0.05, 0.08, 0.14, 0.62)
_WORDS = (
    "the it and a to I for this of is my was with in that but on have not as great good product so would very use "
    "like just these one time well works price bought quality little nice easy really after back recommend size love "
    "perfect daughter color before again money small better hair don't returned battery arrived fits cheap sturdy"
)


def write_csv(path: Path, rows: int, users: int, items: int, seed: int = 2020) -> None:
    """Writes the form of the benchmark, `user_id,parent_asin,rating,timestamp`."""
    with path.open("wb") as handle:
        for place, frame in enumerate(_pieces(rows, users, items, seed)):
            frame.write_csv(handle, include_header=place == 0, float_precision=1)


def write_reviews(path: Path, rows: int, users: int, items: int, seed: int = 2020) -> None:
    """Writes reviews with their texts as packed JSON lines, all keys of the published files in them."""
    texts = _texts(20_000, seed)
    rng = np.random.default_rng(seed + 1)
    with gzip.open(path, "wb", compresslevel=1) as handle:
        for frame in _pieces(rows, users, items, seed):
            drawn = texts.gather(rng.integers(0, len(texts), frame.height))
            handle.write(
                frame.select(
                    "rating",
                    title=drawn.str.slice(0, 24),
                    text=drawn,
                    images=pl.lit([], dtype=pl.List(pl.String)),
                    asin="parent_asin",
                    parent_asin="parent_asin",
                    user_id="user_id",
                    timestamp="timestamp",
                    helpful_vote=pl.lit(0),
                    verified_purchase=pl.lit(True),
                )
                .write_ndjson()
                .encode()
            )


def write_products(path: Path, items: int, seed: int = 2020) -> None:
    """Writes the products as packed JSON lines."""
    texts = _texts(20_000, seed + 2)
    ids = _names(b"B0", 8, items)
    drawn = texts.gather(np.random.default_rng(seed).integers(0, len(texts), items))
    frame = pl.DataFrame({"parent_asin": ids, "title": drawn.str.slice(0, 80)}).with_columns(
        main_category=pl.lit("Toys & Games"),
        description=pl.concat_list(drawn),
        features=pl.lit(["Sturdy", "Easy to clean"]),
        price=pl.lit("$12.99"),
        store=drawn.str.slice(10, 8),
        categories=pl.lit(["Toys & Games", "Puzzles"]),
    )
    with gzip.open(path, "wb", compresslevel=1) as handle:
        handle.write(frame.write_ndjson().encode())


def _pieces(rows: int, users: int, items: int, seed: int) -> Iterator[pl.DataFrame]:
    rng = np.random.default_rng(seed)
    user_names, item_names = _names(b"A", 27, users), _names(b"B0", 8, items)
    user_order, item_order = rng.permutation(users), rng.permutation(items)
    for start in range(0, rows, _PIECE):
        size = min(_PIECE, rows - start)
        yield pl.DataFrame(
            {
                "user_id": user_names.gather(user_order[_long_tail(rng, size, users)]),
                "parent_asin": item_names.gather(item_order[_long_tail(rng, size, items)]),
                "rating": _RATINGS.gather(rng.choice(5, size, p=_SHARES)),
                "timestamp": rng.integers(1_300_000_000_000, 1_690_000_000_000, size),
            }
        )


def _long_tail(rng: np.random.Generator, size: int, count: int) -> NDArray[np.int64]:
    """Numbers below `count`, of which a fifth makes up about four fifths (a power law); all occur in the long run."""
    return (count * rng.random(size) ** 3).astype(np.int64)


def _names(start: bytes, length: int, count: int) -> pl.Series:
    """Different ids: a number in base 32, its digits spread by a product so that they look like no sequence."""
    numbers = np.arange(count, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    digits = np.empty((count, length), dtype=np.uint8)
    for place in range(length):
        digits[:, length - 1 - place] = _LETTERS[(numbers >> np.uint64(24 + 5 * (place % 8))) & np.uint64(31)]
    joined = digits.tobytes().decode()
    names = pl.Series([joined[at : at + length] for at in range(0, len(joined), length)])
    return (start.decode() + names).alias("id")


def _texts(count: int, seed: int) -> pl.Series:
    rng = np.random.default_rng(seed)
    lengths = np.minimum(1 + rng.lognormal(3.2, 0.9, count).astype(np.int64), 400)
    known = np.array(_WORDS.split())
    words = known[(len(known) * rng.random(lengths.sum()) ** 2).astype(np.int64)]
    ends = np.cumsum(lengths)
    return pl.Series([" ".join(words[end - length : end]) for end, length in zip(ends, lengths, strict=True)])
