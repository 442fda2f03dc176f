"""Rankings of several runs brought to one order and coding, and back."""

from __future__ import annotations

import numpy as np
import pytest

from recbole_xlrec.errors import DataError
from recbole_xlrec.ranking.align import align, to_ranking
from recbole_xlrec.ranking.ranking import Ranking


def make(
    queries: list[str], items: list[list[str]], targets: list[list[str]], languages: list[str] | None = None
) -> Ranking:
    listed = np.array(items)
    scores = np.where(listed == "", -np.inf, np.arange(listed.shape[1], 0, -1)).astype(np.float32)
    return Ranking.of(
        np.array(queries), listed, scores, np.array(targets), np.array(languages or ["de"] * len(queries))
    )


FIRST = make(["u", "v", "w"], [["a", "b"], ["猫", ""], ["b", "a"]], [["a", ""], ["b", "x"], ["b", ""]])


def test_another_order_of_queries_and_targets_and_another_width_is_the_same_ranking() -> None:
    other = make(["w", "v", "u"], [["c"], ["b"], [""]], [["b", "", ""], ["x", "b", ""], ["a", "", ""]])
    found = align([FIRST, other])
    assert found.item_ids.tolist() == ["a", "b", "c", "x", "猫"]
    assert found.query_ids.tolist() == ["u", "v", "w"]
    assert found.members[0].items.tolist() == [[0, 1], [4, -1], [1, 0]]
    assert found.members[1].items.tolist() == [[-1], [1], [2]]
    assert found.members[1].scores.tolist() == [[-np.inf], [1.0], [1.0]]
    assert found.targets.tolist() == [[0, -1], [1, 3], [1, -1]]


def test_lists_come_back_as_the_ranking_they_were() -> None:
    back = to_ranking(align([FIRST]).members[0], align([FIRST]))
    for name in Ranking._fields:
        np.testing.assert_array_equal(getattr(back, name), getattr(FIRST, name))
        assert getattr(back, name).dtype.kind == getattr(FIRST, name).dtype.kind


def test_codes_are_places_of_ids_that_are_given() -> None:
    ids = np.array(["猫", "x", "b", "a", "new"])
    assert align([FIRST], item_ids=ids).members[0].items.tolist() == [[3, 2], [0, -1], [2, 3]]
    with pytest.raises(DataError, match=r"mine: .*'x'"):
        align([FIRST], names=["mine"], item_ids=np.array(["a", "b", "猫"]))
    with pytest.raises(DataError, match=r"stand twice: 'b'"):
        align([FIRST], item_ids=np.array(["a", "b", "x", "猫", "b"]))


def test_queries_of_one_user_are_told_apart_by_their_targets() -> None:
    first = make(["u", "u", "u"], [["a"], ["b"], ["c"]], [["a"], ["b"], ["b"]])
    other = make(["u", "u", "u"], [["x"], ["y"], ["z"]], [["b"], ["a"], ["b"]])
    found = align([first, other])
    assert found.item_ids[found.members[1].items].tolist() == [["y"], ["x"], ["z"]]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            make(["u", "v"], [["a"]] * 2, [["a", ""], ["b", "x"]]),
            r"B \(2 queries\) and A \(3\).*1 query ids are in one",
        ),
        (make(["u", "v", "z"], [["a"]] * 3, [["a", ""], ["b", "x"], ["b", ""]]), "2 query ids are in one of them only"),
        (make(["u", "v", "w"], [["a"]] * 3, [["a", ""], ["b", "a"], ["a", ""]]), "2 of 3 query ids have other targets"),
        (make(["u", "v", "w", "w"], [["a"]] * 4, [["a", ""], ["b", "x"], ["b", ""], ["b", ""]]), "more often"),
    ],
)
def test_rankings_of_other_queries_or_targets_are_refused(other: Ranking, message: str) -> None:
    with pytest.raises(DataError, match=message):
        align([FIRST, other], names=["A", "B"])


def test_rankings_whose_users_have_other_languages_are_refused() -> None:
    other = FIRST._replace(languages=np.array(["de", "fr", "de"]))
    with pytest.raises(DataError, match=r"B: 1 of 3 queries have another language than in A: 'v'"):
        align([FIRST, other], names=["A", "B"])


def test_lists_that_are_none_are_refused() -> None:
    with pytest.raises(DataError, match="no ranking to align"):
        align([])
    with pytest.raises(DataError, match=r"A: 1 of 1 queries list an item twice: rows 0"):
        align([make(["u"], [["a", "a"]], [["a"]])], names=["A"])
    with pytest.raises(DataError, match="an empty place before an item"):
        align([make(["u"], [["", "a"]], [["a"]])])
    broken = make(["u"], [["b", "a"]], [["a"]])
    with pytest.raises(DataError, match="no finite number"):
        align([broken._replace(scores=np.array([[1, np.nan]], dtype=np.float32))])
