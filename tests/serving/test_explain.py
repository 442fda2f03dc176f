from __future__ import annotations

import numpy as np
import pytest

from recbole_xlrec.serving.explain import contributions

from .conftest import Serve

HISTORY = ["en:0", "en:3", "en:4", "en:6"]


def _shares(name: str, serve: Serve, history: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Items, what each adds (items, listed), and the scores of the listed items."""
    recommender = serve(name)
    found = recommender.recommend([history], k=5, exclude_seen=False)
    numbers = recommender.catalogue.numbers.get_indexer(history)
    listed = recommender.catalogue.numbers.get_indexer(found.item_ids[0])
    shares = contributions(recommender, numbers, listed)
    assert shares is not None
    return recommender.catalogue.ids[shares[0]], shares[1], found.scores[0]


@pytest.mark.parametrize("name", ["XLProfile", "XLEASE", "EASE", "ItemKNN"])
def test_what_the_items_of_a_history_add_is_the_score(name: str, serve: Serve) -> None:
    items, added, scores = _shares(name, serve, HISTORY)
    assert sorted(items) == HISTORY
    np.testing.assert_allclose(added.sum(axis=0), scores, rtol=1e-4, atol=1e-5)


def test_an_item_that_stands_twice_in_a_history_is_named_once(serve: Serve) -> None:
    for name in ("XLProfile", "XLEASE"):
        items, added, scores = _shares(name, serve, [*HISTORY, "en:0"])
        assert sorted(items) == HISTORY
        np.testing.assert_allclose(added.sum(axis=0), scores, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["XLSASRec", "SASRec", "XLAlphaRec"])
def test_of_other_models_a_reason_is_how_much_the_score_falls_without_the_item(name: str, serve: Serve) -> None:
    recommender = serve(name)
    items, added, scores = _shares(name, serve, HISTORY)
    found = recommender.recommend([HISTORY], k=5, exclude_seen=False).item_ids[0]
    for item, falls in zip(items, added, strict=True):
        less = [each for each in HISTORY if each != item]
        without = recommender.recommend([less], k=24, exclude_seen=False)
        left = dict(zip(without.item_ids[0], without.scores[0], strict=True))
        np.testing.assert_allclose(falls, scores - [left[each] for each in found], atol=1e-4)


def test_reasons_are_the_strongest_first_and_name_the_items(serve: Serve) -> None:
    found = serve("XLEASE").recommend([HISTORY], k=3, explain=True)
    assert found.reasons is not None
    for reasons in found.reasons[0]:
        assert 0 < len(reasons) <= 3
        assert [each.share for each in reasons] == sorted((each.share for each in reasons), reverse=True)
        assert all(each.item_id in HISTORY and each.share > 0 and each.text for each in reasons)


def test_known_users_are_told_reasons_from_the_history_that_the_model_knows(serve: Serve) -> None:
    for name in ("XLProfile", "XLSASRec"):
        recommender = serve(name)
        found = recommender.recommend(users=["en-0"], k=3, explain=True)
        assert found.reasons is not None
        told = {each.item_id for reasons in found.reasons[0] for each in reasons}
        assert told
        assert told <= set(recommender.history_of("en-0"))


def test_models_that_know_users_by_their_id_give_no_reasons(serve: Serve) -> None:
    found = serve("BPR").recommend(users=["en-0"], k=3, explain=True)
    assert found.reasons == [[[], [], []]]


def test_popular_items_have_no_reasons(serve: Serve) -> None:
    found = serve("XLEASE").recommend([[], HISTORY], k=1, explain=True)
    assert found.reasons is not None
    assert found.reasons[0] == [[]]
    assert found.reasons[1] != [[]]
