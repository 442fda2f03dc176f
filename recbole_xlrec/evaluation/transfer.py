"""Metrics by user language, by target-item language, and for every pair of both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.evaluation.coded import Coded
from recbole_xlrec.evaluation.grouped import Groups, means, table

Scores = dict[str, float]


def by_user_language(ranking: Coded, values: Mapping[str, NDArray[np.float64]]) -> dict[str, Scores]:
    """The mean of each metric over the queries of each user language, with their number as ``queries``.

    Args:
        ranking: The ranking.
        values: Each metric's value of each query, (queries,).
    """
    return table(values, ranking.user_languages, ranking.languages)


def by_target_language(ranking: Coded, groups: Groups) -> dict[str, Scores]:
    """The mean of each metric for the targets of each language.

    A query with targets in several languages counts once in each, and its list is scored against the targets of that
    language alone; ``queries`` says how many have one.

    Args:
        ranking: The ranking.
        groups: By `Coded.target_languages`.
    """
    return table(groups.values, groups.keys, ranking.languages)


def transfer(ranking: Coded, groups: Groups) -> dict[str, Any]:
    """What `by_target_language` measures, apart for the users of each language.

    The diagonal is recommendation within a language; the rest is what crosses from one into another.

    Args:
        ranking: The ranking.
        groups: By `Coded.target_languages`.

    Returns:
        ``sources`` (user languages) and ``targets`` (languages of target items); ``queries`` and each metric as rows of
        a matrix (sources, targets), None where there are no queries. Empty lists where languages are not known.
    """
    users = ranking.user_languages[groups.queries]  # (groups,)
    known = (users > 0) & (groups.keys > 0)
    sources, rows = np.unique(users[known], return_inverse=True)
    targets, columns = np.unique(groups.keys[known], return_inverse=True)
    shape = len(sources), len(targets)
    values = {name: value[known] for name, value in groups.values.items()}
    found, sizes = means(values, rows * len(targets) + columns, len(sources) * len(targets))
    return {
        "sources": [ranking.languages[code] for code in sources],
        "targets": [ranking.languages[code] for code in targets],
        "queries": sizes.reshape(shape).tolist(),
        **{name: _matrix(mean.reshape(shape)) for name, mean in found.items()},
    }


def _matrix(values: NDArray[np.float64]) -> list[list[float | None]]:
    return [[None if np.isnan(value) else float(value) for value in row] for row in values]
