"""What each part of a split may hold, for any RecBole dataset: the protocols.

RecBole splits; then hidden users leave training and validation. Hidden items leave before RecBole splits, so that no
history and no left-out target holds one, and become the test part afterwards: one query a user, whose history is what
training holds and whose targets are all the hidden items that the user met, for general and sequential models alike.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from recbole.data.dataset import SequentialDataset
from recbole.data.interaction import Interaction

from recbole_xlrec.bridge.protocol_keys import hides_items, protocol_languages
from recbole_xlrec.bridge.protocol_plan import Mask, Plan, make_plan
from recbole_xlrec.errors import ConfigError, DataError, sample

if TYPE_CHECKING:
    from recbole.data.dataset import Dataset as _Base
else:
    _Base = object

logger = logging.getLogger(__name__)

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]


class ProtocolMixin(_Base):
    """Part of `XLDatasetMixin`.

    Attributes:
        met_elsewhere: Of a test part that lacks some of what its users did: the users and items of those interactions.
    """

    inter_feat: Any
    file_size_list: list[int]
    _shared: dict[Any, Any]
    _aside: Any = None  # the interactions of hidden items
    _query_feat: Any = None  # those of training, with those of the hidden users that test asks about
    met_elsewhere: Pairs | None = None

    @property
    def hidden_items(self) -> Mask | None:
        """(items,) true for those that the protocol keeps out; None for none, and before `build`."""
        return self._shared.get("plan", Plan()).hidden

    def cold_limits(self) -> Pairs | None:
        """As `candidate_limits`: hidden items alone are candidates of test queries; those of validation rank all."""
        if self.hidden_items is None or self.met_elsewhere is None:
            return None
        return np.ones(self.user_num, dtype=np.int64), self.hidden_items.astype(np.int64)

    @property
    def visible_items(self) -> NDArray[np.int64]:
        """Internal ids of the items whose texts training may see, sorted, without the padding item."""
        items = np.arange(1, self.item_num)
        if self.config["protocol"] != "single":
            return items
        index = self.needed_languages("protocol: single")
        if index.items is None:
            return items
        (language,) = protocol_languages(self.config)
        mine = index.items[items] == index.code(language)
        return np.union1d(items[mine], self.training_items)

    # --- what a scorer may know --------------------------------------------------------------------------------

    @property
    def query_events(self) -> Any:
        """The interactions that histories are made of: this part's, and of hidden users what training would hold."""
        return self.inter_feat if self._query_feat is None else self._query_feat

    def query_histories(self) -> sp.csr_matrix:
        """(users, items) of zeros and ones: what a query's user has met, whether training sees that user or not."""
        return self.copy(self.query_events).histories()

    def histories(self) -> sp.csr_matrix:
        """(users, items) of zeros and ones, one event or many: what users have met in this part."""
        met = self.inter_matrix("csr")
        met.data[:] = 1
        return met

    # --- splitting ---------------------------------------------------------------------------------------------

    def build(self) -> list[Any]:
        """RecBole's split, of which each part keeps what the protocol lets it see.

        Raises:
            ConfigError: If the dataset lacks a language column, or its histories cannot be cut anew.
            DataError: If no training or no test interaction is left.
        """
        parts = super().build()
        plan = self._shared["plan"]
        if plan.keeps_all:
            return parts
        kept = (
            self._without_users(parts, plan.trained, plan.tested) if plan.hidden is None else self._with_hidden(parts)
        )
        self._refuse_empty(parts, kept)
        logger.info("protocol: %s: %s interactions for training, validation, test", self._name, [*map(len, kept)])
        return kept

    def _change_feat_format(self) -> None:
        if "plan" not in self._shared:
            self._shared["plan"] = make_plan(self)
        hidden, sequential = self.hidden_items, isinstance(self, SequentialDataset)
        if hidden is not None and sequential and self.benchmark_filename_list is not None:
            raise ConfigError(
                f"protocol: {self._name} cannot take items out of the histories that benchmark files hold"
            )
        super()._change_feat_format()
        if hidden is None or sequential:
            return
        rows = hidden[self.inter_feat[self.iid_field].numpy()]  # (interactions,)
        if self.benchmark_filename_list is not None:
            parts = np.split(~rows, np.cumsum(self.file_size_list)[:-1])
            self.file_size_list = [int(part.sum()) for part in parts]
        self.inter_feat, self._aside = self.inter_feat[~rows], self.inter_feat[rows]

    def _without_users(self, parts: list[Any], trained: Mask, tested: Mask) -> list[Any]:
        train, valid, test = parts
        kept = [_of(train, trained), _of(valid, trained), _of(test, tested)]
        kept[0]._query_feat = _of(train, trained | tested).inter_feat
        unseen = tested & ~trained
        kept[2].met_elsewhere = self._pairs(_of(train, unseen), _of(valid, unseen))
        return kept

    def _with_hidden(self, parts: list[Any]) -> list[Any]:
        train, valid, test = parts
        rows = self._aside
        if isinstance(self, SequentialDataset):
            rows = self.hidden_rows(valid, test)
        else:
            known = np.isin(rows[self.uid_field].numpy(), train.inter_feat[self.uid_field].numpy())
            logger.info("protocol: %s: %d interactions of users without a history left out", self._name, (~known).sum())
            rows = rows[known]
        asked = test.copy(Interaction({name: rows[name] for name in test.inter_feat.columns}))
        asked.met_elsewhere, asked.targets_hidden = self._pairs(test), True
        return [train, valid, asked]

    def _pairs(self, *parts: Any) -> Pairs:
        users, items = (
            np.concatenate([part.inter_feat[field].numpy() for part in parts])
            for field in (self.uid_field, self.iid_field)
        )
        return users, items

    @property
    def _name(self) -> str:
        return self.config["protocol"]

    def _refuse_empty(self, before: list[Any], kept: list[Any]) -> None:
        side = "items" if hides_items(self.config) else "users"
        if self._name == "cold_item":
            whose, others, lever = (
                f"a share of {self.config['cold_share']} of the items",
                "the other items",
                "cold_share",
            )
        else:
            whose = f"{side} in {sample(protocol_languages(self.config), 10)}"
            others, lever = f"{side} in other languages", f"protocol_language ({', '.join(self.languages.names[1:])})"
        if not len(kept[0]):
            lost = whose if self._name == "single" else others
            raise DataError(
                f"protocol: {self._name}: no training interaction is left of {lost}. Change {lever} or eval_args.split"
            )
        if not len(kept[2]) and (len(before[2]) or self.hidden_items is not None):
            raise DataError(
                f"protocol: {self._name}: no test interaction with a history before it is left of {whose}. "
                f"Change {lever} or eval_args.split"
            )


def _of(part: Any, users: Mask) -> Any:
    """The rows of some users."""
    return part.copy(part.inter_feat[users[part.inter_feat[part.uid_field].numpy()]])
