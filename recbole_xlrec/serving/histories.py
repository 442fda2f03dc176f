"""Readers of what is asked: users and histories from JSON lines or CSV, from a file or from standard input."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, TextIO

from recbole_xlrec.data.columns import ITEM_ID, LANGUAGE, USER_ID
from recbole_xlrec.data.files import existing_file
from recbole_xlrec.data.hints import did_you_mean
from recbole_xlrec.errors import ConfigError, DataError, sample
from recbole_xlrec.serving.queries import Query

Format = Literal["jsonl", "csv"]
STDIN = "-"
_HISTORY = "history"
_KEYS = (USER_ID, _HISTORY, LANGUAGE)


def read_queries(path: str, kind: Format | None = None) -> Iterator[Query]:
    """Reads queries one by one, so that a file may be larger than memory.

    JSON lines: ``{"user_id": "u1"}`` asks for a user of the run; ``{"user_id": "me", "history": ["a", "b"], "language":
    "de"}`` for a history, oldest first, for which the user id is a name and may be left out, as may the language.

    CSV: a column `user_id` alone asks for users; with `item_id` each row is an item of a history, the rows of one
    history one after the other, oldest first; `language` may be there.

    Args:
        path: The file; `-` for standard input.
        kind: Its format; None for what its name says, and JSON lines for standard input.

    Raises:
        DataError: If the file is not there or a line is not as it must be.
        ConfigError: If neither the name nor `kind` says the format.
    """
    kind = kind or _kind(path)
    with _opened(path) as lines:
        where = "standard input" if path == STDIN else path
        yield from (_from_json if kind == "jsonl" else _from_csv)(lines, where)


def _kind(path: str) -> Format:
    if path == STDIN:
        return "jsonl"
    found: dict[str, Format] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".csv": "csv"}
    suffix = Path(path).suffix.lower()
    if suffix not in found:
        raise ConfigError(f"{path}: its name does not end in {', '.join(found)}; say --input-format jsonl or csv")
    return found[suffix]


@contextmanager
def _opened(path: str) -> Iterator[TextIO]:
    if path == STDIN:
        yield sys.stdin
        return
    with existing_file(path).open(encoding="utf-8-sig", newline="") as lines:
        yield lines


def _from_json(lines: Iterable[str], where: str) -> Iterator[Query]:
    for number, line in enumerate(_decoded(lines, where), start=1):
        if not line.strip():
            continue
        place = f"{where}: line {number}"
        try:
            value = json.loads(line)
        except ValueError as error:
            raise DataError(f"{place} is no JSON: {error}") from error
        yield _query(value, place, str(number))


def _query(value: Any, place: str, name: str) -> Query:
    if not isinstance(value, dict):
        raise DataError(f'{place} is no JSON object, as {{"{_HISTORY}": ["a", "b"]}}; found {str(value)[:40]!r}')
    for key in value:
        if key not in _KEYS:
            raise DataError(f"{place}: unknown key {key!r}.{did_you_mean(key, _KEYS)} The keys are {', '.join(_KEYS)}")
    user, history, language = (value.get(key) for key in _KEYS)
    if user is None and history is None:
        raise DataError(f"{place} has neither {USER_ID} nor {_HISTORY}")
    for key, text in ((USER_ID, user), (LANGUAGE, language)):
        if text is not None and not isinstance(text, (str, int)):
            raise DataError(f"{place}: {key} is a string; found {text!r}")
    if history is not None and not isinstance(history, list):
        raise DataError(f"{place}: {_HISTORY} is a list of item ids; found {history!r}")
    wrong = [item for item in history or [] if isinstance(item, bool) or not isinstance(item, (str, int))]
    if wrong:
        raise DataError(f"{place}: {_HISTORY} holds what is no item id: {sample(wrong)}")
    items = None if history is None else [str(item) for item in history]
    named = name if user is None else str(user)
    return Query(named, named if items is None else None, items, None if language is None else str(language))


def _from_csv(lines: Iterable[str], where: str) -> Iterator[Query]:
    rows = csv.DictReader(_decoded(lines, where), strict=True)
    columns = list(rows.fieldnames or [])
    unknown = [column for column in columns if column not in (USER_ID, ITEM_ID, LANGUAGE)]
    if USER_ID not in columns or unknown:
        raise DataError(
            f"{where}: the columns are {USER_ID}, and for histories {ITEM_ID}, and {LANGUAGE} if you like; found "
            f"{sample(columns)}"
        )
    checked = _checked(rows, columns, where)
    if ITEM_ID not in columns:
        yield from (Query(row[USER_ID], user=row[USER_ID]) for row in checked)
        return
    for user, group in groupby(checked, key=lambda row: row[USER_ID]):
        mine = list(group)
        yield Query(user, None, [row[ITEM_ID] for row in mine], mine[-1].get(LANGUAGE) or None)


def _checked(rows: csv.DictReader[str], columns: list[str], where: str) -> Iterator[dict[str, str]]:
    try:
        for row in rows:
            if None in row or None in row.values():
                raise DataError(f"{where}: line {rows.line_num} has not the {len(columns)} cells of the header")
            yield row
    except csv.Error as error:
        raise DataError(f"{where}: line {rows.line_num} is no CSV: {error}") from error


def _decoded(lines: Iterable[str], where: str) -> Iterator[str]:
    try:
        yield from lines
    except UnicodeDecodeError as error:
        raise DataError(f"{where} is not UTF-8: {error}") from error


def read_ids(path: Path) -> list[str]:
    """Item ids, one a line; empty lines do not count.

    Raises:
        DataError: If the file is not there, not UTF-8 or empty.
    """
    try:
        found = [line.strip() for line in existing_file(path).read_text(encoding="utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8: {error}") from error
    ids = [line for line in found if line]
    if not ids:
        raise DataError(f"{path}: there is no item id in it; write one a line")
    return ids
