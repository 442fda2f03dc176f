"""Why an item is in a list: which items of the history, or which text, led to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.model.histories import Histories
from recbole_xlrec.ranking.lists import Lists
from recbole_xlrec.serving.load import on_device
from recbole_xlrec.serving.queries import Reason

if TYPE_CHECKING:
    from recbole_xlrec.serving.recommender import Recommender

#: Reasons that are given of an item.
MOST = 3
#: Items of a history, the latest, that are left out one by one.
LATEST = 20


def explain(recommender: Recommender, history: NDArray[np.int64], lists: Lists) -> list[list[Reason]]:
    """The reasons of one list, (k,) of up to `MOST`, the strongest first, positive ones only.

    Args:
        recommender: The recommender.
        history: (history,) numbers of the items by which the model knows the query's owner.
        lists: The list, (1, k).
    """
    nothing: list[list[Reason]] = [[] for _ in range(lists.items.shape[1])]
    listed = lists.items[0][lists.items[0] > 0].astype(np.int64)  # (found,)
    if not len(history) or not len(listed):
        return nothing
    shares = contributions(recommender, history, listed)
    if shares is None:
        return nothing
    items, added = shares
    catalogue = recommender.catalogue
    for place in range(len(listed)):
        order = np.argsort(-added[:, place], kind="stable")[:MOST]
        nothing[place] = [
            Reason(str(catalogue.ids[items[row]]), str(catalogue.titles[items[row]]), float(added[row, place]))
            for row in order
            if added[row, place] > 0
        ]
    return nothing


def contributions(
    recommender: Recommender, history: NDArray[np.int64], listed: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
    """What each item of a history adds to the scores of listed items.

    Of models whose score is a sum over the history (`history_parts`), the summands. Of others, how much the score falls
    when the item is left out of the history, for the latest `LATEST`: of EASE and ItemKNN that is the summand, too; of
    a transformer it says what the item changes given all others, and does not add up to the score.

    Returns:
        (items,) numbers; (items, listed); or None where the model knows users by their id only.
    """
    scorer = recommender.scorer
    with torch.no_grad():
        chosen = on_device(recommender.run, listed)
        parts = scorer.parts(Histories.of([history]))
        if parts is not None:
            added = scorer.scores(parts, chosen.expand(len(parts), -1))
            return _together(history, added.double().cpu().numpy())
        latest = history[-LATEST:]
        without = [np.delete(history, len(history) - len(latest) + place) for place in range(len(latest))]
        shorter = [each for each in without if len(each)]
        try:
            whole = scorer.scores(scorer.of_histories(Histories.of([history])), chosen[None])
            rest = torch.zeros(len(latest), len(listed), device=whole.device)
            if shorter:  # a history of one item leaves nothing, which scores nothing
                rest = scorer.scores(scorer.of_histories(Histories.of(shorter)), chosen.expand(len(shorter), -1))
        except ConfigError:  # the model takes no histories: it cannot say
            return None
        return _together(latest, (whole - rest).double().cpu().numpy())


def _together(items: NDArray[np.int64], added: NDArray[np.float64]) -> tuple[Any, NDArray[np.float64]]:
    """Adds up what an item that stands several times in a history adds."""
    unique, place = np.unique(items, return_inverse=True)
    out = np.zeros((len(unique), added.shape[1]))
    np.add.at(out, place, added)
    return unique, out


def found_texts(texts: Sequence[str], lists: Lists) -> list[list[list[Reason]]]:
    """The texts that a search found, as the encoder reads them: (items,) texts of the catalogue."""
    return [
        [
            [Reason("", texts[item], float(score))] if item > 0 else []
            for item, score in zip(items.tolist(), scores.tolist(), strict=True)
        ]
        for items, scores in zip(lists.items, lists.scores, strict=True)
    ]
