"""Whom and what a protocol keeps out of training: hidden users and hidden items, and nothing else.

What is drawn is drawn from the ids as the files have them, in their order, so that models whose datasets number users
and items differently get the same draw; the first n of a draw are among the first n + 1.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.bridge.protocol_keys import hides_items, protocol_languages
from recbole_xlrec.data.columns import ITEM, USER

logger = logging.getLogger(__name__)

Mask = NDArray[np.bool_]


class Plan(NamedTuple):
    """What the parts of a split hold.

    Attributes:
        trained: (users,) true for those whose rows training and validation keep; None for all.
        tested: (users,) true for those whose rows test keeps; None for all.
        hidden: (items,) true for those whose interactions are the test part, and nothing else is; None for none.
    """

    trained: Mask | None = None
    tested: Mask | None = None
    hidden: Mask | None = None

    @property
    def keeps_all(self) -> bool:
        """Whether every part stays as RecBole splits it."""
        return self.trained is None and self.hidden is None


def make_plan(dataset: Any) -> Plan:
    """The plan of a dataset whose interactions are read but not split yet.

    Raises:
        ConfigError: If the dataset lacks a language column that the protocol needs.
        DataError: If nobody and nothing is in a language of the protocol.
    """
    return _PLANS[dataset.config["protocol"]](dataset)


def draw(ids: NDArray[np.int64], tokens: NDArray[np.str_], count: int, seed: int) -> NDArray[np.int64]:
    """Draws internal ids without replacement, by their tokens.

    Args:
        ids: Internal ids to draw from.
        tokens: (all,) tokens by internal id.
        count: How many; all where there are not so many.
        seed: Any seed of NumPy's.
    """
    ordered = ids[np.argsort(tokens[ids])]
    return np.random.default_rng(seed).permutation(ordered)[:count]


def count_of(wanted: float, there: int) -> int:
    """A number of users as it is, a share of them rounded, at least one.

    Example:
        >>> count_of(20, 300), count_of(20, 3), count_of(0.1, 300), count_of(0.1, 3)
        (20, 3, 30, 1)
    """
    return max(1, round(wanted * there)) if isinstance(wanted, float) else min(wanted, there)


def _single(dataset: Any) -> Plan:
    mine = _users(dataset)
    return Plan(trained=mine, tested=mine)


def _zero_shot(dataset: Any) -> Plan:
    if hides_items(dataset.config):
        return Plan(hidden=_items(dataset))
    mine = _users(dataset)
    return Plan(trained=~mine, tested=mine)


def _few_shot(dataset: Any) -> Plan:
    mine = _users(dataset)
    there = np.unique(np.asarray(dataset.inter_feat[dataset.uid_field]))
    there = there[mine[there]]
    wanted, trained = dataset.config["few_shot_users"], ~mine
    count = count_of(wanted, len(there))
    if wanted >= len(there):
        logger.warning("few_shot_users %s: there are %d, and training sees all of them", wanted, len(there))
    tokens = dataset.field2id_token[dataset.uid_field].astype(str)
    trained[draw(there, tokens, count, dataset.config["seed"])] = True
    return Plan(trained=trained, tested=mine)


def _cold_item(dataset: Any) -> Plan:
    there = np.unique(np.asarray(dataset.inter_feat[dataset.iid_field]))
    hidden = np.zeros(dataset.item_num, dtype=bool)
    count = count_of(float(dataset.config["cold_share"]), len(there))
    hidden[draw(there, dataset.item_ids, count, dataset.config["seed"])] = True
    return Plan(hidden=hidden)


def _users(dataset: Any) -> Mask:
    """(users,) true for those in a language of the protocol."""
    index = dataset.needed_languages(f"protocol: {dataset.config['protocol']}")
    return np.isin(index.users, [index.code(language) for language in protocol_languages(dataset.config)])


def _items(dataset: Any) -> Mask:
    """(items,) true for those in a language of the protocol."""
    index = dataset.needed_languages("protocol_by: items", of=(USER, ITEM))
    return np.isin(index.items, [index.code(language) for language in protocol_languages(dataset.config)])


_PLANS: dict[str, Callable[[Any], Plan]] = {
    "joint": lambda dataset: Plan(),
    "single": _single,
    "zero_shot": _zero_shot,
    "few_shot": _few_shot,
    "cold_item": _cold_item,
    "bilingual": lambda dataset: Plan(),  # keeps nothing out; the dataset is another: `bilingual`
}
