"""Filters: what a list may not show. Each says which places stay; `filtered` applies them and says what they took."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.data.hints import did_you_mean
from recbole_xlrec.errors import ConfigError, DataError
from recbole_xlrec.ranking.lists import Codes, Items, Lists, Mask, blocks

log = logging.getLogger(__name__)


class Filter(NamedTuple):
    """What may stay in lists.

    Attributes:
        name: What it is called in messages.
        keep: Lists (queries, k) to a mask (queries, k), true where a place stays; empty places do not matter.
    """

    name: str
    keep: Callable[[Lists], Mask]


class Filtered(NamedTuple):
    """Lists after filters.

    Attributes:
        lists: What is left, in its order; a list may be empty.
        removed: Name of each filter -> how many places it took.
        emptied: Name of each filter -> rows of the queries that it left with nothing.
    """

    lists: Lists
    removed: dict[str, int]
    emptied: dict[str, NDArray[np.int64]]

    def message(self) -> str:
        """Says which filters left queries with nothing; empty where none did."""
        told = [f"{name}: nothing left for {len(rows)} queries" for name, rows in self.emptied.items() if len(rows)]
        return "; ".join(told)


def filtered(lists: Lists, filters: Sequence[Filter]) -> Filtered:
    """Applies filters one after the other, and logs a warning where one leaves a query with nothing.

    Raises:
        ConfigError: Two filters have one name.
        DataError: A filter's answer is not one mask of the lists' shape.
    """
    names = [each.name for each in filters]
    if len(set(names)) < len(names):
        raise ConfigError(f"each filter has a name of its own; found {names}")
    removed, emptied = {}, {}
    for each in filters:
        before = lists.present()
        keep = np.asarray(each.keep(lists))
        if keep.shape != before.shape or keep.dtype != np.bool_:
            found = f"{keep.dtype} {keep.shape}"
            raise DataError(f"the filter {each.name!r} gave {found}; it must give booleans {before.shape}")
        removed[each.name] = int((before & ~keep).sum())
        emptied[each.name] = np.flatnonzero(before.any(axis=1) & ~(before & keep).any(axis=1))
        lists = lists.kept(keep)
    result = Filtered(lists, removed, emptied)
    if result.message():
        log.warning("Filters left nothing: %s", result.message())
    return result


def not_consumed(starts: NDArray[np.int64], items: Codes) -> Filter:
    """Takes what the query's user has consumed.

    Args:
        starts: (queries + 1,) where in `items` each query's history begins.
        items: (total,) codes.
    """

    def keep(lists: Lists) -> Mask:
        if len(starts) != len(lists.items) + 1:
            raise DataError(f"there are histories of {len(starts) - 1} queries, and lists of {len(lists.items)}")
        out = np.ones(lists.items.shape, dtype=bool)
        for rows in blocks(len(lists.items), lists.items.shape[1]):
            own = starts[rows.start : rows.stop + 1]
            history = np.asarray(items[own[0] : own[-1]], dtype=np.int64)
            owners = np.repeat(np.arange(len(own) - 1), np.diff(own)) << 32
            listed = lists.items[rows].astype(np.int64) | (np.arange(len(own) - 1)[:, None] << 32)
            out[rows] = ~np.isin(listed, owners | history)
        return out

    return Filter("already consumed", keep)


def available(allowed: Mask) -> Filter:
    """Takes the items that are not available: (items,), true where one is."""
    return _of_items("unavailable", allowed)


def by_language(
    languages: Sequence[str | Collection[str]],
    allow: Collection[str] | None = None,
    deny: Collection[str] = (),
) -> Filter:
    """Keeps the items of allowed languages, or takes those of denied ones.

    Args:
        languages: Of each item its language, or its languages; none where it is an empty string or collection.
        allow: An item needs one of these; any will do where None.
        deny: An item may have none of these.

    Raises:
        ConfigError: No item has an allowed or denied value; the message names the nearest.
    """
    return _by_value("language", languages, allow, deny)


def by_market(
    markets: Sequence[str | Collection[str]], allow: Collection[str] | None = None, deny: Collection[str] = ()
) -> Filter:
    """`by_language` for the markets in which each item is sold."""
    return _by_value("market", markets, allow, deny)


def by_category(
    categories: Sequence[str | Collection[str]], allow: Collection[str] | None = None, deny: Collection[str] = ()
) -> Filter:
    """`by_language` for the categories of each item."""
    return _by_value("category", categories, allow, deny)


def one_edition(works: Codes) -> Filter:
    """Keeps of each work the edition that stands highest: (items,) codes of works, -1 where an item is of none."""

    def keep(lists: Lists) -> Mask:
        out = np.ones(lists.items.shape, dtype=bool)
        for rows in blocks(len(lists.items), lists.items.shape[1]):
            found = lists.rows(rows).codes(works)  # (rows, k)
            order = np.argsort(found, axis=1, kind="stable")
            ordered = np.take_along_axis(found, order, axis=1)
            again = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
            np.put_along_axis(out[rows], order[:, 1:], ~again, axis=1)
        return out

    return Filter("another edition of the same work", keep)


def not_older(times: NDArray[np.floating], now: float, age: float) -> Filter:
    """Takes items that came out more than `age` before `now`; one of unknown time (NaN) stays.

    Args:
        times: (items,) when each came out, in any unit.
        now: The time of the recommendation, in the same unit.
        age: The most, in the same unit, 0 or more.
    """
    if not age >= 0:
        raise ConfigError(f"the greatest age of an item is 0 or more; found {age}")
    return _of_items("too old", ~(now - np.asarray(times, dtype=np.float64) > age))


def custom(name: str, predicate: Callable[[Items], Mask]) -> Filter:
    """Keeps items of which a predicate is true: it gets their codes (queries, k), -1 where empty."""
    return Filter(name, lambda lists: predicate(lists.items))


def _of_items(name: str, allowed: Mask) -> Filter:
    """Keeps the allowed items: (items,)."""
    table = np.append(allowed, False)  # the last one is where -1 points

    def keep(lists: Lists) -> Mask:
        if lists.items.max(initial=-1) >= len(allowed):
            raise DataError(f"the filter {name!r} knows {len(allowed)} items; the lists hold item {lists.items.max()}")
        return np.asarray(table[lists.items])

    return Filter(name, keep)


def _by_value(
    name: str,
    values: Sequence[str | Collection[str]],
    allow: Collection[str] | None,
    deny: Collection[str],
) -> Filter:
    """Keeps items by their values, of which each may have several."""
    for option, given in (("allow", allow), ("deny", deny)):
        if isinstance(given, str):
            raise ConfigError(f"{option} of the {name} filter must be a list, found {given!r}. Write [{given!r}]")
    sets = [{value} - {""} if isinstance(value, str) else set(value) for value in values]
    known = set().union(*sets)
    for wanted in [*(allow or ()), *deny]:
        if wanted not in known:
            raise ConfigError(f"no item has the {name} {wanted!r}.{did_you_mean(wanted, sorted(known), n=3)}")
    wanted_any, denied = None if allow is None else set(allow), set(deny)
    keep = [(wanted_any is None or bool(own & wanted_any)) and not own & denied for own in sets]
    return _of_items(f"{name} not allowed", np.array(keep, dtype=bool))
