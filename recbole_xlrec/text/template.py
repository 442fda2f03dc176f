"""Item rows to texts: one template for all languages, or one per language.

A template is written as for `str.format`, with plain field names only: `"{title} ({release_year}). {genres}"`. A field
that is empty in a row takes along the text that belongs to it, so that no `". ."` and no `"()"` is left over. What
belongs to a field: before it, the separator and the label or opening bracket; after it, the closing brackets and, for
the last field, all that follows. The separator is written only between two fields that are both there.
"""

from __future__ import annotations

import difflib
import re
import string
import unicodedata
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from recbole_xlrec.data.columns import DESCRIPTION, GENRES, LANGUAGE, TITLE
from recbole_xlrec.errors import ConfigError, DataError, sample

DEFAULT_TEMPLATE = "{title}. {genres}. {description}"
DEFAULT_FIELDS = (TITLE, GENRES, DESCRIPTION)
DEFAULT_KEY = "default"

#: A literal between two fields: brackets that close the first, what separates them, a label that opens the second.
_LITERAL = re.compile(r"(?P<closing>[)\]}»”’」』】）]*)(?P<separator>[^\w(\[{«“‘「『【（]*)(?P<label>.*)", re.DOTALL)


class Part(NamedTuple):
    """One field of a template with the literal text that stands or falls with it."""

    separator: str
    before: str
    field: str
    after: str


def render(rows: pd.DataFrame, template: str | Mapping[str, str] | None = None) -> list[str]:
    """Writes the text of every row.

    Args:
        rows: One row per item and language: text columns (strings, '' where missing) and, where `template` differs by
            language, the column `language`.
        template: One template; or one per language tag, where a tag without its own template takes its base's
            (`zh-CN`, then `zh`) and the others take the one named `default`; or None for `default_template`.

    Returns:
        One text per row, in the order of the rows: NFC-normalised, each run of white space one blank, '' where every
        field is empty.

    Raises:
        ConfigError: A template is malformed or names a column that is not there, or a language has no template.
        DataError: A field holds something else than strings, or the language column is missing.

    Example:
        >>> rows = pd.DataFrame({"title": ["Heidi", "Momo"], "genres": ["", "Fantasy"]})
        >>> render(rows, "{title}. {genres}")
        ['Heidi', 'Momo. Fantasy']
    """
    if template is None:
        template = default_template(rows.columns)
    if isinstance(template, str):
        return _render_all(rows, parse_template(template, rows.columns))
    parsed = {_tag(tag): parse_template(text, rows.columns) for tag, text in template.items()}
    texts = np.full(len(rows), "", dtype=object)
    for tag, positions in _rows_by_template(rows, parsed).items():
        texts[positions] = _render_all(rows.iloc[positions], parsed[tag])
    return list(texts)


def default_template(columns: Iterable[str]) -> str:
    """Returns `DEFAULT_TEMPLATE` restricted to the fields among `columns`.

    Raises:
        ConfigError: None of title, genres and description is a column.
    """
    names = list(columns)
    fields = [field for field in DEFAULT_FIELDS if field in names]
    if not fields:
        raise ConfigError(
            f"template: none of the default fields {', '.join(DEFAULT_FIELDS)} is a column of the text table, which "
            f"has {sample(names, limit=20)}. Name the fields to use, such as template: '{{title}}'."
        )
    return ". ".join(f"{{{field}}}" for field in fields)


def parse_template(template: str, columns: Iterable[str]) -> list[Part]:
    """Splits a template into its fields, each with the literal text that belongs to it.

    Raises:
        ConfigError: The template is malformed, has no field, or names one that is not among `columns`.
    """
    try:
        pieces = list(string.Formatter().parse(re.sub(r"\s+", " ", template)))
    except ValueError as error:
        raise ConfigError(f"template {template!r}: {error}. Write fields as {{title}}, a brace as {{{{.") from error
    known = list(columns)
    parts: list[Part] = []
    literal = ""
    for text, field, spec, conversion in pieces:
        literal += text
        if field is None:  # an escaped brace, or the end
            continue
        _check_field(template, field, bool(spec or conversion), known)
        closing, separator, label = _split_literal(literal) if parts else ("", "", literal)
        parts = [*_close(parts, closing), Part(separator, label, field, "")]
        literal = ""
    parts = _close(parts, literal)
    if not parts:
        raise ConfigError(f"template {template!r} has no field: write at least one, such as {{title}}.")
    return parts


def _split_literal(literal: str) -> tuple[str, str, str]:
    match = _LITERAL.fullmatch(literal)
    return (match["closing"], match["separator"], match["label"]) if match else ("", literal, "")


def _close(parts: list[Part], text: str) -> list[Part]:
    """Gives `text` to the last part as what follows its field."""
    return [*parts[:-1], parts[-1]._replace(after=parts[-1].after + text)] if parts else parts


def _check_field(template: str, field: str, formatted: bool, known: list[str]) -> None:
    if formatted:
        raise ConfigError(f"template {template!r}: field {{{field}…}} has a format or conversion; write {{{field}}}.")
    if field not in known:
        near = difflib.get_close_matches(field, known, n=1)
        hint = f"Did you mean {{{near[0]}}}?" if near else f"The columns are {sample(known, limit=20)}."
        raise ConfigError(f"template {template!r}: the text table has no column {field!r}. {hint}")


def _tag(tag: str) -> str:
    return tag.casefold().replace("_", "-")


def _rows_by_template(rows: pd.DataFrame, parsed: Mapping[str, list[Part]]) -> dict[str, list[int]]:
    """Returns the row positions that each template writes."""
    if LANGUAGE not in rows.columns:
        raise DataError(
            f"templates by language need the column {LANGUAGE!r}; the text table has {sample(rows.columns, limit=20)}. "
            "Add it, or give one template."
        )
    positions: dict[str, list[int]] = {}
    missing: dict[str, int] = {}
    groups = rows.groupby(LANGUAGE, sort=True, dropna=False).indices
    for language, found in groups.items():
        tag = _nearest_tag(str(language), parsed)
        if tag is None:
            missing[str(language)] = len(found)
        else:
            positions.setdefault(tag, []).extend(np.asarray(found).tolist())
    if missing:
        raise ConfigError(
            f"template: {sum(missing.values())} rows are in languages without a template: {sample(missing)}; there are "
            f"templates for {sample(parsed, limit=20)}. Add theirs, or one named {DEFAULT_KEY!r}."
        )
    return positions


def _nearest_tag(language: str, parsed: Mapping[str, list[Part]]) -> str | None:
    subtags = _tag(language).split("-")
    for length in range(len(subtags), 0, -1):
        if (tag := "-".join(subtags[:length])) in parsed:
            return tag
    return DEFAULT_KEY if DEFAULT_KEY in parsed else None


def _render_all(rows: pd.DataFrame, parts: list[Part]) -> list[str]:
    texts = [""] * len(rows)
    for separator, before, field, after in parts:
        between = separator + before
        texts = [
            (f"{text}{between}{value}{after}" if text else f"{before}{value}{after}") if value else text
            for text, value in zip(texts, _clean_column(rows, field), strict=True)
        ]
    return [text if text.isascii() else unicodedata.normalize("NFC", text) for text in map(str.strip, texts)]


def _clean_column(rows: pd.DataFrame, field: str) -> list[str]:
    values = rows[field].tolist()
    wrong = [value for value in values if not isinstance(value, str)]
    if wrong:
        raise DataError(
            f"text table, column {field!r}: {len(wrong)} of {len(values)} values are not strings: {sample(wrong)}. "
            "Write a missing text as ''."
        )
    return [" ".join(value.split()) for value in values]
