"""MicroLens: short videos, who commented on them and when, and their titles in Chinese and English.

Titles come in one file a language, under several names and in two forms: with a header and quoted
(`MicroLens-50k_titles.csv`), or without a header, everything after the first comma being the title, quotes and all
(`MicroLens-100k_title_en.csv`, `MicroLens-1M_title.csv`). The language is that of the file's name (`_en`, `_cn`, `_zh`)
or of `--option titles=FILE:LANGUAGE`; else it is Chinese where a tenth of the characters is, and English where not.
Chinese titles are the original ones: an item that has one is Chinese.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

import polars as pl

from recbole_xlrec.convert.base import Batch, Source, Tables
from recbole_xlrec.convert.raw import RawFile, opened
from recbole_xlrec.convert.read import Reader
from recbole_xlrec.data import columns as c
from recbole_xlrec.data.languages import normalise_language
from recbole_xlrec.errors import DataError

_NAMED = re.compile(r"_(en|cn|zh)(?![a-z])", re.IGNORECASE)
_CHINESE = r"\p{Han}"
_SHARE = 0.1


def read(reader: Reader) -> Tables:
    """Comments as interactions, and titles."""
    pairs = reader.folder.one("*_pairs.csv", "pairs.csv")
    rows = reader.delimited(pairs, ("user", "item", "timestamp"), ",", True)
    return Tables(
        interactions=(batch.select(c.TIMESTAMP, user_id=pl.col("user"), item_id=pl.col("item")) for batch in rows),
        items=_items(reader),
        time="auto",
    )


def _items(reader: Reader) -> Iterator[Batch]:
    files = [_told(reader, file, given) for file, given in _title_files(reader)]
    for language, batches in sorted(files, key=lambda entry: entry[0] != "zh"):
        for batch in batches:
            yield batch.select(c.ITEM_ID, c.TITLE, language=pl.lit(language))


def _title_files(reader: Reader) -> list[tuple[RawFile, str]]:
    """The files of titles and their languages, empty where they are not told."""
    if "titles" not in reader.settings:
        files = reader.folder.find("*_title*.csv", "title*.csv")
        return [(file, named.group(1) if (named := _NAMED.search(file.name)) else "") for file in files]
    found = []
    for entry in reader.settings.get("titles", "").split(","):
        path, colon, language = entry.rpartition(":") if re.search(r":[\w-]+$", entry) else (entry, "", "")
        file = reader.own_files(path.strip()).one("*")
        named = _NAMED.search(file.name)
        found.append((file, language if colon else named.group(1) if named else ""))
    return found


def _told(reader: Reader, file: RawFile, language: str) -> tuple[str, Iterator[Batch]]:
    """The language of a file of titles, looked for in its first rows where nothing tells it, and its rows."""
    header = _header(file)
    batches = _quoted(reader, file, header) if header else _lines(reader, file)
    if language:
        return normalise_language({"cn": "zh"}.get(language.lower(), language)), batches
    start = next(batches, None)
    if start is None:
        return "zh", iter(())
    titles = start.frame[c.TITLE]
    chinese = int(titles.str.count_matches(_CHINESE).sum()) > _SHARE * int(titles.str.len_chars().sum())
    return "zh" if chinese else "en", chain([start], batches)


def _header(file: RawFile) -> list[str]:
    """The columns that the first line names; none where it begins with a number, as a row does."""
    with opened(file) as handle:
        line = handle.readline(4096).decode("utf-8-sig", "replace")
    cells = [cell.strip().strip('"') for cell in line.split(",")]
    return [] if cells[0].isdecimal() else cells


def _quoted(reader: Reader, file: RawFile, header: list[str]) -> Iterator[Batch]:
    if len(header) < 2:
        raise DataError(f"{file.name}: expected lines of an item, a comma and its title; the first is {header[0]!r}.")
    item, title = header[:2]
    for batch in reader.quoted(file, (item, title)):
        yield batch.select(item_id=pl.col(item), title=pl.col(title))


def _lines(reader: Reader, file: RawFile) -> Iterator[Batch]:
    """Rows of which the first comma alone separates; quotes around a whole title are taken off."""
    for batch in reader.delimited(file, ("line",), "\x01", False):
        batch = reader.reject(batch, ~pl.col("line").str.contains(",", literal=True), "no comma after the item")
        parts = pl.col("line").str.splitn(",", 2).struct
        title = parts.field("field_1").str.strip_chars()
        whole = title.str.contains(r'^"(?:[^"]|"")*"$')
        bare = title.str.slice(1, title.str.len_chars() - 2).str.replace_all('""', '"', literal=True)
        yield batch.select(item_id=parts.field("field_0"), title=pl.when(whole).then(bare).otherwise(title))


SOURCE = Source(
    name="microlens",
    title="MicroLens: short videos with titles, 50K, 100K and 1M",
    read=read,
    url="https://github.com/westlake-repl/MicroLens",
    licence="research; passing on changed copies is not allowed (see the page)",
    citation="Y. Ni et al. A Content-Driven Micro-Video Recommendation Dataset at Scale. arXiv:2309.15379, 2023.",
    size="50,000 users, 360,000 interactions to 1 million users, 9.1 million interactions; 10 to 250 MB without videos",
    languages="zh, en",
    good_for="short-video recommendation, implicit feedback with exact times; titles in two languages",
    layout="MicroLens-50k_pairs.csv, MicroLens-50k_titles.csv | MicroLens-100k_pairs.csv, "
    "MicroLens-100k_title_en.csv | MicroLens-1M_pairs.csv, MicroLens-1M_title.csv (one size a folder; no titles, or "
    "several files of them)",
    options={"titles": "files of titles if they lie elsewhere, FILE or FILE:LANGUAGE, with commas between"},
)
