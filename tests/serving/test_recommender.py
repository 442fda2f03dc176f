from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from recbole_xlrec.errors import ConfigError, DataError
from recbole_xlrec.ranking.filters import custom
from recbole_xlrec.ranking.ranking import load_ranking
from recbole_xlrec.serving.queries import Options, Query, Recommendations

from .conftest import Make, Serve

BY_HISTORY = [
    *("XLProfile", "XLEASE", "XLAlphaRec", "XLAlphaRec/ids", "XLSASRec", "XLSASRec/transitions"),
    *("SASRec", "GRU4Rec", "EASE", "ItemKNN"),
]


def _same_up_to_ties(found: Recommendations, items: Any, scores: Any) -> None:
    """Equal scores place by place, and each item among those of its score in the other list, but in the last tie."""
    width = found.scores.shape[1]
    np.testing.assert_allclose(found.scores, scores[:, :width], rtol=1e-4, atol=1e-5)
    for row in range(len(found.scores)):
        last = scores[row][np.isfinite(scores[row])][-1]
        ours, theirs = (
            {str(item): score for item, score in zip(listed[row], value[row], strict=True) if item}
            for listed, value in ((found.item_ids, found.scores), (items, scores))
        )
        clear = {item for item, score in theirs.items() if score > last + 1e-4}
        assert clear <= ours.keys()
        assert all(abs(ours[item] - theirs[item]) < 1e-4 for item in ours.keys() & theirs.keys())


@pytest.mark.parametrize("name", [*BY_HISTORY, "BPR", "Pop", "FPMC", "XLFusion"])
def test_known_users_get_the_lists_of_the_offline_evaluation(name: str, make: Make, serve: Serve) -> None:
    ranking = load_ranking(make(name).folder / "ranking.npz")
    found = serve(name).recommend(users=ranking.query_ids.tolist(), k=100)
    assert found.query_ids == ranking.query_ids.tolist()
    assert set(found.sources) == {"model"}
    _same_up_to_ties(found, ranking.item_ids, ranking.scores)


@pytest.mark.parametrize("name", BY_HISTORY)
def test_a_history_gets_the_list_of_the_known_user_who_has_it(name: str, serve: Serve) -> None:
    recommender = serve(name)
    users = [f"{tag}-{number}" for tag in ("en", "de") for number in range(12)]
    known = recommender.recommend(users=users, k=20, exclude_seen=False)
    histories = {user: recommender.history_of(user) for user in users}
    found = recommender.recommend(histories, k=20, exclude_seen=False)
    assert found.query_ids == users
    _same_up_to_ties(found, known.item_ids, known.scores)


def test_a_sequential_model_goes_by_all_that_came_before_the_test_part(serve: Serve) -> None:
    assert serve("SASRec").history_of("en-0") == ["en:0", "en:2", "en:4", "en:6", "en:8"]
    assert serve("EASE").history_of("en-0") == ["en:0", "en:2", "en:4", "en:6"]


@pytest.mark.parametrize("name", ["BPR", "FPMC", "XLFusion"])
def test_models_that_know_users_by_their_id_refuse_histories(name: str, serve: Serve) -> None:
    with pytest.raises(ConfigError, match=f"{name} (knows users by their id only|asks for 'user_id')"):
        serve(name).recommend([["en:0"]])


def test_the_order_of_a_history_counts_for_sequential_models_and_recency_weights_only(serve: Serve) -> None:
    there, back = ["en:0", "en:3", "en:6"], ["en:6", "en:3", "en:0"]

    def differ(name: str) -> bool:
        found = serve(name).recommend([there, back], k=5)
        return not np.allclose(found.scores[0], found.scores[1])

    assert {name for name in ("XLSASRec", "SASRec", "XLProfile", "XLEASE", "EASE") if differ(name)} == {
        *("XLSASRec", "SASRec", "XLProfile")
    }


def test_a_list_is_the_same_whatever_else_is_in_its_batch(serve: Serve) -> None:
    queries = [
        *(Query("a", user="en-0"), Query("b", history=["de:0", "de:2"]), Query("c", history=[])),
        *(Query("d", user="nobody"), Query("e", user="de-3"), Query("f", history=["en:1"])),
    ]
    recommender = serve("XLEASE")
    together = list(recommender.stream(queries))
    alone = list(recommender.stream(queries, batch_size=1))
    assert [len(part.query_ids) for part in together] == [6]
    assert [part.query_ids for part in alone] == [[each.id] for each in queries]
    for row, part in enumerate(alone):
        assert together[0].item_ids[row].tolist() == part.item_ids[0].tolist()
        assert (together[0].sources[row], together[0].notes[row]) == (part.sources[0], part.notes[0])


def test_stream_asks_for_no_more_queries_than_a_batch(serve: Serve) -> None:
    taken = []

    def endless() -> Any:
        while True:
            taken.append(1)
            yield Query(str(len(taken)), user="en-0")

    answers = serve("XLEASE").stream(endless(), batch_size=3)
    next(answers)
    next(answers)
    assert len(taken) == 6


def test_unknown_items_of_a_history_are_skipped_and_reported(serve: Serve) -> None:
    recommender = serve("XLEASE")
    found = recommender.recommend([["en:0", "nothing", "en:2", "en:999"], ["en:0", "en:2"]])
    assert found.unknown == [["nothing", "en:999"], []]
    assert found.notes == ["2 of 4 items are not known to the run", ""]
    assert found.item_ids[0].tolist() == found.item_ids[1].tolist()


@pytest.mark.parametrize("history", [[], ["nothing"]])
def test_without_a_known_item_the_most_popular_items_are_given(history: list[str], serve: Serve) -> None:
    recommender = serve("XLEASE")
    found = recommender.recommend([history], k=4, languages=["de"])
    counts = recommender.catalogue.counts
    german = [
        number for number in np.argsort(-counts, kind="stable") if recommender.catalogue.languages[number] == "de"
    ]
    assert found.item_ids[0].tolist() == recommender.catalogue.ids[german[:4]].tolist()
    assert found.scores[0].tolist() == counts[german[:4]].tolist()
    assert found.sources == ["popularity"]
    assert found.notes[0].endswith("the most popular items instead")
    assert found.notes[0].startswith("no item of the history" if history else "an empty history")


def test_an_unknown_user_is_refused_by_name_and_in_a_stream_gets_what_is_popular(serve: Serve) -> None:
    with pytest.raises(DataError, match="knows no user 'nobody'"):
        serve("BPR").recommend(users=["en-0", "nobody"])
    (found,) = serve("BPR").stream([Query("x", user="nobody")])
    assert (found.sources, found.notes) == (
        ["popularity"],
        ["'nobody' is no user of the run; the most popular items instead"],
    )


def test_by_default_a_history_is_served_in_the_language_of_most_of_it_as_the_run_was_evaluated(serve: Serve) -> None:
    recommender = serve("XLEASE")
    queries = [
        Query("most", history=["de:0", "en:2", "de:4"]),
        Query("latest", history=["de:0", "en:2"]),
        Query("told", history=["de:0"], language="EN"),
    ]
    (found,) = recommender.stream(queries, Options(k=3))
    assert [row[0].split(":")[0] for row in found.item_ids] == ["de", "en", "en"]
    both = recommender.recommend([["de:0"]], languages=["de", "en"], k=20)
    assert {item.split(":")[0] for item in both.item_ids[0] if item} == {"de", "en"}


def test_what_was_seen_is_left_out_as_in_the_evaluation_or_as_asked(serve: Serve) -> None:
    def seen(name: str, **options: Any) -> bool:
        found = serve(name).recommend([["en:0", "en:2"]], k=100, **options)
        return bool({"en:0", "en:2"} & set(found.item_ids[0]))

    assert not seen("XLEASE")
    assert seen("XLEASE", exclude_seen=False)
    assert seen("XLSASRec")
    assert not seen("XLSASRec", exclude_seen=True)


def test_one_edition_of_a_work_is_the_best_of_its_editions(serve: Serve) -> None:
    recommender = serve("XLEASE")
    options: dict[str, Any] = {"languages": ["de", "en"], "exclude_seen": False}
    every = recommender.recommend([["en:0", "en:4"]], k=24, **options)
    single = recommender.recommend([["en:0", "en:4"]], k=24, one_edition_per_work=True, **options)
    works = [item.split(":")[1] for item in every.item_ids[0]]
    first = [item for place, item in enumerate(every.item_ids[0]) if works.index(works[place]) == place]
    assert len(first) == 12
    assert [item for item in single.item_ids[0] if item] == first
    assert "12 of 24" in single.notes[0]


def test_filters_leave_full_lists_where_the_catalogue_has_enough(serve: Serve) -> None:
    recommender = serve("XLEASE")
    best = recommender.recommend([["en:0"]], k=24, languages=["de", "en"], exclude_seen=False).item_ids[0].tolist()
    last = {recommender.catalogue.numbers.get_loc(item) for item in best[-3:]}
    only = custom("the last three", lambda items: np.isin(items, list(last)))
    found = recommender.recommend([["en:0"]], k=3, languages=["de", "en"], exclude_seen=False, filters=[only])
    assert found.item_ids[0].tolist() == best[-3:]


def test_categories_and_unavailable_items(serve: Serve) -> None:
    recommender = serve("XLEASE")
    found = recommender.recommend([["en:0"]], k=100, categories=["vehicles"], unavailable=["en:1", "gone"])
    assert {item for item in found.item_ids[0] if item} == {"en:3", "en:5", "en:7", "en:9", "en:11"}
    assert found.notes == ["5 of 24: what may be recommended leaves no more"]


def test_what_leaves_nothing_is_said(serve: Serve) -> None:
    every = [f"{tag}:{number}" for tag in ("en", "de") for number in range(12)]
    for name in ("XLEASE", "XLSASRec"):
        found = serve(name).recommend([["en:0"], []], k=3, unavailable=every)
        assert found.item_ids.tolist() == [[""] * 3] * 2
        assert all("0 of 3" in note for note in found.notes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k is the length of the lists, 1 or more; found 0"),
        ({"languages": ["fr"]}, "no item has the language 'fr'"),
        ({"languages": ["xx-nonsense"]}, "not a.* language tag"),
        ({"categories": ["animal"]}, "Did you mean 'animals'"),
        ({"unavailable": ["gone"]}, "none of the 1 unavailable items is in the catalogue"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], message: str, serve: Serve) -> None:
    with pytest.raises((ConfigError, DataError), match=message):
        serve("XLEASE").recommend([["en:0"]], **options)


def test_lists_are_no_longer_than_the_catalogue(serve: Serve) -> None:
    for name in ("XLEASE", "XLProfile"):
        found = serve(name).recommend([["en:0"]], k=10_000, languages=["en", "de"], exclude_seen=False)
        assert found.item_ids.shape == (1, 24)
        assert len(set(found.item_ids[0])) == 24
        assert (np.diff(found.scores[0]) <= 0).all()


def test_no_query_gives_no_list(serve: Serve) -> None:
    found = serve("XLEASE").recommend([], k=3)
    assert found.item_ids.shape == (0, 3)


def _scores(found: Recommendations, items: Sequence[str]) -> list[float]:
    return [float(found.scores[0][found.item_ids[0].tolist().index(item)]) for item in items]
