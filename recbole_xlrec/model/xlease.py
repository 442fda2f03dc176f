"""XLEASE: a closed-form item-item model of all languages at once, from interactions and from the items' text.

EASE (Steck, WWW 2019, https://arxiv.org/abs/1905.03375) regresses every item on all the others under a zero diagonal.
Text as extra rows of that regression is due to the item-side variants of SLIM (Ning and Karypis, RecSys 2012, "SSLIM2")
and to CEASE / Add-EASE (Jeunen, Van Balen and Goethals, RecSys 2020). Where we differ, and why:

* The text rows are character n-grams, item features and, if wanted, vectors of a multilingual encoder, each with a
  weight. They score items that nobody has met yet.
* Items that nobody has met in training take their weights from text alone (`cold_items`), and can be brought to the
  level of the others (`cold_level`).
* Users with long histories can be made to count less (`user_balance`); EASE counts pairs of items, and so a user by the
  square of the history's length.
* Text rows alone do not carry co-consumption over to another language: to the regression, users of another language are
  users who did not want our items. So every history is also *translated*: each of its items is replaced by its
  counterpart in each other language, the mutual nearest neighbour by text, and the translated histories are more rows,
  with a weight.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from recbole.model.abstract_recommender import GeneralRecommender
from recbole.utils import InputType, ModelType
from torch import nn

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.model.cold_items import Fitted, cold_weights, new_weights
from recbole_xlrec.model.histories import Histories
from recbole_xlrec.model.regression import inverse_of, weights_of
from recbole_xlrec.model.text_rows import counterparts
from recbole_xlrec.model.weighted_rows import Values, WeightedRows

logger = logging.getLogger(__name__)

Matrix = NDArray[np.floating[Any]]


class XLEASE(GeneralRecommender):
    """Joint item-item regression of interactions and text over all languages.

    Fitting takes one Cholesky factorisation and one triangular inverse of an (items, items) matrix, as one symmetric
    positive-definite solve does: time grows with items³, memory is one such matrix and a half, three where there are
    items without interactions, and four and a half where these are brought to the level of the others. 10,000 items
    take 0.6, 1.2 and 1.8 GB in float32.

    Raises:
        ConfigError: If the fit needs more than ``max_memory_gb``; says how many GB.
    """

    input_type = InputType.POINTWISE
    type = ModelType.TRADITIONAL
    active: torch.Tensor

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.dummy_param = nn.Parameter(torch.zeros(1))  # RecBole builds an optimizer for every model
        dtype = _dtype(config["precision"])
        self.popularity = _popularity(config)
        items = dataset.visible_items  # (active,) internal ids that training may see
        histories = dataset.histories()[:, items].astype(dtype)  # (users, active)
        cold = np.bincount(histories.indices, minlength=len(items)) == 0  # (active,)
        by_text = bool(cold.any()) and config["cold_penalty"] > 0 and _reads_text(config)
        matrices = 1.5 if not by_text else 3.0 if self.popularity is None else 4.5
        check_memory(len(items), dtype, config["max_memory_gb"], matrices)
        self.histories = dataset.query_histories()[:, items].astype(dtype)  # of users that training has not seen, too
        gram: Matrix = np.zeros((len(items), len(items)), dtype=dtype)  # (active, active)
        rows = WeightedRows(config, dataset, items).of_items()
        balance = user_balance(histories, config["history_power"])
        text_gram: Matrix | None = None
        if rows is not None:
            _add_gram(gram, rows.T.tocsr())
            text_gram = gram.copy() if by_text else None
            _add_translated(gram, histories, balance, config, dataset)
        _add_gram(gram, (balance @ histories).astype(dtype))
        self.register_buffer("active", torch.from_numpy(items), persistent=False)
        inverse = inverse_of(gram, config["reg_weight"])
        self.inverse_diagonal = inverse.diagonal().copy()  # (active,)
        weights = weights_of(inverse)
        if text_gram is not None:
            columns = cold_weights(text_gram, weights, cold, config["cold_penalty"], histories, self.popularity)
            weights[np.ix_(~cold, cold)] = columns
        self.weights = torch.from_numpy(weights).to(self.device)
        self.other_parameter_name = ["weights"]

    def calculate_loss(self, interaction: Any) -> torch.Tensor:
        """Nothing is left to train: a zero that has a gradient."""
        return self.dummy_param.sum() * 0.0

    def predict(self, interaction: Any) -> torch.Tensor:
        """Scores of (user, item) pairs, (batch,)."""
        users, row = torch.unique(interaction[self.USER_ID], return_inverse=True)
        return self._encode(users)[row, interaction[self.ITEM_ID]]

    def full_sort_predict(self, interaction: Any) -> torch.Tensor:
        """Scores of all items for each user, (batch * items,)."""
        return self._encode(interaction[self.USER_ID]).flatten()

    def history_scores(self, histories: Histories) -> torch.Tensor:
        """Scores of all items for histories of nobody in particular, (histories, items)."""
        return self._scores(self._active(histories))

    def history_parts(self, histories: Histories) -> torch.Tensor:
        """What each item adds to the scores of its history, (total, items); nothing where it stands there again."""
        each = Histories(np.arange(len(histories.items) + 1), histories.items)
        pairs = np.stack([histories.rows, histories.items])  # (2, total)
        first = np.zeros(len(histories.items), dtype=bool)
        first[np.unique(pairs, axis=1, return_index=True)[1]] = True
        return self.history_scores(each) * torch.from_numpy(first).to(self.device)[:, None]

    def new_item_weights(
        self, config: Any, dataset: Any, texts: Sequence[str], values: Values, vectors: Matrix | None
    ) -> torch.Tensor:
        """By what weights histories score items that the run does not know, given by their text.

        Args:
            config: The run's.
            dataset: The training part.
            texts: (new,).
            values: Field to (new,) lists of its values.
            vectors: (new, width); needed where ``semantic_weight`` is above 0.

        Returns:
            (active, new), as `history_new` and `known_new` take them.

        Raises:
            ConfigError: If the model has no text rows.
        """
        items = self.active.cpu().numpy()
        maker = WeightedRows(config, dataset, items)
        rows, new = maker.of_items(), maker.make(texts, values, vectors)
        if rows is None or new is None:
            raise ConfigError(
                "XLEASE with lexical_weight: 0 and semantic_weight: 0 reads no text, so that it cannot score new items"
            )
        histories = dataset.histories()[:, items].astype(self.histories.dtype)
        fitted = Fitted(rows, self.weights.cpu().numpy(), self.inverse_diagonal, histories)
        return torch.from_numpy(new_weights(fitted, new, config["cold_penalty"], self.popularity)).to(self.weights)

    def known_new(self, interaction: Any, weights: torch.Tensor) -> torch.Tensor:
        """Scores of new items for users, (batch, new)."""
        return self._dense(self.histories[interaction[self.USER_ID].cpu().numpy()]) @ weights

    def history_new(self, histories: Histories, weights: torch.Tensor) -> torch.Tensor:
        """Scores of new items for histories, (histories, new)."""
        return self._dense(self._active(histories)) @ weights

    def _encode(self, users: torch.Tensor) -> torch.Tensor:
        return self._scores(self.histories[users.cpu().numpy()])

    def _scores(self, histories: sp.csr_matrix) -> torch.Tensor:
        """(batch, active) → (batch, items)."""
        history = self._dense(histories)  # (batch, active)
        scores = history.new_zeros(len(history), self.n_items)  # (batch, items)
        scores[:, self.active] = history @ self.weights
        return scores

    def _active(self, histories: Histories) -> sp.csr_matrix:
        """(histories, active) of zeros and ones."""
        return histories.met(self.n_items)[:, self.active.cpu().numpy()].astype(self.histories.dtype)

    def _dense(self, histories: sp.csr_matrix) -> torch.Tensor:
        return torch.from_numpy(histories.toarray()).to(self.device)


def check_memory(items: int, dtype: type, limit_gb: float, matrices: float = 1.5) -> None:
    """Refuses a fit that needs more memory than allowed, before anything large is allocated.

    Args:
        items: How many there are.
        dtype: Of the matrices.
        limit_gb: What is allowed.
        matrices: How many of (items, items) are held at once.

    Raises:
        ConfigError: Says how many GB are needed.
    """
    needed = matrices * items**2 * np.dtype(dtype).itemsize / 1e9
    if needed > limit_gb:
        raise ConfigError(
            f"XLEASE needs about {needed:.1f} GB for {items} items in {np.dtype(dtype).name}, and max_memory_gb is "
            f"{limit_gb}. Raise it if there is that much, filter rare items (item_inter_num_interval), "
            "or take XLProfile"
        )


def _popularity(config: Any) -> float | None:
    popularity = config["unseen_popularity"]
    if popularity is None:
        return None
    if not 0 <= popularity <= 1:
        raise ConfigError(f"unseen_popularity: from 0 to 1, or ~, found {popularity}")
    if config["cold_penalty"] <= 0 or not _reads_text(config):
        raise ConfigError(
            "unseen_popularity needs weights of text alone: set cold_penalty, and lexical_weight or semantic_weight, "
            "above 0, or unseen_popularity: ~"
        )
    return float(popularity)


def _reads_text(config: Any) -> bool:
    return config["lexical_weight"] > 0 or config["semantic_weight"] > 0


def _dtype(precision: str) -> type:
    if precision not in ("float32", "float64"):
        raise ConfigError(f"precision is float32 or float64, found {precision!r}")
    return np.float32 if precision == "float32" else np.float64


def _add_gram(gram: Matrix, rows: sp.csr_matrix, share: float = 0.05, block: int = 1024) -> None:
    """Adds rowsᵀ rows to the Gram matrix, block by block.

    Rows that more than a `share` of the items have, as "the", fill the product: for them a dense product is faster. The
    others' stays sparse, in blocks, since a sparse matrix that is nearly full is larger than a dense one.
    """
    full = np.diff(rows.indptr) > share * len(gram)  # (rows,)
    common, rest = rows[full], rows[~full]
    for start in range(0, common.shape[0], block):
        dense = common[start : start + block].toarray()  # (block, active)
        gram += dense.T @ dense
    columns = rest.T.tocsr()  # (active, rest)
    for start in range(0, len(gram), block):
        gram[start : start + block] += (columns[start : start + block] @ rest).toarray()


def user_balance(histories: sp.csr_matrix, power: float) -> sp.csr_matrix:
    """Factors of the users' rows: in the Gram matrix a user counts by ``(mean length / length) ** power``.

    At 0 every pair of items counts alike, so that a user counts by the square of the length of the history; at 1 long
    histories count no more than in proportion to their length.

    Args:
        histories: (users, items) of zeros and ones.
        power: From 0 on.

    Returns:
        (users, users), diagonal.
    """
    lengths = np.maximum(np.diff(histories.indptr), 1)  # (users,)
    return sp.diags((lengths.mean() / lengths) ** (power / 2), format="csr")


def _add_translated(gram: Matrix, histories: sp.csr_matrix, balance: sp.csr_matrix, config: Any, dataset: Any) -> None:
    """Adds every history written in each other language, whose items meet in that language only.

    `gram` is that of the text rows alone as yet: the counterparts are read off it.
    """
    languages = dataset.languages
    if config["transfer_weight"] <= 0 or languages is None or languages.items is None:
        return
    codes = languages.items[dataset.visible_items]  # (active,)
    translated = histories @ counterparts(gram, codes, config["transfer_similarity"])  # (users, active)
    for code in np.unique(codes):
        members = np.flatnonzero(codes == code)
        part = translated[:, members]  # (users, members)
        part.data[:] = 1
        part = balance @ part
        gram[np.ix_(members, members)] += config["transfer_weight"] * (part.T @ part).toarray()
