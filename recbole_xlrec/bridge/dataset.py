"""What this package adds to any RecBole dataset class: the protocol, the languages, the item texts and vectors."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from recbole.data.dataset import SequentialDataset
from recbole.data.dataset import dataset as recbole_dataset
from recbole.utils import FeatureSource

from recbole_xlrec.bridge.bilingual import Bilingual, bilingual
from recbole_xlrec.bridge.item_texts import ItemTextsMixin
from recbole_xlrec.bridge.lazy_sequences import LazySequencesMixin
from recbole_xlrec.data.atomic import read_atomic, read_header
from recbole_xlrec.data.columns import INTER, ITEM, USER
from recbole_xlrec.data.hints import did_you_mean
from recbole_xlrec.data.language_index import LanguageIndex, read_language_index
from recbole_xlrec.data.rows import MISSING_NUMBERS, is_plain
from recbole_xlrec.data.tables import duplicate_check, require_columns
from recbole_xlrec.errors import ConfigError, DataError, sample

logger = logging.getLogger(__name__)


@cache
def xl_dataset(base: type) -> type:
    """Decorates a RecBole dataset class; the result is a subclass of it; a decorated one stays as it is."""
    if issubclass(base, XLDatasetMixin):
        return base
    lazy = (
        (LazySequencesMixin,)
        if issubclass(base, SequentialDataset) and not issubclass(base, LazySequencesMixin)
        else ()
    )
    return type(f"XL{base.__name__}", (XLDatasetMixin, *lazy, base), {"__doc__": f"{base.__name__} across languages."})


class XLDatasetMixin(ItemTextsMixin):
    """See `xl_dataset`. Everything is computed on first use, and shared by the parts of a split."""

    _bilingual: Bilingual | None = None

    def __init__(self, config: Any) -> None:
        self._shared: dict[Any, Any] = {}  # copied by reference into the train, validation and test parts
        self.encode_seconds = {"encode": 0.0}
        super().__init__(config)

    # --- reading -----------------------------------------------------------------------------------------------

    def _download(self) -> None:
        parent = self.folder.parent
        names = sorted(path.name for path in parent.iterdir() if path.is_dir()) if parent.is_dir() else []
        there = f"{parent} holds {sample(names, limit=12)}" if names else f"there is no dataset in {parent}"
        raise DataError(f"no dataset folder {self.folder}: {there}.{did_you_mean(self.folder.name, names)}")

    def _load_data(self, token: str, dataset_path: str) -> None:
        if self.config["protocol"] == "bilingual" and self.folder.exists():
            self._bilingual = bilingual(self.config)
            self.dataset_path = str(self._bilingual.folder)
        super()._load_data(token, self.dataset_path)
        for field in self.config["selected_features"] or []:
            if field not in self.field2type:
                raise ConfigError(
                    f"{self.dataset_name}: selected_features names {field!r}, which is not loaded; set it to "
                    "columns of the item file, and name these in load_col: {item: [item_id, …]}"
                )

    def _load_inter_feat(self, token: str, dataset_path: str) -> None:
        if self._bilingual is not None:
            dataset_path = str(self._bilingual.inter_folder)
        for part in self.benchmark_filename_list or [None]:
            path = Path(dataset_path, f"{token}.{part}.{INTER}" if part else f"{token}.{INTER}")
            wanted = [self.uid_field, self.iid_field]
            if self.config["eval_args"]["order"] == "TO" and part is None:
                wanted.append(self.time_field)
            require_columns(read_header(path), wanted, str(path))
        super()._load_inter_feat(token, dataset_path)

    def _load_feat(self, filepath: str, source: Any) -> pd.DataFrame:
        if self.config["field_separator"] == "\t" and not is_plain(Path(filepath), len(read_header(filepath))):
            read_atomic(filepath)  # says which line does not fit the header; pandas would cut or fill it up
        try:
            with _every_word_kept():
                feat = super()._load_feat(filepath, source)
        except ValueError as error:
            raise DataError(f"{filepath} cannot be read as an atomic file: {error}") from error
        key = {FeatureSource.USER: self.uid_field, FeatureSource.ITEM: self.iid_field}.get(source)
        if feat is not None and key is not None and key in feat:
            duplicate_check(feat, [key], str(filepath))  # RecBole would keep the first
        return feat

    def sort(self, by: str | list[str], ascending: bool | list[bool] = True) -> None:
        """RecBole's ``sort``; says so where a column was not loaded that rows are to be put in order by."""
        for field in [by] if isinstance(by, str) else by:
            if field not in self.inter_feat.columns:
                there = ", ".join([*self.inter_feat.columns, field])
                raise ConfigError(
                    f"{self.dataset_name}: rows are put in order by {field!r}, which is not loaded; set load_col: "
                    f"{{inter: [{there}]}}, or pass the dataset's own config (--config_files=dataset_configs/…)"
                )
        super().sort(by, ascending)

    # --- languages ---------------------------------------------------------------------------------------------

    @property
    def languages(self) -> LanguageIndex | None:
        """The language of each user and item, or None where the dataset's users carry none."""
        if "languages" not in self._shared:
            self._shared["languages"] = read_language_index(
                self.folder,
                self.dataset_name,
                self.uid_field,
                self.iid_field,
                self.field2id_token[self.uid_field],
                self.field2id_token[self.iid_field],
            )
        return self._shared["languages"]

    def candidate_limits(self) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
        """Codes (users,) and (items,): a user's candidates are the items of the same code; None where all are."""
        if self.config["candidates"] == "cold":
            return self.cold_limits()
        if self.config["candidates"] != "language":
            return None
        index = self.needed_languages("candidates: language", of=(USER, ITEM))
        return index.users, index.items

    def needed_languages(self, key: str, of: tuple[str, ...] = (USER,)) -> Any:
        """The language index, whose items have languages if `of` says so.

        Raises:
            ConfigError: If a language column is lacking that `key` needs.
        """
        index = self.languages
        lacking = [suffix for suffix in of if index is None or (suffix == ITEM and index.items is None)]
        if lacking:
            raise ConfigError(
                f"{key} needs a language column in {' and '.join(f'{self.dataset_name}.{name}' for name in lacking)}, "
                "and there is none"
            )
        return index


@contextmanager
def _every_word_kept() -> Iterator[None]:
    """RecBole's reader takes tokens such as `NA` or `null` for missing, and pandas' slow engine; here they are kept."""

    def read_csv(path: str, **options: Any) -> pd.DataFrame:
        exact = {"engine": "c", "float_precision": "round_trip", "low_memory": False}
        missing = {name: [""] if kind is str else list(MISSING_NUMBERS) for name, kind in options["dtype"].items()}
        return pd.read_csv(path, **{**options, **exact}, keep_default_na=False, na_values=missing)

    stock = recbole_dataset.pd
    recbole_dataset.pd = SimpleNamespace(read_csv=read_csv)
    try:
        yield
    finally:
        recbole_dataset.pd = stock
