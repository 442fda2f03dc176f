"""Any tables, TSV, CSV, Parquet or JSON lines, by a mapping of their columns: how users bring their own data.

The mapping is a YAML file:

```yaml
interactions:
  file: ratings.tsv
  columns: {user_id: userId, item_id: movieId, rating: rating, timestamp: timestamp}
items:
  - file: items.tsv
    columns: {item_id: movieId, language: lang, category: {split: genres, by: "|"}, title: name}
```

A value names a raw column, or is one of `{sql: an expression}`, `{split: column, by: text}`, `{extract: a pattern with
one group, from: column}`, `{value: a constant}`. Texts that stand side by side in columns, one a language, are named by
`languages: {ja: {title: title_ja}, en: {title: title_en}}`; the item's own language is `language` of `columns`, or else
the first of these in which it has a text. `where` is an SQL condition. `known_items: true` leaves out interactions with
items that no item table has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from recbole_xlrec.convert.base import Batch, Source, Tables
from recbole_xlrec.convert.raw import RawFile
from recbole_xlrec.convert.read import Reader
from recbole_xlrec.convert.times import AUTO
from recbole_xlrec.data import columns as c
from recbole_xlrec.data.hints import did_you_mean
from recbole_xlrec.data.yaml_files import read_yaml
from recbole_xlrec.errors import ConfigError

if TYPE_CHECKING:
    from importlib.abc import Traversable

_ABOUT = ("title", "url", "licence", "citation")
_KEYS = (*_ABOUT, "time", "features", "texts", "known_items")
_TABLES = ("interactions", "items", "users")
_TABLE_KEYS = ("file", "format", "separator", "columns", "where", "languages")
_WHERE = "__where"
_FORMATS = {".tsv": "tsv", ".txt": "tsv", ".csv": "csv", ".parquet": "parquet", ".jsonl": "jsonl", ".json": "jsonl"}


def read(reader: Reader) -> Tables:
    """The tables that the mapping names."""
    mapping = _mapping(reader)
    interactions = [_batches(reader, entry, "interactions") for entry in _entries(mapping, "interactions")]
    items = [_batches(reader, entry, "items") for entry in _entries(mapping, "items")]
    users = [_batches(reader, entry, "users") for entry in _entries(mapping, "users")]
    timed = any(c.TIMESTAMP in entry["columns"] for entry in _entries(mapping, "interactions"))
    return Tables(
        interactions=(batch for part in interactions for batch in part),
        items=(batch for part in items for batch in part),
        users=(batch for part in users for batch in part),
        time=str(mapping.get("time", AUTO)) if timed else None,
        features=mapping.get("features", {}),
        texts=tuple(mapping.get("texts", (c.TITLE, c.DESCRIPTION))),
        known_items=bool(mapping.get("known_items", False)),
        described={key: str(mapping[key]) for key in _ABOUT if key in mapping},
    )


def _mapping(reader: Reader) -> Mapping[str, Any]:
    given = reader.settings.get("mapping")
    if given is None:
        raise ConfigError(
            "--option mapping=FILE.yaml says which columns of your files are what; the README shows one. "
            f"Shipped ones: {', '.join(shipped())}."
        )
    if given in shipped():
        with resources.as_file(_folder() / f"{given}.yaml") as path:
            mapping = read_yaml(path)
    else:
        file = reader.own_files(given).one("*")
        mapping = read_yaml(file.path)
        reader.used.append(file)
    _known(mapping, (*_KEYS, *_TABLES), f"the mapping {given}")
    if not mapping.get("interactions"):
        raise ConfigError(f"The mapping {given} names no interactions: interactions: {{file: …, columns: {{…}}}}")
    return mapping


def shipped() -> list[str]:
    """Names of the mappings that come with the package."""
    return sorted(entry.name.removesuffix(".yaml") for entry in _folder().iterdir())


def _folder() -> Traversable:
    return resources.files("recbole_xlrec") / "resources" / "mappings"


def _entries(mapping: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
    entries = mapping.get(kind, [])
    entries = [entries] if isinstance(entries, Mapping) else list(entries)
    for entry in entries:
        _known(entry, _TABLE_KEYS, f"{kind} of the mapping")
        for key in ("file", "columns"):
            if key not in entry:
                raise ConfigError(f"{kind} of the mapping: {key} is missing.")
    return entries


def _known(found: Mapping[str, Any], keys: tuple[str, ...], where: str) -> None:
    for key in found:
        if key not in keys:
            raise ConfigError(f"{where}: unknown key {key!r}.{did_you_mean(key, keys)} Known: {', '.join(keys)}.")


def _batches(reader: Reader, entry: Mapping[str, Any], kind: str) -> Iterator[Batch]:
    views = [_view(columns, where) for columns, where in _views(entry)]
    raw = sorted({name for view in views for expr in view.values() for name in expr.meta.root_names()})
    for file in reader.folder.some(str(entry["file"])):
        for batch in _rows(reader, file, entry, raw):
            try:
                frames = [batch.select(**view).frame.filter(pl.col(_WHERE)).drop(_WHERE) for view in views]
            except pl.exceptions.PolarsError as error:
                raise ConfigError(f"{kind} of the mapping, {file.name}: {error}") from error
            yield Batch(batch.file, pl.concat(frames, how="diagonal_relaxed"))


def _views(entry: Mapping[str, Any]) -> list[tuple[dict[str, Any], str | None]]:
    """The columns and conditions of each set of rows that one raw row gives: its own, and one a language."""
    columns, where = dict(entry["columns"]), entry.get("where")
    extra = []
    for language, texts in entry.get("languages", {}).items():
        texts = dict(texts)
        own = texts.pop("where", None)
        there = " OR ".join(f'"{column}" IS NOT NULL' for column in texts.values() if isinstance(column, str))
        conditions = [f"({condition})" for condition in (where, own, there) if condition]
        extra.append(({**columns, c.LANGUAGE: {"value": language}, **texts}, " AND ".join(conditions) or None))
    return [(columns, where), *extra] if c.LANGUAGE in columns else [*extra, (columns, where)]


def _view(columns: Mapping[str, Any], where: str | None) -> dict[str, pl.Expr]:
    condition = _sql(where) if where else pl.lit(True)
    return {**{name: _expression(value) for name, value in columns.items()}, _WHERE: condition}


def _sql(text: str) -> pl.Expr:
    try:
        return pl.sql_expr(text)
    except pl.exceptions.PolarsError as error:
        raise ConfigError(f"The mapping's SQL {text!r} is not understood: {error}") from error


def _expression(value: Any) -> pl.Expr:
    if isinstance(value, str):
        return pl.col(value)
    if isinstance(value, Mapping) and set(value) == {"sql"}:
        return _sql(str(value["sql"]))
    if isinstance(value, Mapping) and set(value) == {"value"}:
        return pl.lit(str(value["value"]))
    if isinstance(value, Mapping) and set(value) == {"extract", "from"}:
        return pl.col(str(value["from"])).str.extract(str(value["extract"]))
    if isinstance(value, Mapping) and set(value) == {"split", "by"}:
        return pl.col(str(value["split"])).str.split(str(value["by"]))
    raise ConfigError(
        f"A column of the mapping is {value!r}; write the name of a raw column, {{sql: …}}, {{value: …}}, "
        "{split: column, by: text} or {extract: pattern, from: column}."
    )


def _rows(reader: Reader, file: RawFile, entry: Mapping[str, Any], names: list[str]) -> Iterator[Batch]:
    kind = entry.get("format") or _FORMATS.get(Path(file.name.removesuffix(".gz")).suffix.lower())
    if kind == "parquet":
        return reader.parquet(file, names)
    if kind == "jsonl":
        return reader.json_lines(file, dict.fromkeys(names, pl.String))
    if kind == "tsv":
        return reader.delimited(file, names, str(entry.get("separator", "\t")), True)
    if kind == "csv":
        return reader.quoted(file, names, str(entry.get("separator", ",")))
    raise ConfigError(f"{file.name}: of which format? Add format: tsv, csv, parquet or jsonl to the mapping.")


SOURCE = Source(
    name="table",
    title="Any tables, by a mapping of their columns",
    read=read,
    url="yours",
    licence="yours",
    citation="yours",
    size="any",
    languages="any",
    good_for="bringing your own data: interactions, items with texts, users",
    layout="the files that the mapping names: .tsv, .csv, .parquet, .jsonl, each also as .gz or in a zip",
    options={"mapping": "YAML file that says which columns are what, or the name of a shipped one"},
)
