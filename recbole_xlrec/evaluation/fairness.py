"""How evenly a system serves languages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.evaluation.transfer import Scores

_COUNT = "queries"


def fairness(by_language: Mapping[str, Scores]) -> dict[str, dict[str, Any]]:
    """Summaries over languages, of each metric.

    Every language counts alike, however many queries it has.

    Args:
        by_language: Metrics of each language.

    Returns:
        Metric -> ``macro``, the mean over languages; ``worst`` and ``worst_language``; ``best_language``; ``gap``, the
        best value minus the worst; ``relative_gap``, that gap as a share of the best (None where the best is 0). Empty
        without languages.
    """
    metrics = [name for name in next(iter(by_language.values()), {}) if name != _COUNT]
    return {name: _summary({language: values[name] for language, values in by_language.items()}) for name in metrics}


def _summary(values: Mapping[str, float]) -> dict[str, Any]:
    worst, best = (pick(values, key=lambda language: values[language]) for pick in (min, max))
    gap = values[best] - values[worst]
    return {
        "macro": sum(values.values()) / len(values),
        "worst": values[worst],
        "worst_language": worst,
        "best_language": best,
        "gap": gap,
        "relative_gap": gap / values[best] if values[best] else None,
    }


def relative_change(
    values: Mapping[str, Scores], reference: str | Mapping[str, Scores]
) -> dict[str, dict[str, float | None]]:
    """How far each language is above (+) or below (-) a reference: (value - reference) / reference.

    Args:
        values: Metrics of each language, as `judge` has them under ``by_user_language``.
        reference: A language among them, to which every language is compared; or the values of another run, such as
            one of a single language, whose languages are compared each to itself.

    Returns:
        Language -> metric -> change, 0.1 for ten per cent more; None where the reference is 0. Languages and metrics
        that the reference lacks are left out.

    Raises:
        ConfigError: If no language is left to be compared.
    """
    if isinstance(reference, str):
        if reference not in values:
            raise ConfigError(f"no queries are in the reference language {reference!r}; there are {', '.join(values)}")
        reference = dict.fromkeys(values, values[reference])
    shared = [language for language in values if language in reference]
    if not shared:
        raise ConfigError(
            f"the two runs share no language: {', '.join(values) or 'none'} here, {', '.join(reference) or 'none'} in "
            "the reference"
        )
    return {
        language: {
            name: (value - reference[language][name]) / reference[language][name] if reference[language][name] else None
            for name, value in values[language].items()
            if name != _COUNT and name in reference[language]
        }
        for language in shared
    }
