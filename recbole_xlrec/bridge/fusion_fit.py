"""What a fusion learns from validation, and how it fuses: the keys of `XLFusion` applied to aligned lists."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import normalize

from recbole_xlrec.data.hints import did_you_mean
from recbole_xlrec.errors import ConfigError
from recbole_xlrec.ranking.align import Aligned
from recbole_xlrec.ranking.blend import CAREFUL, Blend, fit_blend
from recbole_xlrec.ranking.calibrate import calibrated, language_mix
from recbole_xlrec.ranking.candidates import Signals
from recbole_xlrec.ranking.leakage import unjudged
from recbole_xlrec.ranking.lists import Lists
from recbole_xlrec.ranking.methods import FUSIONS
from recbole_xlrec.ranking.normalise import normalisation
from recbole_xlrec.ranking.ranking import Ranking
from recbole_xlrec.ranking.weights import fit_weights

logger = logging.getLogger(__name__)

STACK = "stack"
#: The trees of a stack, in the run folder.
STACK_FILE = "stack.txt"
_BY_RANK = ("rrf", "isr", "round_robin")


class Fusion(NamedTuple):
    """A fusion whose weights or trees are found.

    Attributes:
        config: Its keys.
        dataset: The training part, which the signals come from.
        names: Of the members.
        weights: (members,), of `weighted_sum` only.
        blend: Of `stack` only.
    """

    config: Any
    dataset: Any
    names: list[str]
    weights: NDArray[np.float64] | None = None
    blend: Blend | None = None

    def fused(self, users: NDArray[np.int64], members: Sequence[Lists], k: int) -> Lists:
        """One list of each query.

        Args:
            users: (queries,) internal ids.
            members: The lists of each member.
            k: Length of the fused lists.
        """
        tradeoff = self.config["fusion_calibration"]
        if not tradeoff:
            return self._fused(users, members, k)
        index = self.dataset.needed_languages("fusion_calibration", of=("user", "item"))
        met = self.dataset.query_histories()[users]  # (queries, items)
        languages = index.items - 1  # code 0 is no language
        mix = language_mix(met.indptr, met.indices, languages, len(index.names) - 1)
        candidates = self._fused(users, members, sum(member.items.shape[1] for member in members))
        return calibrated(candidates, k, item_languages=languages, mix=mix, tradeoff=tradeoff)

    def _fused(self, users: NDArray[np.int64], members: Sequence[Lists], k: int) -> Lists:
        if self.blend is not None:
            signals = signals_of(self.config["fusion_features"], self.dataset, users)
            return self.blend.fused(members, k, names=self.names, signals=signals)
        options: dict[str, Any] = {} if self.weights is None else {"weights": self.weights}
        if self.config["fusion"] not in _BY_RANK:
            options["normalisation"] = self.config["fusion_normalisation"]
        return FUSIONS[self.config["fusion"]].function(members, k, **options)

    def report(self) -> dict[str, Any]:
        """What was learned, as plain values."""
        found: dict[str, Any] = {"method": self.config["fusion"]}
        weights = self.weights if self.blend is None else self.blend.weights
        if weights is not None:
            found["weights"] = dict(zip(self.names, weights.tolist(), strict=True))
        if self.blend is not None:
            found["share_of_trees"] = self.blend.share
        if self.blend is not None and self.blend.stack is not None:
            stack = self.blend.stack
            found["trees"], found["importance"] = stack.booster.num_trees(), stack.importance()
        return found

    def save(self, folder: Path) -> None:
        """Writes the trees into a folder, where there are some."""
        if self.blend is not None and self.blend.stack is not None:
            self.blend.stack.save(folder / STACK_FILE)


def check_fusion(config: Any, members: int) -> None:
    """Refuses keys of the fusion that do not fit.

    Raises:
        ConfigError: Says which, and what there is.
    """
    method, known = config["fusion"], [*FUSIONS, STACK]
    if method not in known:
        raise ConfigError(f"fusion: {method!r} is none of {', '.join(known)}.{did_you_mean(str(method), known)}")
    if set(config["eval_args"]["mode"].values()) != {"full"}:
        raise ConfigError("XLFusion ranks what its members list of all items: set eval_args.mode to full")
    if not config["single_spec"]:
        raise ConfigError("XLFusion runs in one process; its members can be run in several before it")
    normalisation(config["fusion_normalisation"])
    depth, tradeoff, weights = config["fusion_depth"], config["fusion_calibration"], config["fusion_weights"]
    if isinstance(depth, bool) or not isinstance(depth, int) or depth < 1:
        raise ConfigError(f"fusion_depth is a number of items, 1 or more; found {depth!r}")
    if isinstance(tradeoff, bool) or not isinstance(tradeoff, (int, float)) or not 0 <= tradeoff <= 1:
        raise ConfigError(f"fusion_calibration lies between 0 and 1; found {tradeoff!r}")
    if weights is not None and (method != "weighted_sum" or not isinstance(weights, list) or len(weights) != members):
        raise ConfigError(
            f"fusion_weights are for fusion: weighted_sum, one a member; found {weights!r} for {members} members and "
            f"fusion: {method}"
        )
    unknown = [name for name in config["fusion_features"] or [] if name not in _SIGNALS]
    if unknown:
        raise ConfigError(f"fusion_features are of {', '.join(_SIGNALS)}; found {', '.join(map(repr, unknown))}")


def learns(config: Any) -> bool:
    """Whether a fusion needs validation queries."""
    return config["fusion"] == STACK or (config["fusion"] == "weighted_sum" and config["fusion_weights"] is None)


def fit_fusion(
    config: Any,
    dataset: Any,
    names: list[str],
    validation: Callable[[], tuple[NDArray[np.int64], Aligned]],
    test: Callable[[], Ranking],
) -> Fusion:
    """Learns a fusion from validation. Of test only the targets are read, to leave them out where they come again.

    Args:
        config: The keys of the fusion.
        dataset: The training part.
        names: Of the members.
        validation: Gives users (queries,) and the members' lists.
        test: Gives a ranking of what will be judged.

    Raises:
        DataError: If validation asks about nothing but what test asks about, or no member lists any of its targets.
    """
    fusion = Fusion(config, dataset, names)
    if not learns(config):
        given = config["fusion_weights"]
        return fusion if given is None else fusion._replace(weights=np.array(given, dtype=np.float64))
    (users, aligned), judged = validation(), test()
    kept = unjudged(aligned, judged)
    if 0 < len(kept.query_ids) < len(users):
        left_out = len(users) - len(kept.query_ids)
        logger.info("%d validation queries have a target that test asks about again: not learned from", left_out)
        users, aligned = users[np.isin(aligned.query_ids, kept.query_ids)], kept
    k = int(str(config["valid_metric"]).partition("@")[2] or 10)
    by = {"search": config["fusion_search"], "normalisation": config["fusion_normalisation"]}
    if config["fusion"] == STACK:
        signals, options = signals_of(config["fusion_features"], dataset, users), CAREFUL._replace(seed=config["seed"])
        return fusion._replace(
            blend=fit_blend(aligned, names=names, evaluation=judged, signals=signals, k=k, options=options, **by)
        )
    fitted = fit_weights(aligned, k, evaluation=judged, **by)
    logger.info("weights %s: validation NDCG@%d %.4f", dict(zip(names, fitted.weights, strict=True)), k, fitted.value)
    return fusion._replace(weights=fitted.weights)


# --- what is known beside the lists ------------------------------------------------------------------------------


def signals_of(features: Sequence[str] | None, dataset: Any, users: NDArray[np.int64]) -> Signals:
    """The named signals of queries of users (queries,), from training alone; one that the dataset lacks is left out."""
    found: dict[str, NDArray[Any]] = {}
    for name in features or []:
        found.update(_SIGNALS[name](dataset, users))
    return Signals(**found)


def _languages(dataset: Any, users: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    index = dataset.languages
    if index is None or index.items is None:
        return {}
    return {"user_languages": index.users[users] - 1, "item_languages": index.items - 1}  # code 0 is no language


def _popularity(dataset: Any, users: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    return {"popularity": dataset.training_counts}


def _recency(dataset: Any, users: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    events, field = dataset.inter_feat, dataset.time_field
    if field not in events:
        return {}
    last = np.full(dataset.item_num, -np.inf)
    np.maximum.at(last, np.asarray(events[dataset.iid_field]), np.asarray(events[field], dtype=np.float64))
    ranks = np.searchsorted(np.unique(last), last).astype(np.float64)  # features are float32, and times are not
    return {"recency": np.where(np.isfinite(last), ranks, np.nan)}


def _text(dataset: Any, users: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    vectors = normalize(dataset.text_vectors())  # (items, width)
    return {"user_vectors": dataset.query_histories()[users] @ vectors, "item_vectors": vectors}


_SIGNALS: dict[str, Callable[[Any, NDArray[np.int64]], dict[str, NDArray[Any]]]] = {
    "language": _languages,
    "popularity": _popularity,
    "recency": _recency,
    "text": _text,
}
