"""Items that training never saw, given by their text: read, checked, and put before the run's model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
from numpy.typing import NDArray

from recbole_xlrec.data.atomic import read_header
from recbole_xlrec.data.columns import ITEM, ITEM_ID, LANGUAGE, TEXT, TITLE
from recbole_xlrec.data.files import existing_file
from recbole_xlrec.data.hints import did_you_mean
from recbole_xlrec.data.languages import normalise_column
from recbole_xlrec.errors import ConfigError, DataError, sample
from recbole_xlrec.serving.load import LoadedRun, on_device
from recbole_xlrec.serving.text_space import TextSpace


class NewItems(NamedTuple):
    """New items.

    Attributes:
        ids: (new,) strings.
        texts: (new,) the text of each, as the encoder takes it.
        plain: (new,) the text of each, as a reader takes it.
        rows: One row an item, with every field that the dataset's files have.
    """

    ids: list[str]
    texts: list[str]
    plain: list[str]
    rows: pd.DataFrame

    @property
    def languages(self) -> list[str]:
        """(new,) tags."""
        return self.rows[LANGUAGE].tolist()

    @property
    def titles(self) -> list[str]:
        """(new,) what they are called."""
        return (self.rows[TITLE] if TITLE in self.rows else self.rows[ITEM_ID]).tolist()

    def column(self, field: str) -> list[list[str]]:
        """(new,) the values of a field, several where they are divided by blanks; an empty one where there is none."""
        cells = self.rows[field] if field in self.rows else [""] * len(self.ids)
        return [str(cell).split(" ") for cell in cells]


def read_new_items(path: Path, dataset: Any, space: TextSpace) -> NewItems:
    """Reads new items: JSON lines with `item_id`, `language` and the fields of the dataset's texts and items.

    An item may have several lines, one a language; a text of its own language is its first.

    Raises:
        DataError: If a line is no such object, has unknown fields, lacks an id, a language or a text, or names an item
            that the dataset has.
    """
    folder, name = dataset.folder, dataset.dataset_name
    headers = [folder / f"{name}.{suffix}" for suffix in (TEXT, ITEM)]
    fields = list(dict.fromkeys(field for each in headers if each.is_file() for field in read_header(each)))
    rows = _read(path, fields)
    for field in (ITEM_ID, LANGUAGE):
        empty = (rows[field].str.strip() == "").sum()
        if empty:
            raise DataError(f"{path}: {empty} of {len(rows)} lines have no {field}. Every text belongs to one of each")
    known = rows.loc[rows[ITEM_ID].isin(dataset.item_ids), ITEM_ID]
    if len(known):
        raise DataError(
            f"{path}: {len(known)} items are in the run's catalogue already: {sample(known)}. Leave them out"
        )
    rows = rows.assign(**{LANGUAGE: normalise_column(rows[LANGUAGE], f"{path}: {LANGUAGE}")})
    twice = rows.loc[rows.duplicated([ITEM_ID, LANGUAGE]), ITEM_ID]
    if len(twice):
        raise DataError(f"{path}: {len(twice)} lines repeat an item in one language: {sample(twice)}. Keep one of each")
    ids, texts, plain = space.of_rows(rows, fields)
    bare = [item for item, text in zip(ids, plain, strict=True) if not text.strip()]
    if bare:
        raise DataError(f"{path}: {len(bare)} items have no text, by which alone they are known: {sample(bare)}")
    return NewItems(ids, texts, plain, rows[~rows[ITEM_ID].duplicated()].reset_index(drop=True))


def _read(path: Path, fields: list[str]) -> pd.DataFrame:
    found = []
    with existing_file(path).open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except ValueError as error:
                raise DataError(f"{path}: line {number} is no JSON: {error}") from error
            if not isinstance(value, dict):
                raise DataError(f"{path}: line {number} is no JSON object, found {str(value)[:40]!r}")
            for field in value:
                if field not in fields:
                    raise DataError(
                        f"{path}: line {number} has a field {field!r} that neither texts nor items of the dataset "
                        f"have.{did_you_mean(field, fields)} They have {', '.join(fields)}"
                    )
            found.append({field: _cell(value.get(field, "")) for field in fields})
    if not found:
        raise DataError(f"{path}: there is no item in it")
    return pd.DataFrame(found, columns=fields)


def _cell(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return "" if value is None else str(value)


def new_scoring(run: LoadedRun, space: TextSpace, new: NewItems) -> torch.Tensor:
    """What the run's model makes of new items: vectors (new, width), or weights (items, new) of histories.

    Raises:
        ConfigError: If the model does not read texts.
    """
    model = run.model
    if hasattr(model, "new_item_weights"):
        vectors = _vectors(space, new) if run.settings["semantic_weight"] > 0 else None
        return model.new_item_weights(run.settings, run.train, new.plain, new.column, vectors)
    if not hasattr(model, "new_item_vectors"):
        raise ConfigError(
            f"{type(model).__name__} knows items by their id only, so that it cannot score new ones. XLProfile, "
            "XLEASE, XLAlphaRec and XLSASRec read their texts"
        )
    if hasattr(model, "know_new_items"):
        model.know_new_items(run.settings)
    index = run.train.languages
    names = () if index is None else index.names
    codes = [names.index(tag) if tag in names else len(names) for tag in new.languages]
    with torch.no_grad():
        return model.new_item_vectors(on_device(run, _vectors(space, new)), on_device(run, codes))


def _vectors(space: TextSpace, new: NewItems) -> NDArray[Any]:
    return space.encode(new.texts, new.languages)
