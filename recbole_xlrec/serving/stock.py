"""RecBole's own models asked about histories, where their score is a function of the history alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from recbole.data.interaction import Interaction
from recbole.utils import ModelType

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.model.histories import Histories

#: Scores (histories, items) of histories.
HistoryScores = Callable[[Histories], torch.Tensor]


def _ease(model: Any, histories: Histories) -> torch.Tensor:
    """EASE and SLIMElastic: histories (Steck, 2019, equation 1) times item-item weights."""
    return _dense(histories.counts(model.n_items) @ model.item_similarity)


def _item_knn(model: Any, histories: Histories) -> torch.Tensor:
    """ItemKNN: histories times item-item similarities."""
    if model.method != "item":
        raise ConfigError("ItemKNN with knn_method: user knows users by their neighbours, and takes no histories")
    return _dense(histories.counts(model.n_items) @ model.w)


def _pop(model: Any, histories: Histories) -> torch.Tensor:
    """Pop: the same for all."""
    return (model.item_cnt / model.max_cnt).flatten().expand(len(histories), -1)


_BY_NAME: dict[str, Callable[[Any, Histories], torch.Tensor]] = {
    "EASE": _ease,
    "SLIMElastic": _ease,
    "ItemKNN": _item_knn,
    "Pop": _pop,
}


def history_scores(model: Any) -> HistoryScores | None:
    """How a model answers for histories; None where it cannot."""
    own = getattr(model, "history_scores", None)
    if own is not None:
        return own
    if model.type == ModelType.SEQUENTIAL:
        return lambda histories: of_sequences(model, sequences(model, histories))
    named = _BY_NAME.get(type(model).__name__) if type(model).__module__.startswith("recbole.") else None
    return None if named is None else lambda histories: named(model, histories)


def sequences(model: Any, histories: Histories, users: np.ndarray | None = None) -> Interaction:
    """The batch that a sequential model is asked about; without users, nothing but the history."""
    padded, lengths = histories.padded(model.max_seq_length)
    columns = {model.ITEM_SEQ: padded, model.ITEM_SEQ_LEN: lengths}
    if users is not None:
        columns[model.USER_ID] = users
    return Interaction(columns).to(next(model.parameters()).device)


def of_sequences(model: Any, batch: Interaction) -> torch.Tensor:
    """(batch, items).

    Raises:
        ConfigError: If the model asks for more than the sequence, such as the user's id, or ranks no catalogue.
    """
    name = type(model).__name__
    try:
        scores = model.full_sort_predict(batch)
    except KeyError as error:
        raise ConfigError(
            f"{name} asks for {error} of every history, which a list of items does not have; it answers for known "
            "users at most"
        ) from error
    except NotImplementedError as error:
        raise no_catalogue(model) from error
    return scores.view(len(batch), -1)


def no_catalogue(model: Any) -> ConfigError:
    """What is said of a model that does not score all items at once."""
    return ConfigError(f"{type(model).__name__} scores given items only and ranks no catalogue, so it cannot recommend")


def _dense(scores: Any) -> torch.Tensor:
    found = scores if isinstance(scores, np.ndarray) else scores.toarray()
    return torch.from_numpy(np.asarray(found, dtype=np.float32))
