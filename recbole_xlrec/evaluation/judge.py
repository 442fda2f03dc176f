"""Everything that is measured of one saved ranking, as plain values for a table, a page or a JSON file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import ArrayLike

from recbole_xlrec.evaluation import exposure, similarity, slices, transfer
from recbole_xlrec.evaluation.coded import Coded, encode
from recbole_xlrec.evaluation.context import Context
from recbole_xlrec.evaluation.fairness import fairness
from recbole_xlrec.evaluation.grouped import grouped
from recbole_xlrec.ranking.ranking import Ranking


def judge(
    ranking: Ranking | Coded,
    context: Context,
    metrics: Sequence[str],
    topk: Sequence[int],
    vectors: ArrayLike | None = None,
) -> dict[str, Any]:
    """Measures a ranking by language, popularity and history.

    Args:
        ranking: As saved, or already encoded.
        context: Of the same run.
        metrics: Names in `evaluation.metrics.METRICS`, in any case.
        topk: Cut-offs, none longer than the lists.
        vectors: (items, width), in the order of the context's items; None leaves out what needs them.

    Returns:
        ``overall`` and ``fairness`` by metric; ``by_user_language``, ``by_target_language``, ``by_history_length`` and
        ``by_popularity`` by name; ``transfer``; ``hits`` and ``beyond`` by k; ``exposure`` by language, at the largest
        k. Where there is nothing to take a mean of, the value is None.

    Raises:
        ConfigError: For an unknown metric, or a cut-off longer than the lists.
        DataError: If ranking, context and vectors do not fit each other.
    """
    coded = ranking if isinstance(ranking, Coded) else encode(ranking, context)
    values = grouped(coded, metrics, topk).values
    by_target = grouped(coded, metrics, topk, coded.target_languages)
    classes = slices.popularity(context.item_counts)
    by_class = grouped(coded, metrics, topk, classes[coded.pair_items])
    languages = transfer.by_user_language(coded, values)
    beyond, shares = _by_k(coded, context, topk, vectors)
    return {
        "overall": {name: float(value.mean()) for name, value in values.items()},
        "by_user_language": languages,
        "by_target_language": transfer.by_target_language(coded, by_target),
        "transfer": transfer.transfer(coded, by_target),
        "fairness": fairness(languages),
        "hits": exposure.hits_by_language(coded, topk),
        "exposure": shares,
        "beyond": beyond,
        "by_history_length": slices.by_history_length(context, values),
        "by_popularity": slices.by_popularity(by_class),
    }


def _by_k(
    coded: Coded, context: Context, topk: Sequence[int], vectors: ArrayLike | None
) -> tuple[dict[str, float | None], dict[str, dict[str, float]]]:
    """What is measured of the lists alone, and the exposure at the largest cut-off."""
    units = None if vectors is None else similarity.unit_vectors(vectors, context)
    beyond: dict[str, float | None] = {}
    shares: dict[str, dict[str, float]] = {}
    for k in sorted(topk):
        shown = exposure.slots(coded, k)
        beyond[f"coverage@{k}"] = exposure.coverage(shown)
        beyond[f"cross_language_coverage@{k}"] = exposure.cross_language_coverage(coded, shown)
        beyond[f"novelty@{k}"] = exposure.novelty(shown, context.item_counts)
        if units is not None:
            cosine = similarity.cross_language_similarity(coded, context, units, k)
            beyond[f"cross_language_similarity@{k}"] = cosine
            beyond[f"intra_list_diversity@{k}"] = similarity.intra_list_diversity(coded, units, k)
        shares = exposure.exposure(coded, shown)  # at last that of the largest k
    return beyond, shares
