"""The texts and vectors of a dataset's whole catalogue, so that they are encoded once whatever is filtered later."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recbole_xlrec.data.atomic import read_atomic, read_header
from recbole_xlrec.data.columns import ITEM, ITEM_ID, LANGUAGE, TEXT
from recbole_xlrec.data.tables import duplicate_check
from recbole_xlrec.data.text_table import primary_texts, read_text_table
from recbole_xlrec.errors import ConfigError, DataError, sample
from recbole_xlrec.text.encoders.aligned import with_language
from recbole_xlrec.text.encoders.file import load_vectors, match_rows
from recbole_xlrec.text.encoders.registry import file_path, is_file_spec
from recbole_xlrec.text.encoders.versions import join_versions, version_id
from recbole_xlrec.text.options import EncoderOptions, Template, catalogue_encoder
from recbole_xlrec.text.store import VectorStore
from recbole_xlrec.text.template import render
from recbole_xlrec.text.vectors import Vectors

logger = logging.getLogger(__name__)

#: Encoders that learn from the very texts they encode, so that every text has a part in every vector.
LEARNING = ("ngram",)

#: How several texts of one item become one vector, or one each.
VERSIONS = ("join", "mean", "each")
RENDERED = "rendered"


def catalogue_texts(folder: Path, name: str, template: Template, languages: str) -> tuple[list[str], list[str]]:
    """Renders one text an item.

    Args:
        folder: The dataset's folder.
        name: The dataset's name.
        template: Fields of the text table and of the item file; None for title, genres and description.
        languages: `own`: the text in the item's own language, or else its first one; `all`: its texts in all languages,
            one after the other, each different one once.

    Returns:
        Item ids and their texts, in the order in which the text table first has them.

    Raises:
        DataError: If there is no text table, or it or the item file is not as it must be.
        ConfigError: If the template names a column that neither has.
    """
    rows = rendered_rows(folder, name, template, languages)
    return _one_an_item(rows, lambda texts: " ".join(dict.fromkeys(texts)))


def rendered_rows(folder: Path, name: str, template: Template, languages: str) -> pd.DataFrame:
    """The rendered texts: `item_id`, `language`, `rendered`, one row an item (`own`), or one a language of it (`all`).

    Raises:
        DataError: See `catalogue_texts`.
        ConfigError: See `catalogue_texts`.
    """
    table = read_text_table(folder / f"{name}.{TEXT}")
    items = _item_columns(folder / f"{name}.{ITEM}")
    rows = table
    if languages == "own":
        rows = primary_texts(table, items[[ITEM_ID, LANGUAGE]] if items is not None and LANGUAGE in items else None)
    if items is not None:
        more = [column for column in items if column not in rows]
        rows = rows.merge(items[[ITEM_ID, *more]], on=ITEM_ID, how="left")
        rows[more] = rows[more].fillna("")
    return rows[[ITEM_ID, LANGUAGE]].assign(**{RENDERED: render(rows, template)})


def _one_an_item(rows: pd.DataFrame, join: Callable[[Iterable[str]], str]) -> tuple[list[str], list[str]]:
    if not rows[ITEM_ID].duplicated().any():
        return rows[ITEM_ID].tolist(), rows[RENDERED].tolist()
    joined = rows[RENDERED].groupby(rows[ITEM_ID].to_numpy(), sort=False).agg(join)
    return joined.index.tolist(), joined.tolist()


def _texts_to_encode(folder: Path, name: str, options: EncoderOptions) -> tuple[list[str], list[str]]:
    """One text an item as its encoder takes it: marked with the language for an alignment, versions kept apart.

    Raises:
        ConfigError: If the keys exclude each other.
    """
    if options.text_versions not in VERSIONS:
        raise ConfigError(f"text_versions is one of {', '.join(VERSIONS)}; found {options.text_versions!r}.")
    several = options.text_languages == "all"
    if several and options.text_versions == "each":
        rows = rendered_rows(folder, name, options.text_template, options.text_languages)
        return _versions(rows, options)
    if several and options.alignment and options.text_versions == "join":
        raise ConfigError(
            "alignment needs texts of one language each, and text_languages: all joins them; set text_versions: mean, "
            "or text_languages: own"
        )
    if not options.alignment and options.text_versions == "join":
        return catalogue_texts(folder, name, options.text_template, options.text_languages)
    rows = rendered_rows(folder, name, options.text_template, options.text_languages)
    return _one_an_item(_marked(rows, options), join_versions)


def _versions(rows: pd.DataFrame, options: EncoderOptions) -> tuple[list[str], list[str]]:
    """Ids and texts of all versions that say anything."""
    rows = _marked(rows[rows[RENDERED].str.strip() != ""], options)
    return [*map(version_id, rows[ITEM_ID], rows[LANGUAGE])], rows[RENDERED].tolist()


def _marked(rows: pd.DataFrame, options: EncoderOptions) -> pd.DataFrame:
    """The texts with their languages, where an alignment needs these."""
    if not options.alignment:
        return rows
    return rows.assign(**{RENDERED: [*map(with_language, rows[LANGUAGE], rows[RENDERED])]})


def _item_columns(path: Path) -> pd.DataFrame | None:
    if not path.is_file():
        return None
    wanted = [column for column, kind in read_header(path).items() if kind.startswith("token")]
    items = read_atomic(path, wanted)
    duplicate_check(items, [ITEM_ID], str(path))
    return items


def catalogue_rows(
    folder: Path,
    name: str,
    options: EncoderOptions,
    wanted: Sequence[str],
    whole: bool = True,
    show_progress: bool = False,
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The vectors of some items; those of the whole catalogue are encoded on first use and kept on disk.

    Args:
        folder: The dataset's folder.
        name: The dataset's name.
        options: The encoder.
        wanted: Item ids.
        whole: Whether an encoder that learns from texts learns from the whole catalogue, or from the wanted items only.
        show_progress: Shows a progress bar while encoding.

    Returns:
        (stored, width) vectors, memory-mapped where they can be; (wanted,) the row of each item there.

    Raises:
        DataError: If items have no text or no vector.
        EncoderError: If the encoder cannot be loaded.
    """
    if is_file_spec(options.encoder):
        if options.alignment:
            refuse_file(options, f"alignment {options.alignment}")
        path = file_path(options.encoder)
        ids, vectors = load_vectors(path)
        extra: Literal["error", "ignore"] = "ignore" if options.extra_vectors == "ignore" else "error"
        more = extra == "error" and len(ids) > len(wanted)
        known = _filtered_too(folder / f"{name}.{ITEM}") if more else []
        return vectors, match_rows(wanted, ids, vectors, path, extra, known)
    frozen = options.encoder not in LEARNING or bool(options.alignment)
    stored = encode_catalogue(folder, name, options, wanted, whole or frozen, show_progress)
    return stored.matrix, match_rows(wanted, stored.ids, stored.matrix, stored.path, "ignore")


def encode_catalogue(
    folder: Path,
    name: str,
    options: EncoderOptions,
    wanted: Sequence[str] = (),
    whole: bool = True,
    show_progress: bool = False,
    sharded: bool = False,
) -> Vectors:
    """Encodes the catalogue, or opens its vectors where that was done before; see `catalogue_rows`, `VectorStore`."""
    ids, texts = _texts_to_encode(folder, name, options)
    ids, texts = with_missing(folder / f"{name}.{TEXT}", ids, texts, wanted, options.missing_text)
    if not whole:
        by_id = dict(zip(ids, texts, strict=True))
        ids, texts = list(wanted), [by_id[item] for item in wanted]
    return VectorStore(folder).encode(
        ids, texts, catalogue_encoder(options), None, show_progress=show_progress, sharded=sharded
    )


def encode_rows(folder: Path, rows: pd.DataFrame, options: EncoderOptions, show_progress: bool = False) -> Vectors:
    """Encodes each version of `rendered_rows` by itself, under its `version_id`; empty ones are left out."""
    ids, texts = _versions(rows, options)
    return VectorStore(folder).encode(ids, texts, catalogue_encoder(options), None, show_progress=show_progress)


def _filtered_too(path: Path) -> list[str]:
    """The items of the item file, those that a filter took away among them: their vectors are not superfluous."""
    return read_atomic(path, [ITEM_ID])[ITEM_ID].tolist() if path.is_file() else []


def with_missing(
    path: Path, ids: list[str], texts: list[str], wanted: Sequence[str], missing_text: str
) -> tuple[list[str], list[str]]:
    """Adds the wanted items that have no text, with an empty one, or refuses them."""
    by_id = dict(zip(ids, texts, strict=True))
    absent = [item for item in wanted if not by_id.get(item)]
    if absent and missing_text == "error":
        raise DataError(
            f"{path}: {len(absent)} of {len(wanted)} items in the interactions have no text: {sample(absent)}. "
            "Add their rows, or set missing_text: empty"
        )
    rows = [item for item in absent if item not in by_id]
    return [*ids, *rows], [*texts, *[""] * len(rows)]


def refuse_file(options: EncoderOptions, key: str) -> None:
    """Raises where vectors were made elsewhere, and what is asked for needs their languages and encoder."""
    if is_file_spec(options.encoder):
        raise ConfigError(
            f"{key}: vectors made elsewhere ({options.encoder}) have no language and no encoder to compare; name the "
            "encoder itself"
        )
