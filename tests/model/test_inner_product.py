from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import nn

from recbole_xlrec.model.inner_product import InnerProduct


class Tiny(InnerProduct, nn.Module):
    """Three queries and five items; counts how often the item side is computed."""

    ITEM_ID = "item_id"

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.queries = nn.Parameter(torch.randn(3, 2))
        self.items = nn.Parameter(torch.randn(5, 2))
        self.register_buffer("scale", torch.ones(1), persistent=False)
        self.computed = 0

    def query_vectors(self, interaction: dict[str, torch.Tensor]) -> torch.Tensor:
        return self.queries[interaction["user_id"]]

    def item_vectors(self) -> torch.Tensor:
        self.computed += 1
        return self.items * self.scale

    def doubled(self) -> torch.Tensor:
        return 2 * self.items


@pytest.fixture
def model() -> Tiny:
    return Tiny().eval()


PAIRS = {"user_id": torch.tensor([0, 2, 2]), "item_id": torch.tensor([4, 1, 3])}


# --- scores ----------------------------------------------------------------------------------------------------------


def test_scores_are_inner_products_and_the_padding_item_is_out_of_question(model: Tiny) -> None:
    scores = model.full_sort_predict(PAIRS).view(3, 5)
    torch.testing.assert_close(scores[:, 1:], model.queries[[0, 2, 2]] @ model.items[1:].T)
    assert (scores[:, 0] == torch.finfo(torch.float32).min / 2).all()
    torch.testing.assert_close(model.predict(PAIRS), scores[torch.arange(3), PAIRS["item_id"]])


def test_the_padding_item_is_finite_in_half_precision(model: Tiny) -> None:
    scores = model.half().full_sort_predict(PAIRS).view(3, 5)
    assert scores.dtype == torch.float16
    assert torch.isfinite(scores).all()
    assert (scores[:, 0] < scores[:, 1:].amin(dim=1)).all()


@pytest.mark.parametrize("score", [Tiny.predict, Tiny.full_sort_predict])
def test_a_gradient_reaches_both_sides(score: Callable[..., torch.Tensor], model: Tiny) -> None:
    score(model.train(), PAIRS).sum().backward()
    assert model.queries.grad is not None
    assert model.items.grad is not None
    assert model.items.grad[[1, 3, 4]].all()


# --- once ------------------------------------------------------------------------------------------------------------


def test_the_item_side_is_computed_once_in_evaluation(model: Tiny) -> None:
    with torch.no_grad():
        first = model.items_once()
        assert model.items_once() is first
        model.full_sort_predict(PAIRS)
        model.predict(PAIRS)
    with torch.inference_mode():
        assert model.items_once() is first
    assert model.computed == 1


def test_the_item_side_is_computed_anew_in_training_and_where_a_gradient_is_wanted(model: Tiny) -> None:
    with torch.no_grad():
        model.items_once()
    assert model.items_once().requires_grad
    assert model.items_once().requires_grad
    assert model.computed == 3
    model.train()
    with torch.no_grad():
        model.items_once()
        model.items_once()
    assert model.computed == 5


def test_each_method_has_a_result_of_its_own(model: Tiny) -> None:
    with torch.no_grad():
        torch.testing.assert_close(model.once(model.doubled), 2 * model.items_once(), rtol=0, atol=0)
        assert model.once(model.doubled) is model.once(model.doubled)


def _written(model: Tiny) -> None:
    model.items.mul_(2)


def _one_element(model: Tiny) -> None:
    model.items[4, 1] = 7.0


def _stepped(model: Tiny, **options: bool) -> None:
    model.items.grad = torch.ones_like(model.items)
    torch.optim.Adam([model.items], lr=0.5, **options).step()


def _fused(model: Tiny) -> None:
    model.train()
    _stepped(model, fused=True)
    model.eval()


def _data_in_place(model: Tiny) -> None:
    model.items.data.add_(1)
    model.eval()  # as RecBole's trainer does before every evaluation


def _loaded(model: Tiny) -> None:
    model.load_state_dict({name: value + 1 for name, value in model.state_dict().items()})


def _assigned(model: Tiny) -> None:
    model.load_state_dict({name: value + 1 for name, value in model.state_dict().items()}, assign=True)


def _replaced(model: Tiny) -> None:
    model.items = nn.Parameter(model.items + 1)


def _data_replaced(model: Tiny) -> None:
    model.items.data = model.items.data + 1


def _buffer(model: Tiny) -> None:
    model.scale.fill_(3)


def _precision(model: Tiny) -> None:
    model.double()


CHANGES = [
    _written,
    _one_element,
    _stepped,
    _fused,
    _data_in_place,
    _loaded,
    _assigned,
    _replaced,
    _data_replaced,
    _buffer,
    _precision,
]


@pytest.mark.parametrize("change", CHANGES)
@torch.no_grad()
def test_no_change_is_missed(change: Callable[[Tiny], None], model: Tiny) -> None:
    before = model.items_once().clone()
    for _ in range(3):
        change(model)
        found, expected = model.items_once(), model.items * model.scale
        assert found.dtype == expected.dtype
        torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert change is _precision or not torch.equal(model.items_once(), before)


@torch.no_grad()
def test_new_values_at_an_old_address_are_seen(model: Tiny) -> None:
    """Memory that has been given back is soon used again."""
    for value in range(30):
        model.items.data = torch.zeros(1, 2)
        model.items.data = torch.full((2**16, 2), float(value))
        assert model.items_once()[0, 0] == value


@torch.no_grad()
def test_another_device_is_seen(model: Tiny) -> None:
    model.items_once()
    assert model.to("meta").items_once().device.type == "meta"


@torch.no_grad()
def test_autocast_has_a_result_of_its_own(model: Tiny) -> None:
    def halved() -> torch.Tensor:
        return model.items @ torch.ones(2, 2)

    assert model.once(halved).dtype == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        assert model.once(halved).dtype == torch.bfloat16
    assert model.once(halved).dtype == torch.float32


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
@torch.no_grad()
def test_a_copy_begins_with_nothing_kept(copied: Callable[[Tiny], Tiny], model: Tiny) -> None:
    _written(model)
    original = model.items_once()
    other = copied(model)
    assert vars(model)["_kept"].results
    assert not vars(other)["_kept"].results
    _written(other)
    torch.testing.assert_close(other.items_once(), 2 * original, rtol=0, atol=0)
    assert other.computed == 2
    assert model.items_once() is original


@torch.no_grad()
def test_what_is_kept_is_in_no_state_dict(model: Tiny) -> None:
    model.items_once()
    assert set(model.state_dict()) == {"queries", "items"}


def test_parameters_made_in_inference_mode_are_never_trusted() -> None:
    with torch.inference_mode():
        model = Tiny().eval()
        model.items_once()
        model.items.mul_(2)
        torch.testing.assert_close(model.items_once(), model.items, rtol=0, atol=0)
