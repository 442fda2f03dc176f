"""Raw files of public sources at any size, made up but of the published shape, for measuring the converters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

_CHUNK = 200_000
#: Share of the sessions and of the products of each locale of Amazon-M2.
_LOCALES = {
    "UK": (0.328, 0.323),
    "DE": (0.308, 0.334),
    "JP": (0.271, 0.254),
    "FR": (0.033, 0.029),
    "IT": (0.035, 0.033),
    "ES": (0.025, 0.027),
}
#: Products of the small locales that a large one sells too.
_SHARED = 0.5
_LINE = 5  # ids that NumPy prints on one line
_LETTERS = {"UK": "etaoinshr", "DE": "enisratüä", "JP": "のシリコン用大容量", "FR": "esaitnrué", "IT": "eaionlrtà"}
_LETTERS["ES"] = "eaosrnidñ"


def amazon_m2(folder: Path, sessions: int, products: int, seed: int) -> None:
    """Writes `sessions_train.csv` and `products_train.csv` of Amazon-M2.

    Args:
        folder: Where to.
        sessions: Sessions; about 5.2 items each, most of them popular ones, ids repeated now and then.
        products: Rows of products, 6 locales; titles of about 100, descriptions of about 300 characters.
        seed: Of everything.
    """
    rng = np.random.default_rng(seed)
    ids = _ids(products, rng)
    with (folder / "products_train.csv").open("wb") as handle:
        for number, (locale, own) in enumerate(ids.items()):
            for start in range(0, len(own), _CHUNK):
                frame = _products(locale, own[start : start + _CHUNK], rng)
                frame.write_csv(handle, include_header=number == start == 0)
    with (folder / "sessions_train.csv").open("wb") as handle:
        for number, frame in enumerate(_sessions(ids, sessions, rng)):
            frame.write_csv(handle, include_header=number == 0)


def _ids(products: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The ids of each locale, as numbers, the most popular first."""
    found: dict[str, np.ndarray] = {}
    free = 0
    for locale, (_, share) in _LOCALES.items():
        size = max(1, round(products * share))
        shared = round(size * _SHARED) if locale in ("FR", "IT", "ES") else 0
        own = np.arange(free, free + size - shared)
        free += len(own)
        old = rng.choice(found["DE"], min(shared, len(found["DE"])), replace=False) if shared else own[:0]
        found[locale] = rng.permutation(np.concatenate([own, old]))
    return found


def _named(numbers: np.ndarray) -> pl.Series:
    """Ids of ten characters, as Amazon's."""
    text = pl.Series(numbers.astype(np.int64)).cast(pl.String).str.zfill(8)
    return pl.select(pl.lit("B0") + text).to_series()


def _texts(locale: str, count: int, length: int, rng: np.random.Generator) -> pl.Series:
    """Pieces of a long text of made-up words."""
    letters = np.array(list(_LETTERS[locale] + "   ,"))
    whole = "".join(rng.choice(letters, 200_000))
    starts = rng.integers(0, len(whole) - 3 * length, count)
    ends = starts + rng.integers(length // 2, length * 3 // 2, count)
    return pl.Series([whole[start:end].strip() for start, end in zip(starts.tolist(), ends.tolist(), strict=True)])


def _products(locale: str, numbers: np.ndarray, rng: np.random.Generator) -> pl.DataFrame:
    count = len(numbers)
    length = 60 if locale == "JP" else 100
    words = _texts(locale, 500, 12, rng)
    some = {name: words.gather(rng.integers(0, 500, count)) for name in ("brand", "color", "size", "model", "material")}
    title, description = _texts(locale, count, length, rng), _texts(locale, count, 3 * length, rng)
    missing = pl.Series(rng.random(count) < 0.45)
    frame = pl.DataFrame({"id": _named(numbers), "locale": [locale] * count, "title": title})
    price = pl.Series(np.round(rng.lognormal(3, 1, count), 2))
    return frame.with_columns(price=price, **some, author=pl.lit(None, dtype=pl.String)).with_columns(
        desc=description.set(missing, None)
    )


def _sessions(ids: dict[str, np.ndarray], sessions: int, rng: np.random.Generator) -> Iterator[pl.DataFrame]:
    for locale, (share, _) in _LOCALES.items():
        left = max(1, round(sessions * share))
        while left > 0:
            count = min(left, _CHUNK)
            left -= count
            yield _printed(ids[locale], count, rng).with_columns(locale=pl.lit(locale))


def _printed(ids: np.ndarray, count: int, rng: np.random.Generator) -> pl.DataFrame:
    """Sessions as NumPy prints them, five ids a line."""
    lengths = 2 + np.minimum(rng.geometric(1 / 3.2, count) - 1, 400)
    ends = np.cumsum(lengths)
    place = np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)
    between = np.where(place == 0, "", np.where(place % _LINE == 0, "\n ", " "))
    rows = pl.DataFrame({"session": np.repeat(np.arange(count), lengths), "item": _named(_popular(ids, ends[-1], rng))})
    rows = rows.with_columns(part=pl.Series(between) + "'" + pl.col("item") + "'")
    printed = rows.group_by("session", maintain_order=True).agg(prev_items=pl.col("part").str.join())
    return printed.select(prev_items="[" + pl.col("prev_items") + "]").with_columns(
        next_item=_named(_popular(ids, count, rng))
    )


def _popular(ids: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    return ids[(len(ids) * rng.random(count) ** 3).astype(np.int64)]
