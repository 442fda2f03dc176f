"""The profile of a converted dataset: every number that the screen and the page show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recbole_xlrec.data import columns as c
from recbole_xlrec.inspect import measures
from recbole_xlrec.inspect.by_language import Bridging, Language, LanguageCodes, bridging, languages, matrix
from recbole_xlrec.inspect.measures import Array, Bars, Spread
from recbole_xlrec.inspect.provenance import Provenance, read_provenance
from recbole_xlrec.inspect.tables import (
    Interactions,
    Listed,
    dataset_folder,
    inter_files,
    read_interactions,
    read_listed,
)
from recbole_xlrec.inspect.texts import TextField, TextTable, read_texts

#: A user's sequence needs one interaction each for training, validation and test.
SHORTEST = 3


@dataclass(frozen=True)
class Popularity:
    """How interactions gather on few items, of those that have any.

    Attributes:
        top1: Share of the interactions on the most popular 1 % of the items.
        top10: The same for 10 %.
        gini: Gini coefficient of the items' counts.
        curve: Share on the most popular 0, 1, … 100 % of the items.
    """

    top1: float
    top10: float
    gini: float
    curve: tuple[float, ...]


@dataclass(frozen=True)
class Times:
    """The timestamps.

    Attributes:
        first: The least; NaN where every cell is empty.
        last: The greatest, likewise.
        missing: Interactions without one.
        tied: Share of the interactions at the same time as another one of the same user.
        bars: Interactions a day, month or year where the numbers are dates.
    """

    first: float
    last: float
    missing: int
    tied: float
    bars: Bars

    @property
    def are_dates(self) -> bool:
        """Whether the numbers can be UTC seconds from 1973 to 2099: less only counts, more is in milliseconds."""
        return self.first >= 1e8 and self.last <= 4.1e9


@dataclass(frozen=True)
class Texts:
    """The texts; shares are of all items.

    Attributes:
        rows: Rows of the text table.
        strays: Rows of it whose item is neither in the interactions nor in the item file.
        with_text: Share of the items with any text that is not blank.
        with_title: Share of the items with a title; None where there is no such field.
        own_language: Share of the items with a text in their own language; None where items carry no language.
        fields: What is in each field.
        repeated: Share of the filled rows whose whole text stands in the same language at another item as well.
        repeats: How many items share the text that most items share.
        example: How that text begins.
    """

    rows: int
    strays: int
    with_text: float
    with_title: float | None
    own_language: float | None
    fields: tuple[TextField, ...]
    repeated: float
    repeats: int
    example: str


@dataclass(frozen=True)
class Profile:
    """The numbers of a dataset.

    Attributes:
        name: The dataset.
        files: Name and rows of each file of interactions that was read.
        unread: Benchmark files that lie beside a whole `.inter` file, which is the one read.
        interactions: Rows, without those whose `label` is 0.
        shown: Those rows: items that were shown and not chosen.
        repeated: Rows whose (user, item) pair an earlier row has.
        users: Users with interactions.
        users_listed: Rows of the user file; None where there is none.
        users_unlisted: Users with interactions that the user file lacks.
        items: Items in the interactions or the item file.
        items_consumed: Items with interactions.
        items_listed: Rows of the item file; None where there is none.
        items_unlisted: Items with interactions that the item file lacks.
        rows_unlisted: The interactions with these.
        density: Different (user, item) pairs over users times items, both with interactions.
        lengths: Interactions a user.
        length_bars: Users by number of interactions.
        short_users: Users with fewer than `SHORTEST` interactions.
        popularity: How interactions gather on few items.
        ratings: Interactions by rating; None where there are no ratings.
        times: The timestamps; None where there are none.
        languages: Counts by language; empty where no file has a language.
        homes_from: ``users`` or ``items``: where the users' home languages come from; None where they are not known.
        items_have_language: Whether the item file has a language column.
        matrix_names: Languages of the rows and columns of `matrix`.
        matrix: Interactions by home language of the user and language of the item, or None.
        bridging: What connects the languages.
        texts: The text table, or None.
        provenance: Where the dataset comes from.
    """

    name: str
    files: tuple[tuple[str, int], ...]
    unread: tuple[str, ...]
    interactions: int
    shown: int
    repeated: int
    users: int
    users_listed: int | None
    users_unlisted: int
    items: int
    items_consumed: int
    items_listed: int | None
    items_unlisted: int
    rows_unlisted: int
    density: float
    lengths: Spread
    length_bars: Bars
    short_users: int
    popularity: Popularity
    ratings: Bars | None
    times: Times | None
    languages: tuple[Language, ...]
    homes_from: str | None
    items_have_language: bool
    matrix_names: tuple[str, ...]
    matrix: tuple[tuple[int, ...], ...] | None
    bridging: Bridging
    texts: Texts | None
    provenance: Provenance


def read_profile(data_path: Path, name: str) -> Profile:
    """Computes the profile of the dataset `<data_path>/<name>/`.

    Raises:
        DataError: There is no such dataset, it has no interactions, or a file of it cannot be read.
    """
    folder = dataset_folder(data_path, name)
    paths = inter_files(folder, name)
    inter = read_interactions(paths)
    users = read_listed(folder / f"{name}.{c.USER}", c.USER_ID)
    items = read_listed(folder / f"{name}.{c.ITEM}", c.ITEM_ID)
    texts = read_texts(folder / f"{name}.{c.TEXT}")
    item_ids = _all_items(inter, items)
    codes = LanguageCodes(inter, item_ids, items, users, texts)
    works = _works(item_ids, items)
    places = item_ids.get_indexer(texts.ids) if texts is not None else np.empty(0, dtype=np.int64)
    written = places if texts is None else np.where(texts.filled, places, -1)
    cells = matrix(inter, codes)
    lengths = np.bincount(inter.users)
    return Profile(
        name=name,
        files=inter.files,
        unread=_unread(folder, name, paths),
        **_sizes(inter, users, items, len(item_ids)),
        lengths=measures.spread(lengths),
        length_bars=measures.length_bars(lengths),
        short_users=int((lengths < SHORTEST).sum()),
        popularity=_popularity(np.bincount(inter.items)),
        ratings=None if inter.ratings is None else measures.value_bars(inter.ratings),
        times=None if inter.times is None else _times(inter.users, inter.times),
        languages=languages(inter, codes, None if texts is None else texts.titles) if len(codes.names) > 1 else (),
        homes_from=codes.homes_from,
        items_have_language=codes.items is not None,
        matrix_names=codes.names,
        matrix=cells,
        bridging=bridging(inter, codes, works, np.append(works, -1)[written], cells),
        texts=None if texts is None else _texts(texts, places, len(item_ids), codes),
        provenance=read_provenance(folder / f"{name}.meta.json"),
    )


def _sizes(inter: Interactions, users: Listed | None, items: Listed | None, item_count: int) -> dict[str, Any]:
    """The fields of a profile that count users, items and interactions."""
    pairs = measures.distinct_pairs(inter.users, inter.items)
    unlisted = _unlisted(inter.item_ids, items)
    return {
        "interactions": len(inter.users),
        "shown": inter.shown,
        "repeated": len(inter.users) - pairs,
        "users": len(inter.user_ids),
        "users_listed": None if users is None else len(users.ids),
        "users_unlisted": int(_unlisted(inter.user_ids, users).sum()),
        "items": item_count,
        "items_consumed": len(inter.item_ids),
        "items_listed": None if items is None else len(items.ids),
        "items_unlisted": int(unlisted.sum()),
        "rows_unlisted": int(unlisted[inter.items].sum()),
        "density": pairs / (len(inter.user_ids) * len(inter.item_ids)),
    }


def _all_items(inter: Interactions, items: Listed | None) -> pd.Index:
    """The items with interactions, then those that are in the item file only."""
    return inter.item_ids if items is None else inter.item_ids.append(items.ids[~items.ids.isin(inter.item_ids)])


def _works(item_ids: pd.Index, items: Listed | None) -> Array:
    """The code of each item's work; an item that has none is its own."""
    works = pd.Series(item_ids.to_numpy(), index=item_ids, dtype=object)
    if items is not None and items.works is not None:
        works.loc[items.ids] = items.works.to_numpy()
    return np.asarray(pd.factorize(works)[0])


def _unlisted(ids: pd.Index, listed: Listed | None) -> Array:
    return np.zeros(len(ids), dtype=bool) if listed is None else ~ids.isin(listed.ids)


def _unread(folder: Path, name: str, paths: list[Path]) -> tuple[str, ...]:
    return tuple(sorted(path.name for path in folder.glob(f"{name}.*.{c.INTER}") if path not in paths))


def _popularity(counts: Array) -> Popularity:
    shares = [measures.top_share(counts, percent) for percent in (1, 10)]
    return Popularity(shares[0], shares[1], measures.gini(counts), measures.concentration(counts))


def _times(users: Array, times: Array) -> Times:
    known = times[~np.isnan(times)]
    if not len(known):
        return Times(float("nan"), float("nan"), len(times), 0.0, ())
    tied = measures.tied_share(users, times)
    found = Times(float(known.min()), float(known.max()), len(times) - len(known), tied, ())
    if not found.are_dates:
        return found
    return Times(found.first, found.last, found.missing, tied, measures.time_bars(known))


def _texts(texts: TextTable, places: Array, items: int, codes: LanguageCodes) -> Texts:
    def share(rows: Array) -> float:
        return len(np.unique(places[rows & (places >= 0)])) / items

    own = None
    if codes.items is not None:
        own = share(texts.filled & (codes.texts == codes.items[places]) & (codes.texts > 0))
    return Texts(
        rows=len(places),
        strays=int((places < 0).sum()),
        with_text=share(texts.filled),
        with_title=None if texts.titles is None else share(texts.titles > 0),
        own_language=own,
        fields=texts.fields,
        repeated=texts.repeated,
        repeats=texts.repeats,
        example=texts.example,
    )
