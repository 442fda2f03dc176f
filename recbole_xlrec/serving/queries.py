"""What is asked and what is answered."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.ranking.filters import Filter

MODEL, POPULARITY, SEARCH = "model", "popularity", "search"

T = TypeVar("T")


class Query(NamedTuple):
    """One list that is asked for.

    Attributes:
        id: What the answer is called by.
        user: A user of the run; None where a history is given.
        history: Item ids, oldest first; None where a user is given.
        language: The language of a history's owner; None for the one that most of the history is in.
    """

    id: str
    user: str | None = None
    history: Sequence[str] | None = None
    language: str | None = None


class Options(NamedTuple):
    """What lists may hold.

    Attributes:
        k: Their length.
        languages: Languages of the items; None for those that the run's own evaluation ranked.
        exclude_seen: Whether what the history holds is left out; None for what the run's evaluation did, which is to
            leave it out, but for sequential models without ``exclude_met``.
        one_edition_per_work: Of editions of one work only the best.
        categories: An item needs one of these; None for any.
        unavailable: Ids of items that are left out.
        filters: More, each of which goes by the items alone; an item's code is its number in the catalogue.
        explain: Whether reasons are given.
    """

    k: int = 10
    languages: Sequence[str] | None = None
    exclude_seen: bool | None = None
    one_edition_per_work: bool = False
    categories: Collection[str] | None = None
    unavailable: Collection[str] = ()
    filters: Sequence[Filter] = ()
    explain: bool = False


class Reason(NamedTuple):
    """Why an item is in a list.

    Attributes:
        item_id: The item of the history that speaks for it; empty for a search.
        text: What that item is called, or the text that a search found.
        share: What it adds to the score.
    """

    item_id: str
    text: str
    share: float


class Recommendations(NamedTuple):
    """Lists of some queries.

    Attributes:
        query_ids: (queries,) strings.
        item_ids: (queries, k) strings, best first; empty where there were fewer candidates.
        scores: (queries, k) float32; -inf where the item is empty.
        sources: (queries,) who made the list: model, popularity or search.
        notes: (queries,) what is to be said of it; mostly empty.
        unknown: (queries,) ids in the history that the run does not know, and that were skipped.
        reasons: (queries,) lists of k lists, the strongest first; None where they were not asked for.
    """

    query_ids: list[str]
    item_ids: NDArray[np.str_]
    scores: NDArray[np.float32]
    sources: list[str]
    notes: list[str]
    unknown: list[list[str]]
    reasons: list[list[list[Reason]]] | None = None


def merged(parts: Sequence[Recommendations]) -> Recommendations:
    """Lists of the same length one after the other."""
    told = [part.reasons for part in parts if part.reasons is not None]
    return Recommendations(
        query_ids=list(chain.from_iterable(part.query_ids for part in parts)),
        item_ids=np.concatenate([part.item_ids for part in parts]),
        scores=np.concatenate([part.scores for part in parts]),
        sources=list(chain.from_iterable(part.sources for part in parts)),
        notes=list(chain.from_iterable(part.notes for part in parts)),
        unknown=list(chain.from_iterable(part.unknown for part in parts)),
        reasons=list(chain.from_iterable(told)) if told else None,
    )


def batches(values: Iterable[T], size: int) -> Iterator[list[T]]:
    """Stretches of values.

    Example:
        >>> list(batches("abcde", 2))
        [['a', 'b'], ['c', 'd'], ['e']]
    """
    rest = iter(values)
    while found := list(islice(rest, size)):
        yield found
