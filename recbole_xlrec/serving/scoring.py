"""A model's answers as lists: for users it knows and for histories, over its own items and new ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from recbole.data.interaction import Interaction
from recbole.utils import ModelType

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.model.histories import Histories
from recbole_xlrec.model.inner_product import InnerProduct
from recbole_xlrec.ranking.topk import Pairs, TopItems, top_items
from recbole_xlrec.serving.load import LoadedRun, on_device
from recbole_xlrec.serving.stock import history_scores, no_catalogue, of_sequences, sequences

#: Scores that a batch may hold at once, where a model makes a matrix of queries by items.
CELLS = 2**25


class Candidates(NamedTuple):
    """Which items each query may be given; queries and items are internal numbers, items those of the catalogue.

    Attributes:
        allowed: (items,) true for those that all queries may be given; None for every item but the padding.
        exclude: Queries (pairs,) and items (pairs,) that are not given together; None for none.
        codes: Codes (queries,) and (items,), of which only equal ones are given; None for no such limit.
    """

    allowed: torch.Tensor | None = None
    exclude: Pairs | None = None
    codes: Pairs | None = None

    def of(self, rows: torch.Tensor) -> Candidates:
        """Those of some queries, in ascending order."""
        exclude, codes = self.exclude, self.codes
        if exclude is not None:
            mine = torch.isin(exclude[0], rows)
            exclude = torch.searchsorted(rows, exclude[0][mine]), exclude[1][mine]
        return Candidates(self.allowed, exclude, None if codes is None else (codes[0][rows], codes[1]))


class Scorer(ABC):
    """What is asked of a model; what `known` and `of_histories` give, `top` and `scores` take, row by row."""

    #: How many queries may be asked about at once.
    rows_at_once = 4096

    def __init__(self, run: LoadedRun) -> None:
        self.run, self.model = run, run.model
        self.sequential = self.model.type == ModelType.SEQUENTIAL

    @abstractmethod
    def known(self, users: NDArray[np.int64], histories: Histories) -> torch.Tensor:
        """Asks for users of the run, (queries,); sequential models go by their histories."""

    @abstractmethod
    def of_histories(self, histories: Histories) -> torch.Tensor:
        """Asks for histories.

        Raises:
            ConfigError: If the model knows users by their id only.
        """

    @abstractmethod
    def top(self, asked: torch.Tensor, k: int, candidates: Candidates) -> TopItems:
        """The k best candidates of each; of equal scores the smaller number comes first."""

    @abstractmethod
    def scores(self, asked: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """(queries, width or items) and (queries, chosen) numbers of items → their scores."""

    def parts(self, histories: Histories) -> torch.Tensor | None:
        """What each item adds to what is asked, (total, width or items); None where that is no sum over items."""
        found = getattr(self.model, "history_parts", None)
        return None if found is None else found(histories)

    def _user_batch(self, users: NDArray[np.int64], histories: Histories) -> Interaction:
        if self.sequential:
            return sequences(self.model, histories, users)
        field = self.model.USER_ID
        return self.run.test.join(Interaction({field: torch.from_numpy(users)})).to(self.run.settings["device"])

    def _refuse(self) -> ConfigError:
        name = type(self.model).__name__
        return ConfigError(
            f"{name} knows users by their id only, so that it answers for users of the run and takes no histories. "
            "Models that do: XLProfile, XLEASE, XLAlphaRec, XLSASRec, EASE, SLIMElastic, ItemKNN, and RecBole's "
            "sequential models that do not ask for the user's id"
        )


class VectorScorer(Scorer):
    """For models whose score is an inner product.

    Args:
        run: The run.
        new: Vectors of new items, (new, width).
    """

    def __init__(self, run: LoadedRun, new: torch.Tensor | None = None) -> None:
        super().__init__(run)
        self._new, self._own, self._items = new, torch.empty(0), torch.empty(0)

    @property
    def items(self) -> torch.Tensor:
        """(items + new, width), put together once."""
        own = self.model.items_once()
        if own is not self._own:
            self._own, self._items = own, own if self._new is None else torch.cat([own, self._new.to(own)])
        return self._items

    def known(self, users: NDArray[np.int64], histories: Histories) -> torch.Tensor:
        """(queries, width)."""
        return self.model.query_vectors(self._user_batch(users, histories))

    def of_histories(self, histories: Histories) -> torch.Tensor:
        """(queries, width)."""
        try:
            return self.model.history_vectors(histories)
        except NotImplementedError as error:
            raise self._refuse() from error

    def top(self, asked: torch.Tensor, k: int, candidates: Candidates) -> TopItems:
        """See `Scorer`."""
        return top_vectors(asked, self.items, k, candidates)

    def scores(self, asked: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """See `Scorer`."""
        return torch.einsum("qw,qkw->qk", asked.float(), self.items[items].float())


def top_vectors(asked: torch.Tensor, items: torch.Tensor, k: int, candidates: Candidates) -> TopItems:
    """The k best candidates by inner product: (queries, width) and (items, width)."""
    allowed, exclude, codes = candidates
    if allowed is None:
        return top_items(asked, items, k, exclude=exclude, languages=codes)
    chosen = allowed.nonzero().flatten()  # (chosen,)
    if exclude is not None:
        inside = allowed[exclude[1]]
        exclude = exclude[0][inside], torch.searchsorted(chosen, exclude[1][inside])
    codes = None if codes is None else (codes[0], codes[1][chosen])
    top = top_items(asked, items[chosen], k, exclude=exclude, languages=codes, first=0)
    if not len(chosen):
        return top
    return TopItems(top.scores, torch.where(torch.isfinite(top.scores), chosen[top.ids], 0))


class MatrixScorer(Scorer):
    """For any other model that scores a whole catalogue.

    Args:
        run: The run.
        new: (items of the model, new) weights by which histories score new items.
    """

    def __init__(self, run: LoadedRun, new: torch.Tensor | None = None) -> None:
        super().__init__(run)
        self._history_scores, self._new = history_scores(self.model), new
        self.rows_at_once = max(1, min(4096, CELLS // run.train.item_num))

    def known(self, users: NDArray[np.int64], histories: Histories) -> torch.Tensor:
        """(queries, items + new)."""
        batch = self._user_batch(users, histories)
        if self.sequential:
            return self._whole(of_sequences(self.model, batch), histories)
        try:
            scores = self.model.full_sort_predict(batch)
        except NotImplementedError as error:
            raise no_catalogue(self.model) from error
        scores = scores.view(len(users), -1).to(self.run.settings["device"])
        return scores if self._new is None else torch.cat([scores, self.model.known_new(batch, self._new)], dim=1)

    def of_histories(self, histories: Histories) -> torch.Tensor:
        """(queries, items + new)."""
        if self._history_scores is None:
            raise self._refuse()
        return self._whole(self._history_scores(histories).to(self.run.settings["device"]), histories)

    def parts(self, histories: Histories) -> torch.Tensor | None:
        """See `Scorer`."""
        own = super().parts(histories)
        if own is None or self._new is None:
            return own
        each = Histories(np.arange(len(histories.items) + 1), histories.items)
        return self._whole(own, each)

    def _whole(self, scores: torch.Tensor, histories: Histories) -> torch.Tensor:
        if self._new is None:
            return scores
        return torch.cat([scores, self.model.history_new(histories, self._new)], dim=1)

    def top(self, asked: torch.Tensor, k: int, candidates: Candidates) -> TopItems:
        """See `Scorer`."""
        scores = asked.float().nan_to_num(nan=-torch.inf)  # a copy, (queries, items)
        scores[:, 0] = -torch.inf
        if candidates.allowed is not None:
            scores.masked_fill_(~candidates.allowed, -torch.inf)
        if candidates.codes is not None:
            queries, items = candidates.codes
            scores.masked_fill_(queries[:, None] != items, -torch.inf)
        if candidates.exclude is not None:
            scores[candidates.exclude] = -torch.inf
        return best(scores, k)

    def scores(self, asked: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """See `Scorer`."""
        return asked.gather(1, items)


def best(scores: torch.Tensor, k: int) -> TopItems:
    """The k best of (queries, items) scores, of equal ones the smaller number first; -inf and 0 where there is none."""
    kept = min(k, scores.shape[1])
    last = scores.topk(kept, dim=1).values[:, -1:]  # (queries, 1)
    above, equal = scores > last, scores == last
    left = kept - above.sum(dim=1, keepdim=True)
    chosen = above | (equal & (equal.cumsum(dim=1) <= left))  # (queries, items), kept in each row
    ids = chosen.nonzero()[:, 1].view(len(scores), kept)  # rising
    values, order = scores.gather(1, ids).sort(dim=1, descending=True, stable=True)
    ids = torch.where(torch.isfinite(values), ids.gather(1, order), 0)
    more = (0, k - kept)
    pad = torch.nn.functional.pad
    return TopItems(pad(values.float(), more, value=-torch.inf), pad(ids, more))


def make_scorer(run: LoadedRun, new: torch.Tensor | None = None) -> Scorer:
    """The scorer of a run's model; `new` as its class takes it."""
    return (VectorScorer if by_inner_product(run.model) else MatrixScorer)(run, new)


def by_inner_product(model: Any) -> bool:
    """Says whether a model's score is an inner product."""
    return isinstance(model, InnerProduct) and type(model).full_sort_predict is InnerProduct.full_sort_predict


def pairs(histories: Histories, run: LoadedRun) -> Pairs:
    """Queries and items of histories, as `Candidates` excludes them."""
    return on_device(run, histories.rows), on_device(run, histories.items)
