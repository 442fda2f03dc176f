"""Every measure of `judge` against numbers worked out by hand, and against slow definitions on random rankings."""

from __future__ import annotations

import json
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbole_xlrec.errors import ConfigError, DataError
from recbole_xlrec.evaluation.by_language import by_language, overall
from recbole_xlrec.evaluation.coded import encode
from recbole_xlrec.evaluation.context import Context
from recbole_xlrec.evaluation.fairness import relative_change
from recbole_xlrec.evaluation.judge import judge
from recbole_xlrec.evaluation.metrics import METRICS
from recbole_xlrec.evaluation.similarity import cross_language_similarity, intra_list_diversity, unit_vectors
from recbole_xlrec.ranking.ranking import Ranking

RARE = np.log2(14 / 3)  # bits of b and c: three of 14 interactions, one added to each item


@pytest.fixture(scope="module")
def judged(by_hand: Any) -> dict[str, Any]:
    return judge(by_hand.ranking, by_hand.context, ["Recall"], [1, 2], by_hand.vectors)


def test_overall_is_the_mean_over_queries(judged: dict[str, Any]) -> None:
    assert judged["overall"] == {"recall@1": pytest.approx(1 / 6), "recall@2": pytest.approx(2 / 3)}


def test_users_of_each_language_by_hand(judged: dict[str, Any]) -> None:
    assert judged["by_user_language"] == {
        "de": {"recall@1": 0.25, "recall@2": 0.5, "queries": 2},
        "en": {"recall@1": 0.0, "recall@2": 1.0, "queries": 1},
    }


def test_targets_of_each_language_are_scored_without_the_others(judged: dict[str, Any]) -> None:
    assert judged["by_target_language"] == {
        "de": {"recall@1": 0.5, "recall@2": 1.0, "queries": 2},
        "en": {"recall@1": 0.0, "recall@2": 0.5, "queries": 2},
    }


def test_the_transfer_matrix_by_hand(judged: dict[str, Any]) -> None:
    assert judged["transfer"] == {
        "sources": ["de", "en"],
        "targets": ["de", "en"],
        "queries": [[1, 2], [1, 0]],
        "recall@1": [[1.0, 0.0], [0.0, None]],
        "recall@2": [[1.0, 0.5], [1.0, None]],
    }


def test_evenness_over_languages_by_hand(judged: dict[str, Any]) -> None:
    languages = {"worst_language": "en", "best_language": "de"}
    assert judged["fairness"] == {
        "recall@1": {"macro": 0.125, "worst": 0.0, "gap": 0.25, "relative_gap": 1.0, **languages},
        "recall@2": {
            **{"macro": 0.75, "worst": 0.5, "worst_language": "de", "best_language": "en"},
            **{"gap": 0.5, "relative_gap": 0.5},
        },
    }


def test_hits_are_split_by_whether_the_item_is_in_the_users_language(judged: dict[str, Any]) -> None:
    assert judged["hits"] == {
        **{"same_language@1": 1.0, "cross_language@1": 0.0},
        **{"same_language@2": pytest.approx(1 / 3), "cross_language@2": pytest.approx(2 / 3)},
    }


def test_exposure_counts_filled_places_only(judged: dict[str, Any]) -> None:
    assert judged["exposure"] == {
        "de": {"slots": pytest.approx(3 / 5), "catalogue": 0.5, "gap": pytest.approx(0.1)},
        "en": {"slots": pytest.approx(2 / 5), "catalogue": 0.5, "gap": pytest.approx(-0.1)},
    }


def test_what_is_beyond_accuracy_by_hand(judged: dict[str, Any]) -> None:
    assert judged["beyond"] == {
        **{"coverage@1": 0.75, "coverage@2": 0.75},
        **{"cross_language_coverage@1": 0.0, "cross_language_coverage@2": 0.5},  # c meets a German, a an Englishman
        "novelty@1": pytest.approx((1 + 2 * RARE) / 3),
        "novelty@2": pytest.approx((2 * 1 + 3 * RARE) / 5),
        # b meets c of the history: .8; c, on the second place, meets b and a: (.8 + .6) / 2
        **{"cross_language_similarity@1": pytest.approx(0.8), "cross_language_similarity@2": pytest.approx(0.75)},
        **{"intra_list_diversity@1": None, "intra_list_diversity@2": pytest.approx(0.4)},  # of a and c, twice
    }


def test_slices_by_history_and_popularity_by_hand(judged: dict[str, Any]) -> None:
    assert judged["by_history_length"] == {
        "0": {"recall@1": 0.0, "recall@2": 1.0, "queries": 1},
        "1-4": {"recall@1": 0.25, "recall@2": 0.5, "queries": 2},
    }
    assert judged["by_popularity"] == {
        "cold": {"recall@1": 0.0, "recall@2": 0.0, "queries": 1},
        "tail": {"recall@1": 0.0, "recall@2": 1.0, "queries": 1},
        "head": {"recall@1": 0.5, "recall@2": 1.0, "queries": 2},
    }


def test_what_is_judged_is_plain_json_and_without_vectors_nothing_of_them(by_hand: Any) -> None:
    found = judge(by_hand.ranking, by_hand.context, ["ndcg"], [2])
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert set(found["beyond"]) == {"coverage@2", "cross_language_coverage@2", "novelty@2"}


def test_without_languages_what_needs_them_is_empty(by_hand: Any) -> None:
    ranking = by_hand.ranking._replace(languages=np.full(3, ""))
    found = judge(ranking, by_hand.context._replace(item_languages=np.full(4, "")), ["recall"], [2], by_hand.vectors)
    assert found["overall"] == {"recall@2": pytest.approx(2 / 3)}
    assert found["by_user_language"] == found["by_target_language"] == found["fairness"] == found["exposure"] == {}
    assert found["transfer"] == {"sources": [], "targets": [], "queries": [], "recall@2": []}
    assert found["hits"] == {"same_language@2": None, "cross_language@2": None}
    assert found["beyond"]["cross_language_coverage@2"] is found["beyond"]["cross_language_similarity@2"] is None


# --- relative change -------------------------------------------------------------------------------------------------

JOINT = {"de": {"ndcg@10": 0.2, "queries": 4}, "fr": {"ndcg@10": 0.3, "queries": 2}}


def test_change_against_a_reference_language() -> None:
    assert relative_change(JOINT, "de") == {"de": {"ndcg@10": 0.0}, "fr": {"ndcg@10": pytest.approx(0.5)}}


def test_change_against_runs_of_single_languages() -> None:
    assert relative_change(JOINT, {"fr": {"ndcg@10": 0.4, "queries": 2}}) == {"fr": {"ndcg@10": pytest.approx(-0.25)}}
    assert relative_change(JOINT, {"fr": {"ndcg@10": 0.0, "queries": 2}}) == {"fr": {"ndcg@10": None}}


def test_a_reference_without_queries_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"reference language 'es'; there are de, fr"):
        relative_change(JOINT, "es")
    with pytest.raises(ConfigError, match=r"share no language: de, fr here, es in the reference"):
        relative_change(JOINT, {"es": {"ndcg@10": 0.1}})


# --- bad input -------------------------------------------------------------------------------------------------------


def test_a_ranking_and_a_context_of_different_runs_are_refused(by_hand: Any) -> None:
    ranking, context, _ = by_hand
    with pytest.raises(DataError, match=r"3 queries and its context 2"):
        judge(ranking, context._replace(history_starts=context.history_starts[:-1]), ["ndcg"], [1])
    with pytest.raises(DataError, match=r"items that are not known here, such as 'd': take both of one run"):
        judge(ranking, context._replace(item_ids=np.array(["a", "b", "c", "x"])), ["ndcg"], [1])


def test_a_query_without_a_target_is_refused(by_hand: Any) -> None:
    targets = np.array([[0, 2], [-1, -1], [0, -1]], dtype=np.int32)
    with pytest.raises(DataError, match=r"1 of 3 queries have no target: numbers 1"):
        judge(by_hand.ranking._replace(targets=targets), by_hand.context, ["ndcg"], [1])


def test_unknown_metrics_and_cut_offs_that_do_not_fit_are_refused(by_hand: Any) -> None:
    with pytest.raises(ConfigError, match=r"ndgc.*there are hit, recall"):
        judge(by_hand.ranking, by_hand.context, ["ndgc"], [1])
    with pytest.raises(ConfigError, match=r"2 long, too short for @3"):
        judge(by_hand.ranking, by_hand.context, ["ndcg"], [3])
    with pytest.raises(ConfigError, match=r"1 or more, found @0"):
        judge(by_hand.ranking, by_hand.context, ["ndcg"], [0])


def test_vectors_of_other_items_are_refused(by_hand: Any) -> None:
    ranking, context, vectors = by_hand
    with pytest.raises(DataError, match=r"each of the 4 items .* shape is \(3, 2\)"):
        judge(ranking, context, ["ndcg"], [1], vectors[:3])
    with pytest.raises(DataError, match="1 vectors hold what is not finite"):
        judge(ranking, context, ["ndcg"], [1], np.where(vectors == 4, np.nan, vectors))


# --- random rankings -------------------------------------------------------------------------------------------------

ITEMS, TAGS = 9, ["", "de", "en", "ja"]


@st.composite
def _random(draw: st.DrawFn) -> tuple[Ranking, Context, np.ndarray]:
    queries, k = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    ids = np.array([f"i{'x' * item}{item}" for item in range(ITEMS)])
    lists, targets, histories = [], [], []
    for _ in range(queries):
        listed = draw(st.permutations(ids.tolist()))[: draw(st.integers(0, k))]
        lists.append([*listed, *[""] * (k - len(listed))])
        wanted = draw(st.lists(st.sampled_from(ids.tolist()), min_size=1, max_size=4, unique=True))
        targets.append([*wanted, *[""] * (4 - len(wanted))])
        histories.append(draw(st.lists(st.integers(0, ITEMS - 1), max_size=6)))
    tags = st.sampled_from(TAGS)
    ranking = Ranking.of(
        np.arange(queries).astype(str),
        np.array(lists),
        np.zeros((queries, k), dtype=np.float32),
        np.array(targets),
        np.array([draw(tags) for _ in range(queries)]),
    )
    context = Context(
        ids,
        np.array([draw(tags) for _ in ids]),
        np.array([draw(st.integers(0, 3)) for _ in ids]),
        np.cumsum([0, *map(len, histories)]),
        np.array([item for history in histories for item in history], dtype=np.int32),
    )
    vectors = np.random.default_rng(draw(st.integers(0, 99))).normal(size=(ITEMS, 3))
    vectors[draw(st.integers(0, ITEMS - 1))] = 0
    return ranking, context, vectors


@given(_random())
def test_codes_give_what_strings_give(case: tuple[Ranking, Context, np.ndarray]) -> None:
    ranking, context, _ = case
    k = ranking.item_ids.shape[1]
    found = judge(ranking, context, list(METRICS), [1, k])
    assert found["overall"] == pytest.approx(overall(ranking, list(METRICS), [1, k]))
    expected = by_language(ranking, list(METRICS), [1, k])
    assert found["by_user_language"] == {name: pytest.approx(values) for name, values in expected.items()}


@given(_random())
def test_a_cell_of_the_transfer_matrix_is_the_mean_over_its_queries_with_only_its_targets(
    case: tuple[Ranking, Context, np.ndarray],
) -> None:
    ranking, context, _ = case
    k = ranking.item_ids.shape[1]
    found = judge(ranking, context, ["ndcg"], [k])["transfer"]
    language = dict(zip(context.item_ids.tolist(), context.item_languages.tolist(), strict=True))
    for row, source in enumerate(found["sources"]):
        for column, target in enumerate(found["targets"]):
            only = np.array([[item if language.get(item) == target else "" for item in t] for t in ranking.target_ids])
            mine = (ranking.languages == source) & (only != "").any(axis=1)
            assert found["queries"][row][column] == mine.sum()
            asked = (ranking.query_ids, ranking.item_ids, ranking.scores, only, ranking.languages)
            part = Ranking.of(*(field[mine] for field in asked))
            value = found[f"ndcg@{k}"][row][column]
            assert value == (pytest.approx(overall(part, ["ndcg"], [k])[f"ndcg@{k}"]) if mine.any() else None)


@given(_random())
def test_cosines_of_sums_are_those_of_pairs(case: tuple[Ranking, Context, np.ndarray]) -> None:
    ranking, context, vectors = case
    units, coded, k = unit_vectors(vectors, context), encode(ranking, context), ranking.item_ids.shape[1]
    there, tags = vectors.any(axis=1), context.item_languages
    across, diverse = [], []
    for query, listed in enumerate(coded.items):
        items = [item for item in listed if item >= 0 and there[item]]
        starts = context.history_starts
        history = context.history_items[starts[query] : starts[query + 1]]
        for item in items:
            others = [h for h in history if there[h] and "" not in (tags[item], tags[h]) and tags[h] != tags[item]]
            across += [np.mean([units[item] @ units[other] for other in others])] if others else []
        pairs = [1 - units[a] @ units[b] for a, b in combinations(items, 2)]
        diverse += [np.mean(pairs)] if pairs else []
    similarity = cross_language_similarity(coded, context, units, k)
    assert similarity == (pytest.approx(np.mean(across), abs=1e-5) if across else None)
    diversity = intra_list_diversity(coded, units, k)
    assert diversity == (pytest.approx(np.mean(diverse), abs=1e-5) if diverse else None)
