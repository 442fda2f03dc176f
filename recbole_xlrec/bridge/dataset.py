"""What this package adds to any RecBole dataset class: the protocol, the languages, the item texts and vectors."""

from __future__ import annotations

import logging
import time
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
from recbole_xlrec.bridge.lazy_sequences import LazySequencesMixin
from recbole_xlrec.bridge.protocol import ProtocolMixin
from recbole_xlrec.data.atomic import read_atomic, read_header
from recbole_xlrec.data.columns import INTER, ITEM, USER
from recbole_xlrec.data.hints import did_you_mean
from recbole_xlrec.data.language_index import LanguageIndex, read_language_index
from recbole_xlrec.data.rows import MISSING_NUMBERS, is_plain
from recbole_xlrec.data.tables import duplicate_check, require_columns
from recbole_xlrec.errors import ConfigError, DataError, sample
from recbole_xlrec.text.aligned import Reordered, TextRows
from recbole_xlrec.text.catalogue import EncoderOptions, catalogue_rows, catalogue_texts, with_missing
from recbole_xlrec.text.language_whitening import fit_by_language
from recbole_xlrec.text.whitening import Whitening, fit_whitening

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


class XLDatasetMixin(ProtocolMixin):
    """See `xl_dataset`. Everything is computed on first use, and shared by the parts of a split."""

    dataset_path: str
    _bilingual: Bilingual | None = None

    def __init__(self, config: Any) -> None:
        self._shared: dict[Any, Any] = {}  # copied by reference into the train, validation and test parts
        self.encode_seconds = {"encode": 0.0}
        super().__init__(config)

    @property
    def folder(self) -> Path:
        """The dataset's folder; under protocol bilingual that of its editions."""
        return Path(self.dataset_path)

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

    # --- item texts and vectors --------------------------------------------------------------------------------

    @property
    def item_ids(self) -> NDArray[np.str_]:
        """(items,) item ids by internal id; the padding item first."""
        return np.asarray(self.field2id_token[self.iid_field], dtype=str)  # no copy: RecBole has strings, as a rule

    @property
    def training_items(self) -> NDArray[np.int64]:
        """Internal ids of the items in this part's interactions, sorted; those that only begin a history among them."""
        return np.flatnonzero(self.training_counts)

    @property
    def training_counts(self) -> NDArray[np.int64]:
        """(items,) how many of this part's interactions each item has."""
        if isinstance(self, LazySequencesMixin) and self.item_list_length_field in self.inter_feat:
            items = self.interaction_items()
        else:
            items = self.inter_feat[self.iid_field]
        return np.bincount(np.asarray(items), minlength=self.item_num)

    def item_texts(self) -> list[str]:
        """The text of each item by internal id; empty for the padding item and for those that training may not see.

        Raises:
            DataError: If items have no text and ``missing_text`` is not ``empty``.
        """
        template, languages = self.config["text_template"], self.config["text_languages"]
        ids, texts = catalogue_texts(self.folder, self.dataset_name, template, languages)
        where = self.folder / f"{self.dataset_name}.text"
        visible = self.item_ids[self.visible_items].tolist()
        ids, texts = with_missing(where, ids, texts, visible, self.config["missing_text"])
        by_id = dict(zip(ids, texts, strict=True))
        seen = {item: by_id[item] for item in visible}
        return [seen.get(item, "") for item in self.item_ids]

    def item_feature(self, field: str) -> list[list[str]]:
        """The values of one column of the item file, by internal id; several where the column is a ``token_seq``."""
        path = self.folder / f"{self.dataset_name}.{ITEM}"
        table = read_atomic(path, [self.iid_field, field])
        values = dict(zip(table[self.iid_field], table[field], strict=True))
        several = read_header(path)[field] == "token_seq"
        cells = [str(values.get(item, "")) for item in self.item_ids]
        return [cell.split(" ") if several else [cell] for cell in cells]

    def text_vectors(self) -> NDArray[np.float32]:
        """(items, width) encoded texts by internal id, as `text_rows` has them."""
        return self.text_rows().all()

    def text_rows(self) -> TextRows:
        """The encoded texts by internal id, whitened as configured, read when they are asked for.

        Those of the padding item and of the items that training may not see are zero. The whitening is fitted on this
        part's own items only, so that no other part leaks into it.
        """
        matrix, order = self._stored_vectors()
        kind, by = self.config["whitening"], self.config["whitening_by"]
        numbers = {"dimension": self.config["whitening_dimension"], "groups": self.config["whitening_groups"]}

        def fit(items: NDArray[np.int64]) -> Whitening:
            return fit_whitening(Reordered(matrix, order[items]), kind, **numbers)

        if by not in ("all", "language"):
            raise ConfigError(f"whitening_by is one of all, language; found {by!r}")
        if by == "all" or kind == "none":
            return TextRows(matrix, order, fit(self.training_items))
        index = self.needed_languages("whitening_by: language", of=(ITEM,))
        return TextRows(matrix, order, fit_by_language(self.training_items, index.items, fit, index.names))

    def _stored_vectors(self) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """(stored, width) vectors; (items,) the row of each item, -1 where it has none."""
        visible = self.visible_items
        key = ("vectors", visible.tobytes())
        if key not in self._shared:
            started = time.perf_counter()
            matrix, rows = catalogue_rows(
                self.folder,
                self.dataset_name,
                EncoderOptions.from_config(self.config),
                wanted=self.item_ids[visible].tolist(),
                whole=self.config["protocol"] != "single",
                show_progress=bool(self.config["show_progress"]),
            )
            order = np.full(self.item_num, -1)
            order[visible] = rows
            self._shared[key] = matrix, order
            self.encode_seconds["encode"] += time.perf_counter() - started
        return self._shared[key]


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
