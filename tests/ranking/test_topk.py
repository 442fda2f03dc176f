from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from recbole_xlrec.ranking import topk
from recbole_xlrec.ranking.topk import top_items


def _by_argsort(scores: torch.Tensor, k: int, first: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores (queries, items), -inf where an item is no candidate, by a plain sort."""
    table = scores.numpy().copy()
    table[:, :first] = -np.inf
    ids = np.argsort(-table, axis=1, kind="stable")[:, :k]  # equal scores: smaller id first
    best = np.take_along_axis(table, ids, axis=1)
    ids = np.where(np.isfinite(best), ids, 0)
    missing = ((0, 0), (0, k - ids.shape[1]))
    return np.pad(best, missing, constant_values=-np.inf), np.pad(ids, missing)


@st.composite
def _cases(draw: st.DrawFn) -> dict[str, Any]:
    queries, items = draw(st.integers(1, 12)), draw(st.integers(1, 40))
    seed = draw(st.integers(0, 2**16))
    return {
        "sizes": (queries, items, draw(st.integers(1, 4))),
        "values": draw(st.sampled_from([1, 2, 50])),  # few values: many ties
        "k": draw(st.integers(1, 50)),
        "first": draw(st.integers(0, 3)),
        "block": draw(st.none() | st.integers(1, 45)),
        "cells": draw(st.sampled_from([1, 8, 64, 2**22])),
        "excluded": draw(st.none() | st.integers(0, 2 * items)),
        "languages": draw(st.none() | st.integers(1, 3)),
        "rising": draw(st.booleans()),  # the worst order: each block beats all before
        "seed": seed,
    }


@given(case=_cases())
@settings(max_examples=200, deadline=None)
def test_lists_are_those_of_a_plain_sort(case: dict[str, Any]) -> None:
    generator = torch.Generator().manual_seed(case["seed"])
    count, catalogue, width = case["sizes"]

    def draw(high: int, *shape: int) -> torch.Tensor:
        return torch.randint(high, shape, generator=generator)

    queries, items = (draw(2 * case["values"] + 1, size, width) - case["values"] for size in (count, catalogue))
    queries, items = queries.float(), items.float()  # whole numbers: products are exact in any order
    if case["rising"]:
        items = items[(queries[0] @ items.T).argsort()]
    scores, options = queries @ items.T, {}
    if case["excluded"] is not None:
        row, item = draw(count, case["excluded"]), draw(catalogue, case["excluded"])
        options["exclude"] = row, item
        scores[row, item] = -torch.inf
    if case["languages"] is not None:
        own, theirs = draw(case["languages"], count), draw(case["languages"], catalogue)
        options["languages"] = own, theirs
        scores[own[:, None] != theirs] = -torch.inf
    with mock.patch.object(topk, "CELLS", case["cells"]):
        found = top_items(queries, items, case["k"], first=case["first"], block=case["block"], **options)
    expected, ids = _by_argsort(scores, case["k"], case["first"])
    np.testing.assert_array_equal(found.scores.numpy(), expected)
    np.testing.assert_array_equal(found.ids.numpy(), ids)


def test_lists_of_real_vectors_are_those_of_torch_topk() -> None:
    generator = torch.Generator().manual_seed(1)
    queries, items = torch.randn(30, 16, generator=generator), torch.randn(1000, 16, generator=generator)
    scores = queries @ items.T
    scores[:, 0] = -torch.inf
    for block in (None, 70, 500, 5000):
        found = top_items(queries, items, 20, block=block)
        torch.testing.assert_close(found.scores, scores.topk(20).values)
        assert torch.equal(found.ids, scores.topk(20).indices)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_compared_in_float32(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(2)
    queries, items = torch.randn(5, 8, generator=generator), torch.randn(100, 8, generator=generator)
    found = top_items(queries.to(dtype), items.to(dtype), 10)
    scores = (queries.to(dtype) @ items.to(dtype).T).float()
    expected, ids = _by_argsort(scores, 10, 1)
    assert found.scores.dtype == torch.float32
    np.testing.assert_array_equal(found.scores.numpy(), expected)
    np.testing.assert_array_equal(found.ids.numpy(), ids)


def test_autocast_takes_products_in_its_own_precision() -> None:
    queries, items = torch.tensor([[1.0]]), torch.tensor([[0.0], [1.0], [1.001]])
    with torch.autocast("cpu", torch.bfloat16):
        found = top_items(queries, items, 2)
    assert found.scores.dtype == torch.float32
    assert found.scores.tolist() == [[1.0, 1.0]]  # 1.001 is 1 in bfloat16
    assert found.ids.tolist() == [[1, 2]]


def test_what_is_no_number_is_listed_nowhere() -> None:
    items = torch.tensor([[0.0], [1.0], [torch.nan], [2.0], [torch.nan]])
    found = top_items(torch.tensor([[1.0], [torch.nan]]), items, 4, block=2)
    assert found.ids.tolist() == [[3, 1, 0, 0], [0, 0, 0, 0]]
    assert found.scores[0, :2].tolist() == [2.0, 1.0]
    assert torch.isneginf(found.scores[0, 2:]).all()


def test_no_queries_have_no_lists_and_an_empty_catalogue_empty_ones() -> None:
    assert top_items(torch.zeros(0, 3), torch.zeros(9, 3), 4).ids.shape == (0, 4)
    found = top_items(torch.zeros(2, 3), torch.zeros(1, 3), 4)
    assert torch.isneginf(found.scores).all()
    assert not found.ids.any()


@pytest.mark.parametrize("options", [{"k": 0}, {"block": 0}, {"first": -1}])
def test_sizes_out_of_range_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="k and block are 1 or more and first is 0 or more"):
        top_items(torch.zeros(1, 2), torch.zeros(3, 2), **{"k": 1, **options})


def test_vectors_of_other_widths_are_refused() -> None:
    with pytest.raises(ValueError, match="queries are 3 wide and items 2"):
        top_items(torch.zeros(1, 3), torch.zeros(3, 2), 1)


class _Largest(TorchDispatchMode):
    """The size of the largest tensor that is made, views and those of the size of an input or output left out."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        known = {part.untyped_storage().data_ptr() for part in args if isinstance(part, torch.Tensor)}
        for made in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(made, torch.Tensor) and made.untyped_storage().data_ptr() not in known:
                self.bytes = max(self.bytes, made.untyped_storage().nbytes())
        return result


@pytest.mark.parametrize("worst", ["random", "all equal", "rising"])
@pytest.mark.parametrize("k", [10, 400])
def test_memory_does_not_grow_with_queries_or_items(worst: str, k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topk, "CELLS", 2**12)
    queries, items = torch.randn(64, 4), torch.randn(5_000, 4)  # as a matrix 1.3 MB
    if worst == "all equal":
        queries.zero_()
    if worst == "rising":
        queries[:], items = queries[:1], items[(items @ queries[0]).argsort()]
    with _Largest() as largest:
        top_items(queries, items, k, languages=(torch.zeros(64), torch.zeros(5_000)))
    assert largest.bytes <= max(16 * 2**12, 64 * k * 8)  # or the ids that are returned
