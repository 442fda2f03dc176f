"""Normalisations and fusion methods against `ranx`, the public reference, on random and on degenerate rankings."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from recbole_xlrec.ranking import fuse
from recbole_xlrec.ranking.lists import Lists, empty_lists
from recbole_xlrec.ranking.normalise import NORMALISATIONS

# The reference as plain Python: compiling it takes two minutes, and these rankings are small.
os.environ["NUMBA_DISABLE_JIT"] = "1"
pytest.importorskip("ranx")
from ranx import Run
from ranx import fuse as ranx_fuse

RANX_NAMES = {
    "rrf": "rrf",
    "isr": "isr",
    "comb_sum": "sum",
    "comb_mnz": "mnz",
    "comb_anz": "anz",
    "comb_max": "max",
    "comb_min": "min",
    "comb_med": "med",
    "weighted_sum": "wsum",
}
RANX_NORMS = {
    "none": None,
    "min_max": "min-max",
    "max": "max",
    "sum": "sum",
    "z_score": "zmuv",
    "rank": "rank",
    "borda": "borda",
}
ITEMS, K = 30, 12
Member = list[list[tuple[int, float]]]


def as_lists(member: Member) -> Lists:
    lists = empty_lists(len(member), K)
    for row, listed in enumerate(member):
        for place, (item, score) in enumerate(listed):
            lists.items[row, place], lists.scores[row, place] = item, score
    return lists


def as_run(member: Member) -> Run:
    """A run in the order of the lists: `ranx` would turn equal scores around when it sorts."""
    run = Run({f"q{row}": {"filler": 0.0} for row in range(len(member))})
    for row, listed in enumerate(member):
        run.run[f"q{row}"].pop("filler")
        for item, score in listed:
            run.run[f"q{row}"][str(item)] = float(np.float32(score))
    return run


def random_member(rng: np.random.Generator, *, positive: bool, ties: bool) -> Member:
    member: Member = []
    for row in range(8):
        n = 0 if row == 0 else 1 if row == 1 else int(rng.integers(2, K + 1))
        scores = rng.integers(1, 4, n).astype(float) if ties else rng.normal(size=n)
        scores = np.abs(scores) + 0.1 if positive else scores
        items = rng.permutation(ITEMS)[:n]
        member.append([(int(i), float(s)) for i, s in zip(items, -np.sort(-scores), strict=True)])
    return member


def cases() -> dict[str, list[Member]]:
    rng = np.random.default_rng(3)
    same = [[(i, 2.0) for i in range(4)] for _ in range(3)]
    return {
        "random": [random_member(rng, positive=True, ties=False) for _ in range(4)],
        "negative scores": [random_member(rng, positive=False, ties=False) for _ in range(3)],
        "ties": [random_member(rng, positive=True, ties=True) for _ in range(3)],
        "all scores equal": [same, [list(reversed(listed)) for listed in same]],
        "disjoint": [[[(i + 10 * m, 3.0 - i) for i in range(3)]] for m in range(3)],
        "a member that lists nothing": [random_member(rng, positive=True, ties=False), [[] for _ in range(8)]],
        "twice the same": [random_member(rng, positive=True, ties=False)] * 2,
    }


def reference(members: list[Member], norm: str | None, method: str, params: dict[str, Any]) -> list[dict[int, float]]:
    runs = [as_run(member) for member in members]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Numba's, of the reference
        if len(runs) == 1:  # it refuses a single run
            from ranx.fusion import fusion_switch
            from ranx.normalization import norm_switch

            normed = (
                runs if norm is None else norm_switch(norm)(runs) if norm == "borda" else [norm_switch(norm)(runs[0])]
            )
            fused = fusion_switch(method)(normed, **params)
        else:
            fused = ranx_fuse(runs, norm=norm, method=method, params=params)
    return [{int(item): score for item, score in fused.run[f"q{row}"].items()} for row in range(len(members[0]))]


def assert_equal(lists: Lists, expected: Sequence[dict[int, float]]) -> None:
    for items, scores, wanted in zip(lists.items, lists.scores, expected, strict=True):
        found = {int(i): float(s) for i, s in zip(items, scores, strict=True) if i >= 0}
        assert found.keys() == wanted.keys()
        for item, score in wanted.items():
            assert found[item] == pytest.approx(score, rel=1e-6, abs=1e-6)
        assert np.all(np.diff(scores[items >= 0]) <= 0)


@pytest.mark.parametrize("method", RANX_NAMES)
@pytest.mark.parametrize("case", cases())
def test_a_fusion_method_equals_ranx(case: str, method: str) -> None:
    members = cases()[case]
    options: dict[str, Any] = {}
    if method == "weighted_sum":
        options["weights"] = [0.5, 0.3, 0.15, 0.05][: len(members)]
    norm = None if method in ("rrf", "isr") else "min-max"
    ours = getattr(fuse, method)([as_lists(member) for member in members], ITEMS + 10, **options)
    assert_equal(ours, reference(members, norm, RANX_NAMES[method], options))


@pytest.mark.parametrize("norm", NORMALISATIONS)
@pytest.mark.parametrize("case", cases())
def test_a_normalisation_equals_ranx(case: str, norm: str) -> None:
    if norm == "max" and case == "negative scores":
        pytest.skip("differs on purpose: see test_normalise")
    members = cases()[case]
    if norm == "z_score":  # the reference stops at an empty list: the mean of nothing
        members = [member for member in ([each for each in one if each] for one in members) if member]
    for method in ("comb_sum", "comb_min"):
        ours = getattr(fuse, method)([as_lists(member) for member in members], ITEMS + 10, normalisation=norm)
        assert_equal(ours, reference(members, RANX_NORMS[norm], RANX_NAMES[method], {}))


@pytest.mark.parametrize("method", RANX_NAMES)
def test_one_member_alone_equals_ranx(method: str) -> None:
    members = cases()["random"][:1]
    options = {"weights": [2.0]} if method == "weighted_sum" else {}
    norm = None if method in ("rrf", "isr") else "min-max"
    ours = getattr(fuse, method)([as_lists(members[0])], K, **options)
    assert_equal(ours, reference(members, norm, RANX_NAMES[method], options))


def test_another_constant_of_reciprocal_rank_fusion_equals_ranx() -> None:
    members = cases()["random"]
    ours = fuse.rrf([as_lists(member) for member in members], ITEMS, constant=7)
    assert_equal(ours, reference(members, None, "rrf", {"k": 7}))
