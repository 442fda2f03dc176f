"""MIND, English news with the impressions in which they were shown, and its translations, xMIND.

`train` folders become the split train, `dev` folders valid, `test` folders test, of which the published one has no
clicks and adds nothing but news. A folder alone is not split. Papers report on dev, as the test clicks of MIND are not
published: `dataset_configs/mind.yaml` therefore evaluates on `[train, valid, valid]`.

A click has the time of its impression, which has no zone and is taken for UTC. The history of a user is repeated in all
his impressions, without times: it is written once, from the earliest split that has the user, as clicks of the split
train one second apart, the last of them one second before his first impression there. Only the order of these times is
real.

Translations are looked for below the input, or below `--option xmind=FOLDER`: `xMIND/jpn/xMINDsmall_train.zip`. The ids
of MINDsmall and MINDlarge differ, so only translations of the same size are taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import polars as pl

from recbole_xlrec.convert.base import LABEL, LINE, SPLIT, SPLITS, Batch, Source, Tables
from recbole_xlrec.convert.codes import Ids
from recbole_xlrec.convert.raw import RawFile, RawFolder
from recbole_xlrec.convert.read import Reader
from recbole_xlrec.convert.splits import Seen, by_split, split_of
from recbole_xlrec.convert.times import utc_seconds
from recbole_xlrec.data import columns as c
from recbole_xlrec.data.languages import normalise_language
from recbole_xlrec.errors import DataError, sample

_TIME = "%m/%d/%Y %I:%M:%S %p"
_HISTORY, _SHOWN = "history", "impressions"
_BEHAVIORS = ("impression_id", c.USER_ID, c.TIMESTAMP, _HISTORY, _SHOWN)
_NEWS = (c.ITEM_ID, "category", "subcategory", c.TITLE, c.DESCRIPTION)
_LABELLED = r"^\s*\S+-[01](?:\s+\S+-[01])*\s*$"
_XMIND = re.compile(r"(?:^|/)(?:([a-z]{2,3})/)?xmind(small|large)_", re.IGNORECASE)
_SIZE = re.compile(r"mind(small|large)", re.IGNORECASE)


def read(reader: Reader) -> Tables:
    """Clicks, histories, news and their translations."""
    behaviors = reader.folder.some("behaviors.tsv")
    news = [file for file in reader.folder.some("news.tsv") if not _XMIND.search(file.name)]
    if not news:
        raise reader.folder.missing(["MIND*/news.tsv"])
    news.sort(key=lambda file: SPLITS.index(split_of(file.name) or "train"))
    return Tables(
        interactions=_interactions(reader, behaviors),
        items=_news(reader, news, _translations(reader, behaviors)),
        time="s",
        texts=(c.TITLE, c.DESCRIPTION),
    )


def _interactions(reader: Reader, files: Sequence[RawFile]) -> Iterator[Batch]:
    users = Ids()
    for file, split in by_split(files):
        first = np.full(0, np.inf)  # by user number, the time of the earliest impression in this file
        histories: list[Batch] = []
        for batch in _impressions(reader, file, split):
            known = len(users)
            codes = users.codes(batch.frame[c.USER_ID])
            first = np.concatenate([first, np.full(len(users) - len(first), np.inf)])
            np.minimum.at(first, codes, batch.frame[c.TIMESTAMP].to_numpy())
            _, places = np.unique(codes, return_index=True)
            rows = batch.frame[np.sort(places[codes[places] >= known])]
            histories.append(Batch(file.name, rows.drop(_SHOWN).filter(pl.col(_HISTORY).is_not_null())))
            yield _finished(_shown(batch, reader.negatives), file.name, split)
        for batch in histories:
            start = first[users.codes(batch.frame[c.USER_ID])]
            yield _finished(_past(batch, start, reader.negatives), file.name, split and "train")


def _impressions(reader: Reader, file: RawFile, split: str | None) -> Iterator[Batch]:
    """The sound rows, their times in seconds; those of a test split whose clicks are not published are left out."""
    for batch in reader.delimited(file, _BEHAVIORS, "\t", False):
        if split == "test":
            batch = batch.filter(pl.col(_SHOWN).str.contains(r"-[01]\b"))
        batch = reader.reject(batch, pl.col(c.USER_ID).str.strip_chars().fill_null("") == "", "no user_id")
        labelled = pl.col(_SHOWN).str.contains(_LABELLED).fill_null(False)
        batch = reader.reject(batch, ~labelled, "impressions not of the form ID-0 or ID-1")
        seconds = utc_seconds(batch.frame[c.TIMESTAMP], _TIME)
        batch = reader.reject(batch, pl.lit(seconds.is_null()), "no timestamp that is understood")
        yield Batch(batch.file, batch.frame.with_columns(seconds.drop_nulls().alias(c.TIMESTAMP)))


def _shown(batch: Batch, negatives: bool) -> pl.DataFrame:
    """What was shown, or only what was clicked, a row each."""
    parts = pl.col(_SHOWN).str.extract_all(r"\S+" if negatives else r"\S+-1(?:\s|$)").alias(_SHOWN)
    rows = batch.frame.select(LINE, c.USER_ID, c.TIMESTAMP, parts).explode(_SHOWN).drop_nulls(_SHOWN)
    part = pl.col(_SHOWN).str.strip_chars()
    label = {LABEL: part.str.ends_with("1").cast(pl.Int8)} if negatives else {}
    return rows.select(LINE, c.USER_ID, c.TIMESTAMP, item_id=part.str.replace(r"-[01]$", ""), **label)


def _past(batch: Batch, start: np.ndarray, negatives: bool) -> pl.DataFrame:
    """The history of each row, its clicks a second apart before `start`."""
    rows = batch.frame.with_columns(pl.col(_HISTORY).str.extract_all(r"\S+"), pl.Series(c.TIMESTAMP, start))
    back = pl.int_ranges(pl.col(_HISTORY).list.len().cast(pl.Int64), 0, -1)
    rows = rows.with_columns(back=back).explode(_HISTORY, "back")
    label = {LABEL: pl.lit(1, dtype=pl.Int8)} if negatives else {}
    time = pl.col(c.TIMESTAMP) - pl.col("back")
    return rows.drop_nulls(_HISTORY).select(LINE, c.USER_ID, time, item_id=pl.col(_HISTORY), **label)


def _finished(rows: pl.DataFrame, file: str, split: str | None) -> Batch:
    added = {SPLIT: pl.lit(split)} if split else {}
    return Batch(file, rows.with_columns(pl.lit("en").alias(c.LANGUAGE), **added))


def _news(reader: Reader, news: Iterable[RawFile], translations: Iterable[tuple[RawFile, str]]) -> Iterator[Batch]:
    seen = Seen()
    english = pl.lit("en").alias(c.LANGUAGE)
    for file in news:
        for batch in reader.delimited(file, _NEWS, "\t", False, width=8):
            seen.first(batch, c.ITEM_ID)
            category = pl.concat_list("category", "subcategory")
            yield batch.select(c.ITEM_ID, english, c.TITLE, c.DESCRIPTION, category=category)
    for file, language in translations:
        for batch in reader.quoted(file, ("nid", "title", "abstract"), "\t"):
            named = batch.select("title", item_id=pl.col("nid"), description=pl.col("abstract"))
            # Of some news only the translation is there; they are English news all the same.
            yield seen.first(named, c.ITEM_ID).filter(pl.col(c.ITEM_ID).is_not_null()).select(c.ITEM_ID, english)
            yield named.select(c.ITEM_ID, c.TITLE, c.DESCRIPTION, language=pl.lit(language))


def _translations(reader: Reader, behaviors: Iterable[RawFile]) -> list[tuple[RawFile, str]]:
    """The files of xMIND that are wanted, with their languages, in the order in which these were asked for.

    Raises:
        DataError: A language that was asked for is not there, a file lies in no language's folder, or it cannot be told
            which size is wanted.
    """
    place = reader.settings.get("xmind")
    folder = reader.folder if place is None else reader.own_files(place)
    found = _xmind_files(folder)
    asked = [normalise_language(code.strip()) for code in reader.settings.get("text_languages", "").split(",") if code]
    sizes = {size.lower() for file in behaviors for size in _SIZE.findall(f"{reader.folder.root.name}/{file.name}")}
    sizes = sizes or {size for _, size, _ in found}
    if found and len(sizes) > 1:
        raise DataError(
            "There are translations of MINDsmall and of MINDlarge, whose ids differ, and the names of the folders do "
            "not say which of the two your news are. Give them the names MINDsmall_train, MINDsmall_dev, ..."
        )
    of_size = [(language, file) for language, size, file in found if size in sizes]
    there = list(dict.fromkeys(language for language, _ in of_size))
    missing = [language for language in asked if language not in there]
    if missing or (place is not None and not there):
        raise DataError(
            f"No translations {'into ' + sample(missing) if missing else ''} in xMIND{'|'.join(sorted(sizes))}_*/"
            f"news.tsv below {folder.root}; there are {sample(there, 20) if there else 'none'}. Get them from "
            "https://github.com/andreeaiana/xMIND and give --option xmind=FOLDER, a folder a language in it."
        )
    return [(file, language) for wanted in asked or there for language, file in of_size if language == wanted]


def _xmind_files(folder: RawFolder) -> list[tuple[str, str, RawFile]]:
    """Language, size and file of every translation."""
    found = []
    for file in folder.find("news.tsv"):
        place = _XMIND.search(f"{folder.root.name}/{file.name}" if folder.root.is_dir() else file.name)
        if place and not place.group(1):
            raise DataError(f"{file.name}: of which language? Put it into a folder named by it, such as jpn or ron.")
        if place:
            found.append((normalise_language(place.group(1).lower()), place.group(2).lower(), file))
    return found


SOURCE = Source(
    name="mind",
    title="MIND: Microsoft News Dataset, with the xMIND translations",
    read=read,
    url="https://msnews.github.io (translations: https://github.com/andreeaiana/xMIND)",
    licence="MIND: Microsoft Research License Terms, research only; xMIND: CC BY-NC-SA 4.0",
    citation="F. Wu et al. MIND: A Large-scale Dataset for News Recommendation. ACL 2020. Translations: A. Iana, "
    "G. Glavaš and H. Paulheim. MIND Your Language: A Multilingual Dataset for Cross-lingual News Recommendation. "
    "SIGIR 2024.",
    size="small: 50,000 users, 230,000 impressions, 100 MB; large: 1 million users, 15 million impressions, 2 GB",
    languages="en; with xMIND fi, gn, ht, id, ja, ka, ro, so, sw, ta, th, tr, vi, zh (machine translation)",
    good_for="news recommendation, new items every day; texts of one catalogue in up to 15 languages",
    layout="MINDsmall_train/behaviors.tsv, news.tsv\nMINDsmall_dev/behaviors.tsv, news.tsv (folders or zips of that "
    "name; MINDlarge_train, MINDlarge_dev, MINDlarge_test)\nxMIND/jpn/xMINDsmall_train.zip ... (optional)",
    options={
        "xmind": "folder of the translations, a folder a language in it; if they are not below the input",
        "text_languages": "translations to take, such as jpn,ron; all that are there if not given",
    },
)
