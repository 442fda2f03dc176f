"""Fusion by hand, and what holds for any lists."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_xlrec.errors import ConfigError, DataError
from recbole_xlrec.ranking import fuse, lists
from recbole_xlrec.ranking.lists import Lists, empty_lists
from recbole_xlrec.ranking.methods import FUSIONS, ORDERS, method
from recbole_xlrec.ranking.normalise import NORMALISATIONS

QUERIES, ITEMS, MOST = 3, 12, 6
SYMMETRIC = [name for name in FUSIONS if name not in ("weighted_sum", "round_robin")]
BY_RANK = ["rrf", "isr", "round_robin"]
BY_SCORE = [name for name in SYMMETRIC if name not in BY_RANK]

Make = Callable[..., Lists]
Shown = Callable[[Lists], list[list[int]]]


@st.composite
def drawn(draw: st.DrawFn) -> Lists:
    """Lists as a member gives them: different items, scores that fall or stay, some empty."""
    made = empty_lists(QUERIES, MOST)
    for row in range(QUERIES):
        listed = draw(st.lists(st.integers(0, ITEMS - 1), max_size=MOST, unique=True))
        scores = draw(st.lists(st.integers(-8, 8), min_size=len(listed), max_size=len(listed)))
        made.items[row, : len(listed)] = listed
        made.scores[row, : len(listed)] = sorted((score / 4 for score in scores), reverse=True)
    return made


members = st.lists(drawn(), min_size=1, max_size=4)


def fused(name: str, given_members: list[Lists], k: int = 4 * MOST) -> Lists:
    options = {"weights": [1.0] * len(given_members)} if name == "weighted_sum" else {}
    return FUSIONS[name].function(given_members, k, workers=1, **options)


@pytest.mark.parametrize("name", FUSIONS)
@settings(max_examples=8, deadline=None)
@given(given_members=members)
def test_a_fused_list_holds_every_listed_item_once_best_first_and_empty_places_last(
    name: str, given_members: list[Lists]
) -> None:
    out = fused(name, given_members)
    for row in range(QUERIES):
        listed = out.items[row][out.items[row] >= 0].tolist()
        wanted = {int(item) for member in given_members for item in member.items[row] if item >= 0}
        assert sorted(listed) == sorted(wanted)
        assert (out.items[row, len(listed) :] == -1).all()
        assert (out.scores[row, len(listed) :] == -np.inf).all()
        assert (np.diff(out.scores[row, : len(listed)]) <= 0).all()
    assert out.items.dtype == np.int32
    assert out.scores.dtype == np.float32


@pytest.mark.parametrize("name", SYMMETRIC)
@settings(max_examples=15, deadline=None)
@given(
    normalisation=st.sampled_from(list(NORMALISATIONS)), given_members=members, order=st.randoms(use_true_random=False)
)
def test_the_order_of_the_members_does_not_matter(
    name: str, normalisation: str, given_members: list[Lists], order: object
) -> None:
    options = {} if name in BY_RANK else {"normalisation": normalisation}
    turned = list(given_members)
    order.shuffle(turned)  # type: ignore[attr-defined]
    one = FUSIONS[name].function(given_members, 4 * MOST, **options)
    other = FUSIONS[name].function(turned, 4 * MOST, **options)
    np.testing.assert_array_equal(one.items, other.items)
    np.testing.assert_array_equal(one.scores, other.scores)


@pytest.mark.parametrize("name", BY_RANK)
@settings(max_examples=8, deadline=None)
@given(given_members=members)
def test_a_monotone_rescale_leaves_fusion_by_rank_unchanged(name: str, given_members: list[Lists]) -> None:
    rescaled = [Lists(member.items, np.exp(member.scores) * 7 - 3) for member in given_members]
    one, other = fused(name, given_members), fused(name, rescaled)
    np.testing.assert_array_equal(one.items, other.items)
    np.testing.assert_array_equal(one.scores, other.scores)


@pytest.mark.parametrize("name", BY_SCORE)
@settings(max_examples=8, deadline=None)
@given(given_members=members, scale=st.sampled_from([0.5, 4.0]), shift=st.sampled_from([-2.0, 0.0, 8.0]))
def test_a_linear_rescale_leaves_fusion_by_min_max_scores_unchanged(
    name: str, given_members: list[Lists], scale: float, shift: float
) -> None:
    rescaled = [
        Lists(member.items, (member.scores * np.float32(scale) + np.float32(shift)).astype(np.float32))
        for member in given_members
    ]
    one, other = fused(name, given_members), fused(name, rescaled)
    np.testing.assert_array_equal(one.items, other.items)


@pytest.mark.parametrize("name", FUSIONS)
@settings(max_examples=8, deadline=None)
@given(member=drawn(), copies=st.integers(1, 3))
def test_fusing_a_list_with_itself_keeps_its_order(name: str, member: Lists, copies: int) -> None:
    np.testing.assert_array_equal(fused(name, [member] * copies, MOST).items, member.items)


@pytest.mark.parametrize("name", FUSIONS)
def test_blocks_threads_and_a_cut_change_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    some = []
    for width in (7, 5, 9):
        items = rng.permuted(np.tile(np.arange(20, dtype=np.int32), (50, 1)), axis=1)[:, :width]
        some.append(Lists(items, -np.sort(-rng.random((50, width)), axis=1).astype(np.float32)))
    options = {"weights": [0.2, 0.5, 0.3]} if name == "weighted_sum" else {}
    whole = FUSIONS[name].function(some, 21, workers=1, **options)
    monkeypatch.setattr(lists, "CELLS", 100)
    parts = FUSIONS[name].function(some, 8, workers=3, **options)
    np.testing.assert_array_equal(parts.items, whole.items[:, :8])
    np.testing.assert_array_equal(parts.scores, whole.scores[:, :8])


def test_reciprocal_rank_fusion_by_hand(make_lists: Make) -> None:
    out = fuse.rrf([make_lists([[7, 3, 5]]), make_lists([[5, 9]])], 5, constant=1)
    # 5: 1/4 + 1/2; 7: 1/2; 3 and 9: 1/3 each and both second, so the smaller code is first
    assert out.items.tolist() == [[5, 7, 3, 9, -1]]
    np.testing.assert_allclose(out.scores[0, :4], [0.75, 0.5, 1 / 3, 1 / 3])


def test_of_equal_scores_the_one_that_stands_higher_in_any_list_comes_first(make_lists: Make) -> None:
    high = make_lists([[9, 1]], [[1.0, 1.0]])
    out = fuse.comb_sum([high, make_lists([[2, 9]], [[1.0, 0.0]])], 3, normalisation="none")
    assert out.items.tolist() == [[2, 9, 1]]  # 1 is only second anywhere


def test_members_take_turns_and_pass_over_what_is_there(make_lists: Make) -> None:
    first, second, third = make_lists([[1, 2, 3]]), make_lists([[1, 4, 2]]), make_lists([[5]])
    assert fuse.round_robin([first, second, third], 9).items[0, :5].tolist() == [1, 5, 2, 4, 3]
    assert fuse.round_robin([third, first, second], 2).items.tolist() == [[5, 1]]


def test_weights_scale_what_each_member_says(make_lists: Make) -> None:
    some = [make_lists([[1, 2]], [[4.0, 1.0]]), make_lists([[2, 3]], [[3.0, 2.0]])]
    out = fuse.weighted_sum(some, 3, weights=[0.5, 2], normalisation="none")
    assert out.items.tolist() == [[2, 3, 1]]
    assert out.scores.tolist() == [[6.5, 4.0, 2.0]]


def test_members_of_no_queries_give_no_lists() -> None:
    out = fuse.rrf([empty_lists(0, 4), empty_lists(0, 2)], 3)
    assert out.items.shape == (0, 3)


def test_members_whose_lists_are_all_empty_give_empty_lists() -> None:
    for name in FUSIONS:
        assert (fused(name, [empty_lists(2, 3), empty_lists(2, 1)], 4).items == -1).all()


def test_what_cannot_be_fused_is_refused(make_lists: Make) -> None:
    two, three = make_lists([[1], [2]]), make_lists([[1], [2], [3]])
    with pytest.raises(DataError, match="no member"):
        fuse.rrf([], 3)
    with pytest.raises(DataError, match=r"different numbers of queries: \[2, 3\]"):
        fuse.rrf([two, three], 3)
    with pytest.raises(DataError, match="member 1 has items"):
        fuse.rrf([two, Lists(two.items, two.scores[:1])], 3)
    with pytest.raises(ConfigError, match="1 or more; found 0"):
        fuse.rrf([two], 0)
    with pytest.raises(ConfigError, match="as many finite weights"):
        fuse.weighted_sum([two, two], 3, weights=[1.0])
    with pytest.raises(ConfigError, match="as many finite weights"):
        fuse.weighted_sum([two], 3, weights=[float("nan")])
    with pytest.raises(ConfigError, match="'min_max'"):
        fuse.comb_sum([two], 3, normalisation="minmax")
    with pytest.raises(ConfigError, match="above -1"):
        fuse.rrf([two], 3, constant=-1)


def test_every_method_has_a_row_with_a_formula_and_a_source() -> None:
    for table in (FUSIONS, ORDERS):
        assert all(name == row.name and row.formula and row.source for name, row in table.items())
    assert method("rrf").function is fuse.rrf
    with pytest.raises(ConfigError, match="Did you mean 'comb_sum'"):
        method("combsum")
