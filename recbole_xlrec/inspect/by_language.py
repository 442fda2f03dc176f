"""The languages of a dataset, and what of it bridges them: users, works, single interactions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from recbole_xlrec.inspect.measures import Array, groups_met, majority
from recbole_xlrec.inspect.tables import UNKNOWN, Interactions, Listed, aligner
from recbole_xlrec.inspect.texts import TextTable


@dataclass(frozen=True)
class Language:
    """One language's counts.

    Attributes:
        name: Its tag; ``und`` gathers what has none.
        users: Users with interactions whose home language it is.
        items: Items in it.
        interactions: Those with an item in it; where items have no language, those by users whose home it is.
        texts: Rows of the text table.
        title_length: Mean characters of its titles that are not blank; None where there are none.
    """

    name: str
    users: int
    items: int
    interactions: int
    texts: int
    title_length: float | None


@dataclass(frozen=True)
class Bridging:
    """What connects the languages; None where the files do not say. ``und`` counts as no language.

    Attributes:
        users: Share of users who consumed items of two languages or more.
        crossing: Share of the interactions, both languages known, whose item is not in the user's home language.
        works: Works, that is different `work_id`; an item without one is its own work.
        editions: Share of the works that have items in two languages or more.
        exist: Share of the works that have items or texts in two languages or more.
        consumed: Share of the works consumed by users of two home languages or more.
    """

    users: float | None
    crossing: float | None
    works: int
    editions: float | None
    exist: float | None
    consumed: float | None


class LanguageCodes:
    """The language of every user, item and text as codes into `names`, where ``names[0]`` is ``und``.

    Attributes:
        names: The languages, sorted after ``und``.
        items: Codes of `item_ids`; None where the item file has no languages.
        homes: Codes of the users with interactions; None where neither users nor items have a language.
        homes_from: ``"users"`` where the user file says, ``"items"`` where it is the majority of the items consumed.
        texts: Codes of the text table's rows.
    """

    def __init__(
        self,
        inter: Interactions,
        item_ids: pd.Index,
        items: Listed | None,
        users: Listed | None,
        texts: TextTable | None,
    ) -> None:
        columns = [listed.languages for listed in (items, users) if listed is not None and listed.languages is not None]
        columns += [texts.languages] if texts is not None else []
        tags = {tag for column in columns for tag in column.unique()}
        self.names: tuple[str, ...] = (UNKNOWN, *sorted(tags - {UNKNOWN}))
        align = aligner(self.names)
        self.items = align(items, item_ids)
        self.homes = align(users, inter.user_ids)
        self.homes_from: str | None = "users" if self.homes is not None else None
        if self.homes is None and self.items is not None:
            self.homes_from = "items"
            self.homes = majority(inter.users, self.items[inter.items], len(inter.user_ids), len(self.names))
        place = pd.Series(range(len(self.names)), index=list(self.names), dtype=np.int16)
        self.texts: Array = place.loc[texts.languages].to_numpy() if texts is not None else np.empty(0, dtype=np.int16)


def matrix(inter: Interactions, codes: LanguageCodes) -> tuple[tuple[int, ...], ...] | None:
    """Interactions by home language of the user (rows) and language of the item (columns), in the order of the names.

    Returns:
        (languages, languages), or None where items carry no language.
    """
    if codes.items is None or codes.homes is None:
        return None
    count = len(codes.names)
    cells = codes.homes[inter.users].astype(np.int32) * count + codes.items[inter.items]
    return tuple(map(tuple, np.bincount(cells, minlength=count * count).reshape(count, count).tolist()))


def languages(inter: Interactions, codes: LanguageCodes, titles: Array | None) -> tuple[Language, ...]:
    """The counts of each language, the one with most interactions first; ``und`` only where something has it."""
    count = len(codes.names)
    nothing = np.zeros(count, dtype=np.int64)
    users = nothing if codes.homes is None else np.bincount(codes.homes, minlength=count)
    items = nothing if codes.items is None else np.bincount(codes.items, minlength=count)
    texts = np.bincount(codes.texts, minlength=count)
    named = codes.texts[titles > 0] if titles is not None else codes.texts[:0]
    total = np.bincount(codes.texts, titles, minlength=count) if titles is not None else nothing
    titled = np.bincount(named, minlength=count)
    events = nothing
    if codes.items is not None:
        events = np.bincount(codes.items[inter.items], minlength=count)
    elif codes.homes is not None:
        events = np.bincount(codes.homes[inter.users], minlength=count)
    rows = [
        Language(
            name,
            users=int(users[code]),
            items=int(items[code]),
            interactions=int(events[code]),
            texts=int(texts[code]),
            title_length=float(total[code] / titled[code]) if titled[code] else None,
        )
        for code, name in enumerate(codes.names)
        if users[code] or items[code] or events[code] or texts[code]
    ]
    return tuple(sorted(rows, key=lambda row: (-row.interactions, -row.items, -row.texts, row.name)))


def bridging(
    inter: Interactions,
    codes: LanguageCodes,
    works: Array,
    text_works: Array,
    cells: Sequence[Sequence[int]] | None,
) -> Bridging:
    """Measures what connects the languages.

    Args:
        inter: The interactions.
        codes: The languages.
        works: (items,) code of each item's work, from 0 without gaps.
        text_works: (texts,) the work of each row of the text table; -1 where its item is not known or its text blank.
        cells: The source by target matrix.
    """
    count, known = int(works.max()) + 1, len(codes.names)
    users = editions = exist = consumed = None
    if codes.items is not None:
        users = _bridged(groups_met(inter.users, codes.items[inter.items], len(inter.user_ids), known))
        editions = _bridged(groups_met(works, codes.items, count, known))
    if codes.items is not None or len(text_works):
        there = text_works >= 0
        items = works if codes.items is not None else works[:0]
        tags = codes.items if codes.items is not None else codes.texts[:0]
        keys, groups = np.concatenate([items, text_works[there]]), np.concatenate([tags, codes.texts[there]])
        exist = _bridged(groups_met(keys, groups, count, known))
    if codes.homes is not None:
        consumed = _bridged(groups_met(works[inter.items], codes.homes[inter.users], count, known))
    return Bridging(users, _crossing(cells), count, editions, exist, consumed)


def _bridged(met: Array) -> float:
    return float((met > 1).mean())


def _crossing(cells: Sequence[Sequence[int]] | None) -> float | None:
    if cells is None:
        return None
    known = np.asarray(cells)[1:, 1:]
    return float(1 - np.trace(known) / known.sum()) if known.sum() else None
