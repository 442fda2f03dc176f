"""Hyper-parameter search of one cell: the same number of trials for each, chosen on validation of one seed.

Trial n is a function of the space, the search's seed and the results of the trials before it, so that a search that
was interrupted goes on as if it had not been. The first half of the trials is drawn at random and may run side by
side; the others are drawn by the tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011) of optuna, each
when all before it have ended.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.evaluation.benchmark.cell import Cell, Planned
from recbole_xlrec.evaluation.benchmark.manifest import FINISHED, Manifest
from recbole_xlrec.evaluation.benchmark.space import Choice, Interval, Space, grid_size, listing
from recbole_xlrec.evaluation.benchmark.suite import Search

_DRAWS = 20  # until a trial is another than all before it
Draw = dict[str, Any]


class Searching:
    """The trials of one cell.

    Args:
        cell: One whose row has a space.
        search: How to search.
        seed: The seed of the trials' runs.

    Raises:
        ConfigError: If optuna is needed and missing.
    """

    def __init__(self, cell: Cell, search: Search, seed: int) -> None:
        self._cell, self._search, self._seed = cell, search, seed
        self._space: Space = cell.row.space or {}
        self._exhaustive = grid_size(self._space) <= search.trials
        self.budget = int(min(search.trials, grid_size(self._space)))
        self._first = self.budget if search.sampler == "random" else math.ceil(self.budget / 2)
        self._draws: list[Draw] = list(_grid(self._space)) if self._exhaustive else []
        if not self._exhaustive:
            _optuna()

    def trials(self, manifest: Manifest) -> list[list[Planned]]:
        """The runs of each trial that is known by now."""
        while len(self._draws) < self.budget and (
            len(self._draws) < self._first or all(self._ended(n, manifest) for n in range(len(self._draws)))
        ):
            self._draws.append(self._draw(manifest))
        return [self._runs(n) for n in range(len(self._draws))]

    def ended(self, manifest: Manifest) -> bool:
        """Whether every trial has been made."""
        return len(self.trials(manifest)) == self.budget and all(self._ended(n, manifest) for n in range(self.budget))

    def chosen(self, manifest: Manifest) -> dict[str, Any] | None:
        """The settings that were best on validation, the first of equals; None if no trial has finished."""
        scores = {n: score for n in range(self.budget) if (score := self._score(n, manifest)) is not None}
        if not scores:
            return None
        sign = 1 if self._cell.bigger else -1
        return self._settings(max(scores, key=lambda n: (sign * scores[n], -n)))

    def _runs(self, n: int) -> list[Planned]:
        return self._cell.runs(self._seed, self._settings(n), n)

    def _settings(self, n: int) -> dict[str, Any]:
        return {key: _value(self._space[key], drawn) for key, drawn in self._draws[n].items()}

    def _ended(self, n: int, manifest: Manifest) -> bool:
        entries = [manifest.of(run) for run in self._runs(n)]
        return all(entry is not None and entry.ended for entry in entries)

    def _score(self, n: int, manifest: Manifest) -> float | None:
        """The mean over the runs of a trial; None if one of them has no result."""
        entries = [manifest.of(run) for run in self._runs(n)]
        values = [entry.valid for entry in entries if entry and entry.status == FINISHED and entry.valid is not None]
        score = float(np.mean(values)) if len(values) == len(entries) else math.nan
        return score if math.isfinite(score) else None

    def _draw(self, manifest: Manifest) -> Draw:
        """Another trial than those before it, if a few draws find one."""
        n, drawn = len(self._draws), Draw()
        past = range(n if n >= self._first else 0)
        results = [(self._draws[i], score) for i in past if (score := self._score(i, manifest)) is not None]
        for attempt in range(_DRAWS):
            state = np.random.SeedSequence([self._search.seed, n, attempt]).generate_state(1)
            drawn = _suggest(self._space, results, self._cell.bigger, int(state[0]), self._first)
            if drawn not in self._draws:
                break
        return drawn


def _suggest(space: Space, results: Sequence[tuple[Draw, float]], bigger: bool, seed: int, first: int) -> Draw:
    optuna = _optuna()
    if results:
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=first)
    else:
        sampler = optuna.samplers.RandomSampler(seed=seed)
    study = optuna.create_study(sampler=sampler, direction="maximize" if bigger else "minimize")
    kinds = {key: _distribution(optuna, part) for key, part in space.items()}
    for drawn, score in results:
        study.add_trial(optuna.trial.create_trial(params=drawn, distributions=kinds, value=score))
    return dict(study.ask(kinds).params)


def _distribution(optuna: Any, part: Choice | Interval) -> Any:
    """Choices and steps are drawn by their place, so that any value may be one."""
    if isinstance(part, Choice):
        return optuna.distributions.CategoricalDistribution(range(len(part.values)))
    if (steps := listing(part)) is not None:
        return optuna.distributions.IntDistribution(0, len(steps) - 1)
    return optuna.distributions.FloatDistribution(part.low, part.high, log=part.log)


def _value(part: Choice | Interval, drawn: Any) -> Any:
    steps = listing(part)
    return float(drawn) if steps is None else steps[drawn]


def _grid(space: Space) -> list[Draw]:
    places = [range(len(listing(part) or ())) for part in space.values()]
    return [dict(zip(space, combination, strict=True)) for combination in itertools.product(*places)]


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise ConfigError(
            "a search that cannot try every combination needs optuna: pip install 'recbole_xlrec[tune]'. Or raise "
            "search.trials to the number of combinations"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
