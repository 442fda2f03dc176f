"""The text rows of XLEASE: of the items that it is fitted to, and of others by the same n-grams and weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.preprocessing import normalize

from recbole_xlrec.model.text_rows import feature_encoder, lexical_encoder, stack

#: Field to the values of each item.
Values = Callable[[str], Sequence[Sequence[str]]]


class WeightedRows:
    """Rows of n-grams, features and vectors, (items, width); a row's squared length is the sum of their weights.

    N-grams and values are counted over the given items only, so that what training may not see changes nothing, and new
    items neither.

    Args:
        config: The weights.
        dataset: The training part.
        items: (active,) internal ids.
    """

    def __init__(self, config: Any, dataset: Any, items: NDArray[np.int64]) -> None:
        self.config, self.dataset, self.items = config, dataset, items
        self.fields: list[str] = config["feature_fields"] if config["lexical_weight"] > 0 else []
        if config["lexical_weight"] > 0:
            texts = dataset.item_texts()
            self.texts = [texts[item] for item in items]
            self.lexical = lexical_encoder(self.texts, tuple(config["lexical_ngrams"]))
        self.features = {field: feature_encoder(self._values(field), field) for field in self.fields}

    def of_items(self) -> sp.csr_matrix | None:
        """(active, width) of the items themselves; None where all weights are 0."""
        semantic, lexical = self.config["semantic_weight"] > 0, self.config["lexical_weight"] > 0
        vectors = self.dataset.text_vectors()[self.items] if semantic else None
        return self.make(self.texts if lexical else [], self._values, vectors)

    def make(self, texts: Sequence[str], values: Values, vectors: NDArray[Any] | None) -> sp.csr_matrix | None:
        """(given, width) of texts, values by field, and vectors (given, width)."""
        config, blocks = self.config, []
        if config["lexical_weight"] > 0:
            lexical = [(1.0, self.lexical.encode_sparse(texts))]
            lexical += [(config["feature_weight"], self.features[name].transform(values(name))) for name in self.fields]
            blocks.append((config["lexical_weight"], normalize(stack(lexical))))
        if config["semantic_weight"] > 0:
            blocks.append((config["semantic_weight"], normalize(sp.csr_matrix(np.asarray(vectors)))))
        return stack([(weight**0.5, block) for weight, block in blocks]) if blocks else None

    def _values(self, field: str) -> list[list[str]]:
        values = self.dataset.item_feature(field)
        return [values[item] for item in self.items]
