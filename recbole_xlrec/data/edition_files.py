"""The files of a dataset with an item for each edition (see `editions`), and its interactions with these."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recbole_xlrec.data.atomic import read_atomic, read_header, write_atomic
from recbole_xlrec.data.coin import choices, tosses
from recbole_xlrec.data.columns import ITEM, ITEM_ID, LANGUAGE, TEXT, TOKEN, USER, WORK_ID
from recbole_xlrec.data.editions import EDITION, LISTED, PARALLEL, inter_files
from recbole_xlrec.data.text_table import read_text_table


class Fields(NamedTuple):
    """Names of a dataset's columns that can be other than the usual ones."""

    user: str
    item: str
    time: str
    head: str
    tail: str
    entity: str


def write_editions(
    source: Path, name: str, editions: pd.DataFrame, fields: Fields, more: Iterable[str], target: Path
) -> dict[str, Any]:
    """Writes all files of a dataset but its interactions.

    Each edition has the features and links of its item, the texts in its language, and its item's id for `work_id`; an
    item that stayed one keeps all its texts. Users stay as they are.

    Args:
        source: The dataset's folder.
        name: The dataset's name.
        editions: From `read_editions`.
        fields: Names of columns.
        more: Suffixes of further files that are taken over as they are.
        target: Folder for the new files.

    Returns:
        Counts: how many `items` there are by the number of their languages, and how many `editions`.
    """
    listed = editions[editions[LISTED]]
    _write_items(source / f"{name}.{ITEM}", listed, fields.item, target)
    _write_texts(source / f"{name}.{TEXT}", editions, target)
    _write_links(source, name, listed, fields, target)
    for suffix in (USER, *more):
        if (path := source / f"{name}.{suffix}").is_file():
            shutil.copyfile(path, target / path.name)
    numbers = listed.groupby(ITEM_ID)[PARALLEL].sum().value_counts().sort_index(ascending=False)
    return {"items": {str(number): int(count) for number, count in numbers.items()}, "editions": len(listed)}


def write_interactions(
    source: Path,
    name: str,
    catalogue: Path,
    languages: Sequence[str],
    fields: Fields,
    share: float,
    seed: int,
    target: Path,
) -> dict[str, Any]:
    """Writes a dataset's interactions, each with the edition that its coin falls on, else unchanged and in their order.

    Args:
        source: The dataset's folder.
        name: The dataset's name.
        catalogue: Folder that `write_editions` has filled.
        languages: Those that items can be read in.
        fields: Names of columns.
        share: Chance that an interaction is in another language than the first, where its item has both.
        seed: Of the coins.
        target: Folder for the new files.

    Returns:
        Counts: how many `interactions` there are in each language.
    """
    editions = read_atomic(catalogue / f"{name}.{ITEM}", [fields.item, LANGUAGE, WORK_ID])
    works, table = _by_work(editions, fields.item, languages)
    tags = pd.Series(editions[LANGUAGE].to_numpy(), index=editions[fields.item])
    read = []
    for part, path in inter_files(source, name).items():
        types, rows = read_header(path), read_atomic(path)
        key = [field for field in (fields.user, fields.item, fields.time) if field in types]
        there = table[works.get_indexer(pd.Index(rows[fields.item]))]  # (rows, languages)
        chosen = choices(tosses(rows, key, types, seed, part), there != "", share)  # (rows,)
        rows[fields.item] = there[np.arange(len(rows)), chosen]
        write_atomic(target / path.name, rows, types)
        read.append(tags.loc[rows[fields.item]])
    return {"interactions": {tag: int(count) for tag, count in pd.concat(read).value_counts().items()}}


def _by_work(editions: pd.DataFrame, field: str, languages: Sequence[str]) -> tuple[pd.Index, NDArray[Any]]:
    """Works; (works, languages) their editions, empty where there is none. One in no such language is in the first."""
    codes, works = pd.factorize(editions[WORK_ID])
    place = editions[LANGUAGE].map({language: place for place, language in enumerate(languages)}).fillna(0)
    table = np.full((len(works), len(languages)), "", dtype=object)
    table[codes, place.to_numpy(dtype=np.int64)] = editions[field].to_numpy()
    return pd.Index(works), table


def _write_items(path: Path, editions: pd.DataFrame, field: str, target: Path) -> None:
    rows = pd.DataFrame({field: editions[EDITION], LANGUAGE: editions[LANGUAGE], WORK_ID: editions[ITEM_ID]})
    types = {field: TOKEN}
    if path.is_file():
        types |= {column: kind for column, kind in read_header(path).items() if column not in rows}
        features = read_atomic(path, [field, *(column for column in types if column != field)])
        rows = rows.merge(features.rename(columns={field: WORK_ID}), on=WORK_ID, how="left")
    write_atomic(target / path.name, rows, types)


def _write_texts(path: Path, editions: pd.DataFrame, target: Path) -> None:
    texts = read_text_table(path)
    pairs = texts.merge(editions.rename(columns={LANGUAGE: "own"}), on=ITEM_ID)  # a row for each text and edition
    mine = pairs[(pairs[LANGUAGE] == pairs["own"]) | ~pairs[PARALLEL]]
    write_atomic(target / path.name, mine.assign(**{ITEM_ID: mine[EDITION]})[list(texts)], read_header(path))


def _write_links(source: Path, name: str, editions: pd.DataFrame, fields: Fields, target: Path) -> None:
    """RecBole knows one item an entity: an entity is doubled as its item is, with all that the graph says of it."""
    link, graph = source / f"{name}.link", source / f"{name}.kg"
    if not link.is_file() or not graph.is_file():
        return
    pairs = read_atomic(link).merge(editions.rename(columns={ITEM_ID: fields.item}), on=fields.item)
    pairs["copy"] = pairs[LANGUAGE] + ":" + pairs[fields.entity]
    linked = pairs.assign(**{fields.item: pairs[EDITION], fields.entity: pairs["copy"]})[list(read_header(link))]
    write_atomic(target / link.name, linked, read_header(link))
    triples = read_atomic(graph)
    for field in (fields.head, fields.tail):
        copies = pairs[[fields.entity, "copy"]].rename(columns={fields.entity: field})
        triples = triples.merge(copies, on=field, how="left")
        triples[field] = triples.pop("copy").fillna(triples[field])
    write_atomic(target / graph.name, triples, read_header(graph))
