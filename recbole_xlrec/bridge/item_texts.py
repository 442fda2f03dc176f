"""What an XLRec dataset says of its items' texts: the texts themselves, and their vectors, encoded on first use."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.bridge.lazy_sequences import LazySequencesMixin
from recbole_xlrec.bridge.protocol import ProtocolMixin
from recbole_xlrec.data.atomic import read_atomic, read_header
from recbole_xlrec.data.columns import ITEM
from recbole_xlrec.errors import ConfigError
from recbole_xlrec.text.aligned import Reordered, TextRows
from recbole_xlrec.text.catalogue import EncoderOptions, catalogue_rows, catalogue_texts, with_missing
from recbole_xlrec.text.language_whitening import fit_by_language
from recbole_xlrec.text.reader_versions import versions_by_reader
from recbole_xlrec.text.whitening import Whitening, fit_whitening


class ItemTextsMixin(ProtocolMixin):
    """Part of `XLDatasetMixin`. Everything is in the order of the internal ids."""

    dataset_path: str
    encode_seconds: dict[str, float]
    needed_languages: Callable[..., Any]

    @property
    def folder(self) -> Path:
        """The dataset's folder; under protocol bilingual that of its editions."""
        return Path(self.dataset_path)

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
        if self._each_version():
            raise ConfigError(
                "text_versions: each gives an item several vectors, which XLMLP alone reads; here one is asked for: "
                "make the run with text_versions: join or mean"
            )
        return self._whitened(*self._stored_vectors())

    def texts_as_read(self) -> tuple[TextRows, NDArray[np.int64]]:
        """`text_rows` as each user reads them: under ``text_versions: each`` in their own language where it is there.

        Returns:
            (languages * items,) vectors, those of all items for a language after those for the one before; (users,)
            where those begin that a user reads.
        """
        if not self._each_version():
            return self.text_rows(), np.zeros(self.user_num, dtype=np.int64)
        if self.config["whitening_by"] == "language":
            raise ConfigError("text_versions: each and whitening_by: language exclude each other; whiten by all")
        index = self.needed_languages("text_versions: each")
        matrix, orders = self._stored_versions(index.names)
        return self._whitened(matrix, orders.ravel()), index.users.astype(np.int64) * self.item_num

    def _each_version(self) -> bool:
        return self.config["text_languages"] == "all" and self.config["text_versions"] == "each"

    def _stored_versions(self, readers: Sequence[str]) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """(stored, width) vectors; (readers, items) the row of each item there, -1 where it has none."""
        visible = self.visible_items
        orders = np.full((len(readers), self.item_num), -1)
        matrix, orders[:, visible] = self._timed(versions_by_reader, self.item_ids[visible].tolist(), readers)
        return matrix, orders

    def _timed(self, read: Callable[..., Any], *wanted: Any) -> Any:
        """What a reader of the catalogue's vectors gives for this dataset; its seconds are counted."""
        started = time.perf_counter()
        found = read(
            self.folder,
            self.dataset_name,
            EncoderOptions.from_config(self.config),
            *wanted,
            whole=self.config["protocol"] != "single",
            show_progress=bool(self.config["show_progress"]),
        )
        self.encode_seconds["encode"] += time.perf_counter() - started
        return found

    def _whitened(self, matrix: NDArray[Any], order: NDArray[np.int64]) -> TextRows:
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
            order = np.full(self.item_num, -1)
            matrix, order[visible] = self._timed(catalogue_rows, self.item_ids[visible].tolist())
            self._shared[key] = matrix, order
        return self._shared[key]
