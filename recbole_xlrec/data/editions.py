"""Which editions the items of a dataset with parallel texts have: one for each of some languages, `<language>:<id>`.

An item that has texts in none of the languages stays one item, in the language it is in.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recbole_xlrec.data.atomic import read_atomic, read_header
from recbole_xlrec.data.columns import INTER, ITEM, ITEM_ID, LANGUAGE, TEXT, WORK_ID
from recbole_xlrec.data.files import existing_file
from recbole_xlrec.data.hints import did_you_mean
from recbole_xlrec.data.languages import UNKNOWN, normalise_column
from recbole_xlrec.data.tables import duplicate_check
from recbole_xlrec.data.text_table import read_text_table
from recbole_xlrec.errors import DataError, sample

#: Columns of a table of editions beside `item_id` and `language`: the new id; whether the language is one of those
#: asked for; whether the item is in the item file or the interactions, and not in the text table alone.
EDITION, PARALLEL, LISTED = "edition", "parallel", "listed"


def read_editions(folder: Path, name: str, item_field: str, languages: Sequence[str]) -> pd.DataFrame:
    """Lists the editions of a dataset.

    Args:
        folder: The dataset's folder.
        name: The dataset's name.
        item_field: Name of the item id column in the item file and the interactions.
        languages: Those that items can be read in; two or more.

    Returns:
        One row an edition, by item in the order of the item file, then by `languages`: `item_id`, `language`,
        `edition`, `parallel`, `listed`.

    Raises:
        DataError: If there is no text table, an item is an edition already, no item has a text in one of the
            languages, or none has texts in two.
    """
    path = folder / f"{name}.{TEXT}"
    texts = _texts(path, languages)
    items = _items(folder / f"{name}.{ITEM}", item_field)
    _refuse_editions(name, items, texts, languages)
    read = [read_atomic(part, [item_field])[item_field] for part in inter_files(folder, name).values()]
    catalogue = pd.concat([items[ITEM_ID], *(ids.drop_duplicates() for ids in read)]).unique()
    filled = texts[_has_words(texts)]
    _refuse_lacking(path, filled, languages)
    every = pd.Index(pd.unique(np.concatenate([catalogue, texts[ITEM_ID].to_numpy(dtype=object)])))
    parallel = filled.loc[filled[LANGUAGE].isin(languages), [ITEM_ID, LANGUAGE]]
    others = every[~every.isin(parallel[ITEM_ID])]
    rest = pd.DataFrame({ITEM_ID: others, LANGUAGE: _own_language(others, items, texts)})
    found = pd.concat([parallel.assign(**{PARALLEL: True}), rest.assign(**{PARALLEL: False})])
    place = found[LANGUAGE].map({language: place for place, language in enumerate(languages)}).fillna(0)
    found = found.iloc[np.lexsort((place, every.get_indexer(found[ITEM_ID])))].reset_index(drop=True)
    ids = found[LANGUAGE] + ":" + found[ITEM_ID]
    return found.assign(**{EDITION: ids, LISTED: found[ITEM_ID].isin(catalogue)})


def inter_files(folder: Path, name: str) -> dict[str, Path]:
    """The files of interactions by part: ``""`` for `<name>.inter`, `train` for `<name>.train.inter` and so on.

    Raises:
        DataError: If there is none.
    """
    parts = {path.name[len(name) + 1 : -len(INTER) - 1]: path for path in sorted(folder.glob(f"{name}.*.{INTER}"))}
    whole = folder / f"{name}.{INTER}"
    return {"": existing_file(whole), **parts} if whole.is_file() or not parts else parts


def _texts(path: Path, languages: Sequence[str]) -> pd.DataFrame:
    if path.is_file():
        return read_text_table(path)
    raise DataError(
        f"protocol: bilingual needs the text table {path}, which says in which of {', '.join(languages)} an item can "
        "be read, and there is none. Convert the source again with its texts, or take another protocol"
    )


def _items(path: Path, field: str) -> pd.DataFrame:
    """The ids of the item file, with languages and works where it has them; no rows without a file."""
    if not path.is_file():
        return pd.DataFrame({ITEM_ID: []}, dtype=object)
    table = read_atomic(path, [field, *(column for column in (LANGUAGE, WORK_ID) if column in read_header(path))])
    duplicate_check(table, [field], str(path))
    return table.rename(columns={field: ITEM_ID})


def _refuse_editions(name: str, items: pd.DataFrame, texts: pd.DataFrame, languages: Sequence[str]) -> None:
    ids = pd.concat([items[ITEM_ID], texts[ITEM_ID]]).drop_duplicates()
    tags = {*languages, *texts[LANGUAGE].unique()}
    tagged = [item for item in ids if ":" in item and item.split(":", 1)[0] in tags]
    found = f"{len(tagged)} of {len(ids)} item ids begin with a language: {sample(tagged)}"
    if not tagged and WORK_ID in items and LANGUAGE in items:
        versions = items.loc[items[WORK_ID] != "", [WORK_ID, LANGUAGE]].drop_duplicates()
        tagged = versions.loc[versions[WORK_ID].duplicated(), WORK_ID].unique().tolist()
        found = f"{len(tagged)} of its work_id belong to items in several languages: {sample(tagged)}"
    if tagged:
        raise DataError(
            f"protocol: bilingual makes editions of items, and those of {name} are editions already: {found}. Convert "
            "the source with --identity item, or take another protocol"
        )


def _refuse_lacking(path: Path, filled: pd.DataFrame, languages: Sequence[str]) -> None:
    there = filled[LANGUAGE].value_counts()
    found = ", ".join(f"{language} ({count})" for language, count in there.items()) or "none"
    if absent := [language for language in languages if language not in there]:
        hint = did_you_mean(absent[0], there.index)
        raise DataError(
            f"protocol_language: no item of {path} has a text in {sample(absent)}; there are texts in {found}. Take "
            f"two of these.{hint}"
        )
    if not filled.loc[filled[LANGUAGE].isin(languages), ITEM_ID].duplicated().any():
        raise DataError(
            f"protocol_language: no item of {path} has texts in two of {', '.join(languages)}, so that a coin would "
            f"decide nothing; there are texts in {found}. Take languages of parallel texts, or another protocol"
        )


def _has_words(texts: pd.DataFrame) -> NDArray[np.bool_]:
    """(rows,) true where a text field holds something."""
    filled = np.zeros(len(texts), dtype=bool)
    for name in texts.columns.drop([ITEM_ID, LANGUAGE]):
        filled |= (texts[name].astype(str).str.strip() != "").to_numpy()
    return filled


def _own_language(ids: pd.Index, items: pd.DataFrame, texts: pd.DataFrame) -> NDArray[Any]:
    """(ids,) the language of the item file, or else of the item's first text."""
    own = texts.drop_duplicates(ITEM_ID).set_index(ITEM_ID)[LANGUAGE].reindex(ids)
    if LANGUAGE in items:
        told = items.set_index(ITEM_ID)[LANGUAGE].reindex(ids)
        own = told.where(told.notna() & (told != ""), own)
    return normalise_column(own.fillna(UNKNOWN), f"the item file: column {LANGUAGE!r}").to_numpy()
