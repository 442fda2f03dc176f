"""Adapters and the graph: against their formulas, written out."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.model.adapters import MixtureOfExperts, make_adapter
from recbole_xlrec.model.graph import LightConvolution


@pytest.mark.parametrize("kind", ["linear", "mlp", "moe"])
def test_an_adapter_maps_rows_one_by_one_and_learns(kind: str) -> None:
    adapter = make_adapter(kind, 6, 4, 3).eval()
    rows = torch.randn(5, 6)
    together = adapter(rows)
    assert together.shape == (5, 4)
    torch.testing.assert_close(torch.cat([adapter(row[None]) for row in rows]), together)
    adapter.train()(rows).square().sum().backward()
    assert all(weights.grad is not None and weights.grad.any() for weights in adapter.parameters())


def test_experts_are_weighed_by_the_gate_and_whiten_by_their_own_means() -> None:
    adapter = MixtureOfExperts(3, 2, 2).eval()
    with torch.no_grad():
        adapter.means.normal_()
        adapter.maps.normal_()
    row = torch.randn(3)
    gates = (adapter.gate.weight @ row).softmax(dim=0)
    expected = sum(gates[i] * ((row - adapter.means[i]) @ adapter.maps[i]) for i in range(2))
    torch.testing.assert_close(adapter(row[None])[0], expected)
    assert not torch.equal(adapter.train()(row[None]), adapter(row[None]))  # noise in training


def test_unknown_adapters_and_too_few_experts_are_refused() -> None:
    with pytest.raises(ConfigError, match="none, linear, mlp, moe"):
        make_adapter("lstm", 3, 2, 2)
    with pytest.raises(ConfigError, match="from 1 on, found 0"):
        make_adapter("moe", 3, 2, 0)


@pytest.mark.parametrize("layers", [0, 1, 3])
def test_light_convolution_is_that_of_the_dense_formula_and_so_is_its_gradient(layers: int) -> None:
    rng = np.random.default_rng(0)
    histories = (rng.random((7, 5)) < 0.4).astype(np.float32)
    histories[0] = 0  # a user without a history
    histories[:, 4] = 0  # an item that nobody has met
    table = torch.from_numpy(histories)
    degrees = table.sum(1, keepdim=True).clamp(min=1), table.sum(0, keepdim=True).clamp(min=1)
    edges = table / (degrees[0] * degrees[1]).sqrt()
    items = torch.randn(5, 3, requires_grad=True)
    users_now, items_now = (table / degrees[0]) @ items, items
    users_sum, items_sum = users_now, items_now
    for _ in range(layers):
        users_now, items_now = edges @ items_now, edges.T @ users_now
        users_sum, items_sum = users_sum + users_now, items_sum + items_now
    expected = users_sum / (layers + 1), items_sum / (layers + 1)
    found = LightConvolution(sp.csr_matrix(histories), layers)(items)
    weights = torch.randn(12, 3)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs)
    (ours,) = torch.autograd.grad((torch.cat(found) * weights).sum(), items)
    (theirs,) = torch.autograd.grad((torch.cat(expected) * weights).sum(), items)
    torch.testing.assert_close(ours, theirs)
    assert not found[0][0].any()
    assert found[1][4].any()
