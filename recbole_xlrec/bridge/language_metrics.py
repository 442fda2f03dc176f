"""Measures over languages as metrics of RecBole: ``metrics: [NDCG, LanguageGap]``, ``valid_metric: WorstNDCG@10``.

So early stopping and hyper-parameter search can go by the languages' mean, or by the one that is served worst.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from recbole.evaluator import register as recbole_register
from recbole.evaluator.base_metric import TopkMetric

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.evaluation.metrics import METRICS, Counts, Hits

#: What the collector keeps of each query for these metrics: the code of its user's language.
LANGUAGE = "rec.language"

Values = NDArray[np.float64]


class F1(TopkMetric):
    """Harmonic mean of precision and recall."""

    def calculate_metric(self, dataobject: Any) -> dict[str, float]:
        """The mean over queries, at each k."""
        hits, targets = self.used_info(dataobject)
        return {
            f"f1@{k}": round(float(METRICS["f1"](hits[:, :k], targets).mean()), self.decimal_place) for k in self.topk
        }


class _Measure(NamedTuple):
    """A measure over languages.

    Attributes:
        metric: Which metric is averaged in each language, of `METRICS`.
        summary: (languages,) means → the value.
        smaller: Whether less is better.
        meaning: What the class says of itself.
    """

    metric: str
    summary: Callable[[Values], Any]
    smaller: bool
    meaning: str


_MEASURES = {
    "MacroNDCG": _Measure("ndcg", np.mean, False, "The mean of the languages' NDCG, each language counted alike."),
    "WorstNDCG": _Measure("ndcg", np.min, False, "NDCG of the language that has the lowest."),
    "LanguageGap": _Measure("ndcg", np.ptp, True, "NDCG of the best language less that of the worst; less is better."),
    "MacroRecall": _Measure("recall", np.mean, False, "The mean of the languages' recall, each counted alike."),
    "WorstRecall": _Measure("recall", np.min, False, "Recall of the language that has the lowest."),
}


class _LanguageMetric(TopkMetric):
    """Base of those in `_MEASURES`; languages are those of the users, and only those that are asked about count."""

    metric_need: ClassVar = ["rec.topk", LANGUAGE]
    measure: _Measure

    def calculate_metric(self, dataobject: Any) -> dict[str, float]:
        """The measure at each k.

        Raises:
            ConfigError: In RecBole's own trainers, which do not know languages.
        """
        if LANGUAGE not in dataobject:
            raise ConfigError(
                f"metrics: {type(self).__name__} needs the language of every user, which RecBole's own run does not "
                "know; run through recbole-xlrec or recbole_xlrec.run"
            )
        hits, targets = self.used_info(dataobject)
        _, codes = np.unique(dataobject.get(LANGUAGE).numpy(), return_inverse=True)  # (queries,)
        name = type(self).__name__.lower()
        return {f"{name}@{k}": self._value(hits[:, :k], targets, codes) for k in self.topk}

    def _value(self, hits: Hits, targets: Counts, codes: NDArray[np.int64]) -> float:
        values = METRICS[self.measure.metric](hits, targets)  # (queries,)
        means = np.bincount(codes, values) / np.bincount(codes)  # (languages,)
        return round(float(self.measure.summary(means)), self.decimal_place)


LANGUAGE_METRICS: dict[str, Any] = {
    name: type(
        name,
        (_LanguageMetric,),
        {"__doc__": measure.meaning, "__module__": __name__, "measure": measure, "smaller": measure.smaller},
    )
    for name, measure in _MEASURES.items()
}


def register_metrics() -> None:
    """Makes them known to RecBole; idempotent.

    Raises:
        ConfigError: If somebody else has taken a name.
    """
    ours: dict[str, Any] = {"F1": F1, **LANGUAGE_METRICS}
    taken = [
        name for name, metric in ours.items() if recbole_register.metrics_dict.get(name.lower(), metric) is not metric
    ]
    if taken:
        raise ConfigError(f"RecBole already has metrics named {', '.join(taken)}; they are not replaced. Rename those")
    for name, metric in ours.items():
        key = name.lower()
        recbole_register.metrics_dict[key] = metric
        recbole_register.metric_information[key] = metric.metric_need
        recbole_register.metric_types[key] = metric.metric_type
        if metric.smaller and key not in recbole_register.smaller_metrics:
            recbole_register.smaller_metrics.append(key)


def user_languages(dataset: Any, metrics: Iterable[str]) -> torch.Tensor:
    """(users,) codes of the users' languages, for the metrics that need them.

    Raises:
        ConfigError: If the users carry no language.
    """
    index = dataset.languages
    if index is None:
        known = {name.lower(): name for name in LANGUAGE_METRICS}
        named = ", ".join(known[name] for name in metrics if name in known)
        raise ConfigError(
            f"metrics: {named} needs the language of every user: add a column language to {dataset.dataset_name}.user, "
            "or leave it out of metrics and valid_metric"
        )
    return torch.from_numpy(index.users)
