"""The saved ranking of a row and seed: that of one run, or those of one run a language put together."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from recbole_xlrec.bridge.run_folder import CONTEXT, RANKING
from recbole_xlrec.evaluation.context import Context, load_context
from recbole_xlrec.evaluation.report.structure import Run
from recbole_xlrec.ranking.ranking import Ranking, load_ranking, merge_rankings


def has_ranking(runs: Sequence[Run]) -> bool:
    """Whether all runs have saved what they recommend; value metrics such as AUC rank nothing."""
    return all((run.folder / RANKING).is_file() for run in runs)


def has_context(runs: Sequence[Run]) -> bool:
    """Whether all runs have saved what their ranking is judged against; older ones have not."""
    return all((run.folder / CONTEXT).is_file() for run in runs)


def read_ranking(runs: Sequence[Run]) -> Ranking:
    """The ranking of all runs together.

    Raises:
        DataError: If one is broken.
    """
    rankings = [load_ranking(run.folder / RANKING) for run in runs]
    return rankings[0] if len(rankings) == 1 else merge_rankings(rankings)


def read_context(runs: Sequence[Run]) -> Context:
    """The context of all runs together, in the order of `read_ranking`.

    Raises:
        DataError: If one is broken.
    """
    return merge_contexts([load_context(run.folder / CONTEXT) for run in runs])


def merge_contexts(parts: Sequence[Context]) -> Context:
    """Contexts of runs on parts of the users: one catalogue, whose interactions are those of all parts."""
    if len(parts) == 1:
        return parts[0]
    ids, firsts, codes = np.unique(
        np.concatenate([part.item_ids for part in parts]), return_index=True, return_inverse=True
    )
    languages = np.concatenate([part.item_languages for part in parts])[firsts]
    counts = np.bincount(codes, np.concatenate([part.item_counts for part in parts]), minlength=len(ids))
    ends = np.cumsum([len(part.item_ids) for part in parts])
    places = np.split(codes, ends[:-1])  # of each part's items in `ids`
    items = [place[part.history_items] for place, part in zip(places, parts, strict=True)]
    lengths = np.concatenate([part.history_lengths() for part in parts])
    starts = np.concatenate([[0], np.cumsum(lengths)])
    return Context(ids, languages, counts.astype(np.int64), starts, np.concatenate(items).astype(np.int32))


def fingerprint(ranking: Ranking) -> str:
    """The same for two rankings of the same queries with the same targets, in whatever order."""
    rows, places = np.nonzero(ranking.targets >= 0)
    targets = ranking.named(ranking.targets[rows, places]).tolist()
    asked = sorted(zip(ranking.query_ids[rows].tolist(), targets, strict=True))
    return hashlib.sha256("\n".join(f"{query}\t{target}" for query, target in asked).encode()).hexdigest()
