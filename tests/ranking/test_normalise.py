"""Where a normalisation differs from `ranx`, and what is the same by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.ranking.lists import Lists
from recbole_xlrec.ranking.normalise import NORMALISATIONS, borda, by_max, normalisation

Make = Callable[..., Lists]


def test_scores_below_0_are_divided_by_the_largest_absolute_one(make_lists: Make) -> None:
    # ranx divides by 1e-9 here
    made = by_max([make_lists([[1, 2], [3, 4]], [[-1.0, -4.0], [0.0, -2.0]])])[0]
    assert made.scores.tolist() == [[-0.25, -1.0], [0.0, -1.0]]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("none", [4.0, 2.0, 1.0]),
        ("min_max", [1.0, 1 / 3, 0.0]),
        ("max", [1.0, 0.5, 0.25]),
        ("sum", [0.75, 0.25, 0.0]),
        ("z_score", [5 / 14**0.5, -1 / 14**0.5, -4 / 14**0.5]),
        ("rank", [1.0, 2 / 3, 1 / 3]),
    ],
)
def test_a_normalisation_by_hand(name: str, wanted: list[float], make_lists: Make) -> None:
    made = NORMALISATIONS[name].function([make_lists([[5, 6, 7], []], [[4.0, 2.0, 1.0], []], k=4)])[0]
    np.testing.assert_allclose(made.scores, [[*wanted, -np.inf], [-np.inf] * 4])
    assert made.items.tolist() == [[5, 6, 7, -1], [-1] * 4]


def test_borda_gives_points_to_what_a_member_lacks(make_lists: Make) -> None:
    first, second = borda([make_lists([[5, 3], [1]]), make_lists([[4], []], k=2)])
    # 3 candidates: 1 and 2/3; the one lacking gets 1/2 - 1/6, and the other member's two 1/2 - 0
    assert first.items.tolist() == [[5, 3, 4], [1, -1, -1]]
    np.testing.assert_allclose(first.scores, [[1, 2 / 3, 1 / 3], [1, -np.inf, -np.inf]])
    assert second.items.tolist() == [[4, 3, 5], [1, -1, -1]]
    np.testing.assert_allclose(second.scores, [[1, 0.5, 0.5], [1, -np.inf, -np.inf]])


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="There are: none, min_max"):
        normalisation("zzz")
