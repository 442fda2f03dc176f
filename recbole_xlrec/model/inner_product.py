"""What models share whose score is an inner product of a query's vector and an item's.

The item side does not depend on the query: in an evaluation it is computed once, not once a batch. `bridge/retrieval`
ranks such models without a matrix of queries by items.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from recbole.model.abstract_recommender import AbstractRecommender as _Base

    from recbole_xlrec.model.histories import Histories
else:
    _Base = object


class InnerProduct(_Base):
    """Scores and a once-computed item side, from `query_vectors` and `item_vectors`; goes before RecBole's class.

    A model that scores in any other way overrides `full_sort_predict`, and is then ranked by what that returns.
    """

    def query_vectors(self, interaction: Any) -> torch.Tensor:
        """What is asked, (batch, width)."""
        raise NotImplementedError

    def item_vectors(self) -> torch.Tensor:
        """What is ranked, (items, width), from parameters and buffers only; the padding item first."""
        raise NotImplementedError

    def history_vectors(self, histories: Histories) -> torch.Tensor:
        """What is asked for histories of nobody in particular, (histories, width); see `query_vectors`."""
        raise NotImplementedError

    def predict(self, interaction: Any) -> torch.Tensor:
        """Scores of (query, item) pairs, (batch,)."""
        items = self.items_once()[interaction[self.ITEM_ID]]  # (batch, width)
        return (self.query_vectors(interaction) * items).sum(dim=-1)

    def full_sort_predict(self, interaction: Any) -> torch.Tensor:
        """Scores of all items for each query, (batch * items,); the padding item is out of question."""
        scores = self.query_vectors(interaction) @ self.items_once().T  # (batch, items)
        scores[:, 0] = torch.finfo(scores.dtype).min / 2
        return scores.flatten()

    def items_once(self) -> torch.Tensor:
        """`item_vectors`, by `once`."""
        return self.once(self.item_vectors)

    def once(self, compute: Callable[[], torch.Tensor]) -> torch.Tensor:
        """What a method without arguments returns, computed again only when it may have changed.

        It is kept while the model is in evaluation mode and no gradient is wanted, and forgotten as soon as a parameter
        or a buffer is written to or replaced, or the model enters a mode, as RecBole's trainer has it do before every
        evaluation. That covers what autograd cannot see: a fused optimizer, and writing through ``.data``. Only who
        does that between two calls, without ``train()`` or ``eval()``, must call ``forget``. The result is read only.

        Args:
            compute: A method of this model that reads nothing but parameters and buffers.
        """
        if self.training or torch.is_grad_enabled():
            self.forget()
            return compute()
        state = _State(self)
        kept: _Kept = self.__dict__.setdefault("_kept", _Kept())
        if not state.same_as(kept.state):
            kept.state, kept.results = state, {}
        name = compute.__name__
        if name not in kept.results:
            kept.results[name] = compute()
        return kept.results[name]

    def forget(self) -> None:
        """Drops what `once` has kept."""
        self.__dict__.pop("_kept", None)

    def train(self, mode: bool = True) -> Any:
        """PyTorch's ``train``; see there."""
        self.forget()
        return super().train(mode)


class _State:
    """What the parameters and buffers of a model were at some time.

    A tensor's version counts the writes to it, as autograd does to find saved tensors that have changed. The tensors'
    memory is held, so that no new tensor can come to lie at the same address.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        tensors = list(chain(model.parameters(), model.buffers()))
        self.known = not any(tensor.is_inference() for tensor in tensors)  # whose writes nobody counts
        self.key: list[Any] = [_autocast(tensor.device.type) for tensor in tensors[:1]]
        self.memory = tensors, [tensor.detach() for tensor in tensors]
        if self.known:
            self.key += [(_address(tensor), tensor._version, tensor.dtype, tensor.device) for tensor in tensors]

    def same_as(self, other: _State | None) -> bool:
        """True if nothing has been written in between."""
        return other is not None and self.known and other.known and self.key == other.key


def _address(tensor: torch.Tensor) -> tuple[Any, ...]:
    if tensor.layout != torch.strided:
        return (id(tensor),)
    return tensor.data_ptr(), tuple(tensor.shape), tensor.stride()


def _autocast(device: str) -> tuple[bool, torch.dtype] | None:
    if not torch.amp.is_autocast_available(device):
        return None
    return torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)


class _Kept:
    """Results of `InnerProduct.once`; a copy of the model, or a pickled one, begins without any."""

    state: _State | None = None

    def __init__(self) -> None:
        self.results: dict[str, torch.Tensor] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return _Kept, ()
