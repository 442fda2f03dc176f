"""The saved ranking: hits, files, and rankings put together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbole_xlrec.errors import DataError
from recbole_xlrec.ranking.ranking import Ranking, load_ranking, merge_rankings, save_ranking


def make(queries: list[str], items: list[list[str]], targets: list[list[str]]) -> Ranking:
    scores = np.where(np.array(items) == "", -np.inf, 1.0).astype(np.float32)
    return Ranking.of(np.array(queries), np.array(items), scores, np.array(targets), np.array(["de"] * len(queries)))


@given(st.lists(st.tuples(st.permutations("abcdef"), st.sets(st.sampled_from("abcdefgh"), min_size=1)), min_size=1))
def test_hits_are_the_listed_items_among_the_querys_own_targets(rows: list[tuple[list[str], set[str]]]) -> None:
    targets = [sorted(found) + [""] * (8 - len(found)) for _, found in rows]
    ranking = make([str(i) for i in range(len(rows))], [list(items) for items, _ in rows], targets)
    assert ranking.hits().tolist() == [[item in found for item in items] for items, found in rows]
    assert ranking.target_counts().tolist() == [len(found) for _, found in rows]


def test_an_empty_place_in_a_list_is_never_a_hit() -> None:
    ranking = make(["u"], [["a", ""]], [["b", ""]])
    assert not ranking.hits().any()


def test_lists_of_one_score_are_tied() -> None:
    ranking = make(["u", "v", "w", "x"], [["a", "b", "c"], ["a", "b", ""], ["a", "", ""], ["", "", ""]], [["a"]] * 4)
    assert ranking.tied().tolist() == [True, True, False, False]
    ranking.scores[0, 2] = 0.5
    assert ranking.tied().tolist() == [False, True, False, False]
    assert ranking.tied(k=2).tolist() == [True, True, False, False]


def test_a_ranking_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    ranking = make(["u", "ü 猫"], [["a", "b"], ["c", ""]], [["a"], ["x"]])
    save_ranking(ranking, tmp_path / "ranking.npz")
    back = load_ranking(tmp_path / "ranking.npz")
    for name in Ranking._fields:
        np.testing.assert_array_equal(getattr(back, name), getattr(ranking, name))
    assert [path.name for path in tmp_path.iterdir()] == ["ranking.npz"]


def test_a_file_that_is_no_ranking_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ranking.npz"
    with pytest.raises(DataError, match="no ranking at"):
        load_ranking(path)
    path.write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(DataError, match="cannot be read"):
        load_ranking(path)
    np.savez(path, query_ids=np.array(["u"]))
    with pytest.raises(DataError, match="lacks items"):
        load_ranking(path)
    fields = make(["u", "v"], [["a"], ["b"]], [["a"], ["b"]])._asdict()
    np.savez(path, **{**fields, "languages": np.array(["de"])})
    with pytest.raises(DataError, match="do not fit each other"):
        load_ranking(path)
    np.savez(path, **{**fields, "items": fields["items"] + 1})
    with pytest.raises(DataError, match=r"do not fit each other: .*'items': 2, .* 2 ids"):
        load_ranking(path)


def test_a_ranking_with_pickled_objects_is_refused(tmp_path: Path) -> None:
    fields = make(["u"], [["a"]], [["a"]])._asdict()
    np.savez(tmp_path / "r.npz", **{**fields, "query_ids": np.array([{"code": 1}], dtype=object)})
    with pytest.raises(DataError, match="cannot be read"):
        load_ranking(tmp_path / "r.npz")


def test_rankings_of_several_processes_make_one_with_every_query_of_a_user() -> None:
    first = make(["u", "v"], [["a", "b"], ["b", "a"]], [["a", "b"], ["a", ""]])
    second = make(["w", "u"], [["c", "a"], ["b", "a"]], [["c"], ["b"]])
    merged = merge_rankings([first, second])
    assert merged.query_ids.tolist() == ["u", "v", "w", "u"]
    assert merged.item_ids.tolist() == [["a", "b"], ["b", "a"], ["c", "a"], ["b", "a"]]
    assert merged.target_ids.tolist() == [["a", "b"], ["a", ""], ["c", ""], ["b", ""]]
