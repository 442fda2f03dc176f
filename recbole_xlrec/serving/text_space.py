"""The run's encoder over words that it has not seen: queries, and texts of new items, beside those of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recbole_xlrec.data.columns import ITEM_ID, LANGUAGE
from recbole_xlrec.errors import EncoderError
from recbole_xlrec.text.aligned import TextRows
from recbole_xlrec.text.catalogue import LEARNING, RENDERED, rendered_rows
from recbole_xlrec.text.encoders.aligned import with_language
from recbole_xlrec.text.encoders.base import TextEncoder
from recbole_xlrec.text.encoders.registry import is_file_spec
from recbole_xlrec.text.encoders.versions import join_versions
from recbole_xlrec.text.language_whitening import LanguageWhitening
from recbole_xlrec.text.options import EncoderOptions, catalogue_encoder
from recbole_xlrec.text.template import default_template, render


class TextSpace:
    """Vectors of texts as the run has them: encoded, aligned and whitened by its settings.

    Args:
        dataset: The training part.
        settings: The run's configuration.
    """

    def __init__(self, dataset: Any, settings: Any) -> None:
        self.dataset, self.options = dataset, EncoderOptions.from_config(settings)
        self.whole = settings["protocol"] != "single"

    @cached_property
    def rows(self) -> TextRows:
        """The vectors of the catalogue."""
        return self.dataset.text_rows()

    @cached_property
    def encoder(self) -> TextEncoder:
        """The encoder, which has learned from the same texts as the one that encoded the catalogue.

        Raises:
            EncoderError: If the run's vectors were made elsewhere, so that nothing can encode other texts.
        """
        if is_file_spec(self.options.encoder):
            raise EncoderError(
                f"the run's vectors were made elsewhere ({self.options.encoder}), and nothing here can encode other "
                "texts as they were. Queries and new items need a run with an encoder, as encoder: ngram"
            )
        encoder = catalogue_encoder(self.options)
        if self.options.encoder in LEARNING and not self.options.alignment:
            encoder.fit(self._catalogue())
        return encoder

    def template(self, columns: Sequence[str]) -> Any:
        """The run's template, or the default one of the catalogue's columns."""
        template = self.options.text_template
        return default_template(columns) if template is None else template

    def of_rows(self, rows: pd.DataFrame, columns: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
        """Ids, texts as the encoder takes them, and plain texts of a table with one row an item and language.

        Args:
            rows: With `item_id`, `language` and the fields.
            columns: Those of the catalogue.
        """
        rendered = rows.assign(**{RENDERED: render(rows, self.template(columns))})
        return (*self._one_an_item(rendered), self._one_an_item(rendered, plain=True)[1])

    def encode(self, texts: Sequence[str], languages: Sequence[str]) -> NDArray[np.float32]:
        """Vectors (n, width) of texts as `of_rows` gives them, rounded and whitened as the catalogue's; zero for none.

        Args:
            texts: The texts.
            languages: Of each; where whitening is by language, one without its own takes that of all.
        """
        encoded = self.encoder.encode(list(texts)).astype(np.float16).astype(np.float32)  # as they are stored
        whitening = self.rows.whitening
        if not isinstance(whitening, LanguageWhitening):
            return whitening.apply(encoded)
        names = self.dataset.languages.names
        out = np.zeros((len(encoded), whitening.width), dtype=np.float32)
        for language in set(languages):
            mine = np.array([each == language for each in languages])
            code = names.index(language) if language in names else -1
            out[mine] = whitening.own.get(code, whitening.others).apply(encoded[mine])
        return out

    def queries(self, texts: Sequence[str], language: str = "") -> NDArray[np.float32]:
        """The vectors of what somebody typed, (texts, width).

        Args:
            texts: The texts.
            language: Theirs.
        """
        named = [with_language(language, text) if self.options.alignment else text for text in texts]
        return self.encode(named, [language] * len(named))

    def _catalogue(self) -> list[str]:
        dataset = self.dataset
        visible = dataset.item_ids[dataset.visible_items].tolist()
        rows = rendered_rows(
            dataset.folder, dataset.dataset_name, self.options.text_template, self.options.text_languages
        )
        by_id = dict(zip(*self._one_an_item(rows), strict=True))
        return [by_id.get(item, "") for item in ({**by_id, **dict.fromkeys(visible)} if self.whole else visible)]

    def _one_an_item(self, rows: pd.DataFrame, plain: bool = False) -> tuple[list[str], list[str]]:
        if self.options.text_languages == "own":
            rows = rows[~rows[ITEM_ID].duplicated()]
        if self.options.alignment and not plain:
            rows = rows.assign(**{RENDERED: list(map(with_language, rows[LANGUAGE], rows[RENDERED]))})
        by_id: dict[str, list[str]] = {}
        for item, text in zip(rows[ITEM_ID], rows[RENDERED], strict=True):
            by_id.setdefault(item, []).append(text)
        apart = self.options.text_versions == "mean" and not plain
        return list(by_id), [
            join_versions(texts) if apart else " ".join(dict.fromkeys(texts)) for texts in by_id.values()
        ]
