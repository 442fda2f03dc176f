"""Stacking: a ranking of trees learned on validation candidates puts the members' lists together.

LambdaMART, Burges (2010), From RankNet to LambdaRank to LambdaMART, MSR-TR-2010-82, by lightgbm (extra `[stack]`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.data.files import existing_file, replacing
from recbole_xlrec.errors import ConfigError, DataError, sample
from recbole_xlrec.ranking.align import Aligned
from recbole_xlrec.ranking.candidates import Candidates, Signals, candidates, check_signals, feature_names
from recbole_xlrec.ranking.leakage import refuse_judged
from recbole_xlrec.ranking.lists import Lists, by_blocks, check_length, check_members
from recbole_xlrec.ranking.ranking import Ranking, relevant
from recbole_xlrec.ranking.union import best_first

#: With fewer held-out queries than these the number of trees is not chosen by them.
FEWEST = 20


class Options(NamedTuple):
    """How the trees are grown.

    Attributes:
        trees: The most there may be.
        leaves: Of a tree.
        learning_rate: What each tree adds is scaled by this.
        least: Candidates in a leaf, at least.
        holdout: Share of the users whose queries choose how many trees stay; 0 keeps all trees.
        patience: Trees that may bring nothing on those before growing ends.
        queries: The most queries to learn from; where there are more, so many are drawn.
        seed: Of what is drawn.
        threads: Of lightgbm; the result is the same for any number.
    """

    trees: int = 300
    leaves: int = 15
    learning_rate: float = 0.05
    least: int = 50
    holdout: float = 0.2
    patience: int = 30
    queries: int = 10_000
    seed: int = 0
    threads: int = 1


NO_SIGNALS, DEFAULTS = Signals(), Options()


@dataclass(frozen=True)
class Stack:
    """A learned fusion.

    Attributes:
        features: The names of its features, in their order.
        booster: lightgbm's model.
    """

    features: tuple[str, ...]
    booster: Any

    def fused(
        self, members: Sequence[Lists], k: int, *, names: Sequence[str], signals: Signals = NO_SIGNALS, workers: int = 1
    ) -> Lists:
        """One list of each query; it sees lists and signals, and no target.

        Args:
            members: The lists of the members it was fitted on, in the same order.
            k: Length of the fused lists.
            names: What the members are called.
            signals: The same ones it was fitted on, of these queries.
            workers: Threads.

        Raises:
            DataError: The members or signals are not those it was fitted on.
        """
        check_members(members)
        self._check(tuple(feature_names(_safe(names), signals)))
        check_signals(signals, len(members[0].items), _items(members))

        def some(rows: slice) -> Lists:
            found = candidates([member.rows(rows) for member in members], signals.rows(rows))
            scores = np.zeros(len(found.found.starts))
            if len(found.rows):
                scores[found.groups] = self.booster.predict(found.features, num_threads=1)
            return best_first(found.found, scores, k)

        width = sum(member.items.shape[1] for member in members) * len(self.features)
        return by_blocks(some, len(members[0].items), k, width, workers)

    def importance(self) -> dict[str, float]:
        """How much each feature brought: its share of the gain of all splits."""
        gains = self.booster.feature_importance("gain")
        return dict(zip(self.features, (gains / max(float(gains.sum()), 1e-12)).tolist(), strict=True))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the trees as lightgbm's text format."""
        with replacing(path) as partial:
            self.booster.save_model(str(partial))

    def _check(self, found: tuple[str, ...]) -> None:
        if found != self.features:
            missing, new = [n for n in self.features if n not in found], [n for n in found if n not in self.features]
            raise DataError(
                f"the stack was fitted on other features; missing {sample(missing)}, not known {sample(new)}. "
                "Give the same members in the same order, and the same signals."
            )


def load_stack(path: str | os.PathLike[str]) -> Stack:
    """Reads a stack.

    Raises:
        ConfigError: lightgbm is not installed.
        DataError: There is no such file, or it is no model of lightgbm.
    """
    lightgbm = _lightgbm()
    text = Path(existing_file(path)).read_text(encoding="utf-8", errors="replace")
    # lightgbm itself ends the process, or reads on for long, at some broken files
    if not text.startswith("tree\n") or "end of trees" not in text:
        raise DataError(f"{path} is no model of lightgbm in its text format, or it is cut off. Fit the stack again.")
    try:
        booster = lightgbm.Booster(model_str=text)
    except lightgbm.basic.LightGBMError as error:
        raise DataError(f"{path} cannot be read as a model of lightgbm: {error}. Fit the stack again.") from error
    return Stack(tuple(booster.feature_name()), booster)


def fit_stack(
    validation: Aligned,
    *,
    names: Sequence[str],
    evaluation: Ranking | None,
    signals: Signals = NO_SIGNALS,
    k: int = 10,
    options: Options = DEFAULTS,
) -> Stack:
    """Learns to rank the candidates of validation queries.

    Args:
        validation: Lists of the members and targets of validation queries.
        names: What the members are called; a stack knows its members by name.
        evaluation: A ranking of what the fusion will be judged by, to make sure that nothing of it is fitted on; None
            where nothing will be.
        signals: What is known beside the lists, of the validation queries.
        k: The NDCG@k of the lists is what the trees improve.
        options: How they are grown.

    Raises:
        ConfigError: lightgbm is not installed.
        DataError: The validation holds what is judged, no member lists any target, or signals do not fit.
    """
    lightgbm = _lightgbm()
    check_length(k)
    check_members(validation.members)
    refuse_judged(validation, evaluation)
    check_signals(signals, len(validation.query_ids), _items(validation.members))
    features = feature_names(_safe(names), signals)
    if len(names) != len(validation.members) or len(set(features)) < len(features):
        raise ConfigError(f"{len(validation.members)} members need as many different names; found {list(names)}")
    learned, held_out = _parts(validation, options)
    train = _data(lightgbm, validation, learned, signals, features)
    valid = [_data(lightgbm, validation, held_out, signals, features, train)] if len(held_out) else []
    callbacks = [lightgbm.early_stopping(options.patience, verbose=False)] if valid else []
    booster = lightgbm.train(
        _parameters(options, k), train, num_boost_round=options.trees, valid_sets=valid, callbacks=callbacks
    )
    return Stack(tuple(features), booster)


def _parameters(options: Options, k: int) -> dict[str, Any]:
    return {
        "objective": "lambdarank",
        "metric": "ndcg",
        "eval_at": [k],
        "lambdarank_truncation_level": max(30, k + 5),
        "num_leaves": options.leaves,
        "learning_rate": options.learning_rate,
        "min_data_in_leaf": options.least,
        "num_threads": options.threads,
        "seed": options.seed,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }


def _parts(validation: Aligned, options: Options) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows to learn from and rows to choose the number of trees by, of different users; all have a listed target."""
    rows = np.flatnonzero(validation.listed())
    if not len(rows):
        raise DataError("no member lists a target of any validation query: there is nothing to learn from")
    rng = np.random.default_rng(options.seed)
    if len(rows) > options.queries:
        rows = np.sort(rng.choice(rows, options.queries, replace=False))
    users, owner = np.unique(validation.query_ids[rows], return_inverse=True)
    held_out = rng.random(len(users))[owner] < options.holdout
    if held_out.sum() < FEWEST or held_out.all():
        return rows, rows[:0]
    return rows[~held_out], rows[held_out]


def _data(
    lightgbm: ModuleType,
    validation: Aligned,
    rows: NDArray[np.int64],
    signals: Signals,
    names: list[str],
    reference: Any = None,
) -> Any:
    """The candidates of some queries as lightgbm takes them."""
    some = validation.rows(rows)
    found: Candidates = candidates(some.members, signals.rows(rows))
    labels = relevant(some.targets[found.rows], found.items[:, None])[:, 0]
    groups = np.bincount(found.rows, minlength=len(rows))
    return lightgbm.Dataset(
        found.features, label=labels.astype(int), group=groups, feature_name=names, reference=reference
    )


def _items(members: Sequence[Lists]) -> int:
    """One more than the largest code that is listed."""
    return max(int(member.items.max(initial=-1)) for member in members) + 1


def _safe(names: Sequence[str]) -> list[str]:
    """Names without the characters that lightgbm's text format does not bear."""
    return [re.sub(r"[^\w.-]", "_", name) for name in names]


def _lightgbm() -> ModuleType:
    try:
        import lightgbm
    except ImportError as error:
        raise ConfigError("stacking needs lightgbm: pip install 'recbole_xlrec[stack]'") from error
    return lightgbm
