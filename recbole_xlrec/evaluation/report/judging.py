"""Judges the rankings of a row, seed by seed, and keeps what tests need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.evaluation.by_language import per_query
from recbole_xlrec.evaluation.context import Context
from recbole_xlrec.evaluation.fairness import fairness
from recbole_xlrec.evaluation.judge import judge
from recbole_xlrec.evaluation.report.parts import (
    fingerprint,
    has_context,
    has_ranking,
    read_context,
    read_ranking,
)
from recbole_xlrec.evaluation.report.structure import Run
from recbole_xlrec.ranking.ranking import Ranking


class Asked(NamedTuple):
    """The queries of a seed and what each metric says of them.

    Attributes:
        ids: (queries,) the users.
        languages: (queries,) their languages.
        values: Metric → (queries,).
        fingerprint: Of queries and targets.
    """

    ids: NDArray[np.str_]
    languages: NDArray[np.str_]
    values: dict[str, NDArray[np.float64]]
    fingerprint: str


class Judged(NamedTuple):
    """What the saved rankings of a row say: by seed, for tests; and as `judge` does, the mean over seeds."""

    seeds: dict[int, Asked]
    measures: dict[str, Any] | None


def judge_row(seeds: Mapping[int, Sequence[Run]], metrics: Sequence[str]) -> Judged:
    """Judges all seeds of a row; without rankings there is nothing, without contexts no measures.

    Args:
        seeds: Seed → the runs that together answer all queries.
        metrics: As ``ndcg@10``.

    Raises:
        DataError: If a ranking or a context is broken.
        ConfigError: If a cut-off is longer than the saved lists.
    """
    asked: dict[int, Asked] = {}
    measured: list[dict[str, Any]] = []
    for seed, runs in seeds.items():
        if not metrics or not has_ranking(runs):
            continue
        ranking = read_ranking(runs)
        try:
            asked[seed] = _asked(ranking, metrics)
        except ConfigError as error:
            raise ConfigError(f"{runs[0].folder}: {error}") from error
        if has_context(runs):
            measured.append(_measures(ranking, read_context(runs), metrics))
    complete = bool(measured) and len(measured) == len(seeds)
    return Judged(asked, mean_measures(measured) if complete else None)


def _asked(ranking: Ranking, metrics: Sequence[str]) -> Asked:
    values = per_query(ranking, *_names_and_cuts(metrics))
    wanted = {metric: values[metric] for metric in metrics}
    return Asked(ranking.query_ids, ranking.languages, wanted, fingerprint(ranking))


def _names_and_cuts(metrics: Sequence[str]) -> tuple[list[str], list[int]]:
    parts = [metric.partition("@") for metric in metrics]
    return list(dict.fromkeys(name for name, _, _ in parts)), sorted({int(k) for _, _, k in parts})


def _measures(ranking: Ranking, context: Context, metrics: Sequence[str]) -> dict[str, Any]:
    """What `judge` says, the transfer matrix by names, so that seeds with other languages can be put together."""
    found = judge(ranking, context, *_names_and_cuts(metrics))
    moved = found["transfer"]
    found["transfer"] = {
        metric: {
            source: dict(zip(moved["targets"], values, strict=True))
            for source, values in zip(moved["sources"], moved[metric], strict=True)
        }
        for metric in (*metrics, "queries")
    }
    return found


def mean_measures(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The mean over seeds of all that `judge` measures.

    A value that not all seeds have, such as that of a language without queries in one of them, is the mean of those
    that have it. What is the best and the worst language is asked of the means.
    """
    means = _mean([{name: part for name, part in one.items() if name != "fairness"} for one in found])
    return {**means, "fairness": fairness(means["by_user_language"])}


def _mean(found: Sequence[Any]) -> Any:
    known = [value for value in found if value is not None]
    if not known:
        return None
    if isinstance(known[0], dict):
        keys = dict.fromkeys(key for value in known for key in value)
        return {key: _mean([value.get(key) for value in known]) for key in keys}
    return float(np.mean(known))
