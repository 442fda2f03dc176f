"""Lists of real users: what they had, what each row recommends, and what they then took."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from recbole_xlrec.evaluation.context import Context
from recbole_xlrec.evaluation.report.parts import has_context, has_ranking, read_context, read_ranking
from recbole_xlrec.evaluation.report.rows import Group
from recbole_xlrec.evaluation.report.structure import Example, Listed, Run, Title
from recbole_xlrec.evaluation.report.titles import data_folder, read_titles
from recbole_xlrec.ranking.ranking import Ranking

_MOST_USERS = 8
_MOST_ROWS = 6
_LIST, _HISTORY, _TARGETS = 10, 8, 5


class _Picked(NamedTuple):
    """A user's item ids, as `Example` has their titles."""

    user: str
    language: str
    history: list[str]
    earlier: int
    targets: list[str]
    lists: dict[str, list[str]]


def examples(group: Group, names: Sequence[str], data_path: Path | None) -> tuple[Example, ...]:
    """Some users of the first seed that all rows have.

    They are drawn by a hash of their id, not by what looks well: in turns one for whom the best row finds a target and
    any one, from language to language.

    Args:
        group: The runs.
        names: Its rows, best first; few are shown.
        data_path: Folder of the datasets, for the titles; None for that of the runs.

    Raises:
        DataError: If a ranking, a context or a text table is broken.
    """
    ranked = [name for name in names if all(has_ranking(runs) for runs in group.rows[name].values())][:_MOST_ROWS]
    seeds = set.intersection(*(set(group.rows[name]) for name in ranked)) if ranked else set()
    if not seeds:
        return ()
    runs = {name: group.rows[name][min(seeds)] for name in ranked}
    rankings = {name: read_ranking(found) for name, found in runs.items()}
    best = runs[ranked[0]]
    picked = _pick(rankings, read_context(best) if has_context(best) else None)
    titles = _titles(best[0], picked, data_path)
    return tuple(_example(one, titles) for one in picked)


def _pick(rankings: Mapping[str, Ranking], context: Context | None) -> list[_Picked]:
    best = next(iter(rankings.values()))
    places = {name: _places(ranking) for name, ranking in rankings.items()}
    found = []
    for query in choose(best, _MOST_USERS):
        user = str(best.query_ids[query])
        history = [] if context is None else _history(context, query)
        lists = {
            name: [item for item in ranking.named(ranking.items[places[name][user], :_LIST]).tolist() if item]
            for name, ranking in rankings.items()
            if user in places[name]
        }
        targets = [item for item in best.named(best.targets[query]).tolist() if item]
        shown = history[-_HISTORY:]
        found.append(_Picked(user, str(best.languages[query]), shown, len(history) - len(shown), targets, lists))
    return found


def choose(ranking: Ranking, count: int) -> list[int]:
    """Numbers of queries: from language to language, the largest first, in turns one with a hit and any one."""
    hit = np.asarray(ranking.hits()[:, :_LIST].any(axis=1))  # (queries,)
    languages, sizes = np.unique(ranking.languages, return_counts=True)
    waiting = {}
    for language in languages[np.argsort(-sizes, kind="stable")].tolist():
        queries = np.flatnonzero(ranking.languages == language).tolist()
        waiting[language] = sorted(queries, key=lambda query: _drawn(str(ranking.query_ids[query])))
    chosen: list[int] = []
    wants_hit = True
    while len(chosen) < count and any(waiting.values()):
        for queries in waiting.values():
            if queries and len(chosen) < count:
                wanted = [query for query in queries if hit[query]] if wants_hit else []
                chosen.append((wanted or queries)[0])
                queries.remove(chosen[-1])
        wants_hit = not wants_hit
    return chosen


def _drawn(user: str) -> str:
    return hashlib.sha256(user.encode()).hexdigest()


def _places(ranking: Ranking) -> dict[str, int]:
    """User → their first query."""
    users, firsts = np.unique(ranking.query_ids, return_index=True)
    return dict(zip(users.tolist(), firsts.tolist(), strict=True))


def _history(context: Context, query: int) -> list[str]:
    start, end = context.history_starts[query : query + 2]
    return [str(item) for item in context.item_ids[context.history_items[start:end]]]


def _titles(run: Run, picked: Sequence[_Picked], data_path: Path | None) -> dict[str, Title]:
    items = {item for one in picked for part in (one.history, one.targets, *one.lists.values()) for item in part}
    folder = data_folder(run, data_path)
    return read_titles(folder, run.dataset, items) if folder is not None else {}


def _example(one: _Picked, titles: Mapping[str, Title]) -> Example:
    def title(item: str) -> Title:
        return titles.get(item, Title(item, ()))

    wanted = set(one.targets)
    return Example(
        one.user,
        one.language,
        tuple(map(title, one.history)),
        one.earlier,
        tuple(map(title, one.targets[:_TARGETS])),
        max(0, len(one.targets) - _TARGETS),
        {name: tuple(Listed(title(item), item in wanted) for item in items) for name, items in one.lists.items()},
    )
