"""What a user had met before a target is no negative of it, where rankings leave it out."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from recbole_xlrec.bridge.lazy_sequences import PLACE, cut
from recbole_xlrec.bridge.windows import TARGETS
from recbole_xlrec.model.met_mask import MetMask
from recbole_xlrec.model.softmax import Candidates

SIZE, SEQ = 7, 3
LISTS = st.lists(st.lists(st.integers(1, SIZE - 1), min_size=2, max_size=9), min_size=1, max_size=4)


def _batch(lists: list[list[int]]) -> tuple[MetMask, list[torch.Tensor], list[set[int]], torch.Tensor]:
    """A window that ends at the last item of each list, what each target's user had met, and the targets."""
    flat = torch.tensor([item for each in lists for item in each])
    sizes = torch.tensor([len(each) for each in lists])
    begins = sizes.cumsum(0) - sizes
    lengths = (sizes - 1).clamp(max=SEQ)
    ends = begins + sizes - 1  # place of the last target
    inputs = cut(flat, ends, lengths, SEQ)
    targets = cut(flat, ends + 1, lengths, SEQ)
    met = [
        set(each[: len(each) - int(length) + step])
        for each, length in zip(lists, lengths, strict=True)
        for step in range(int(length))
    ]
    mask = MetMask(SimpleNamespace(flat_sequences=lambda: (flat, begins)))
    counted = targets > 0
    return mask, [torch.arange(len(lists)), ends - lengths, inputs, counted], met, targets[counted]


@given(LISTS)
def test_all_that_was_met_before_is_marked_but_for_the_target(lists: list[list[int]]) -> None:
    mask, batch, met, wanted = _batch(lists)
    found = mask(*batch, wanted, Candidates(None, None, SIZE))
    marked = [set(row.nonzero()[:, 0].tolist()) - {0} for row in found]
    assert marked == [items - {int(target)} for items, target in zip(met, wanted, strict=True)]


@given(LISTS, st.lists(st.integers(1, SIZE - 1), max_size=3))
def test_of_a_sample_the_same_items_are_marked(lists: list[list[int]], drawn: list[int]) -> None:
    mask, batch, _, wanted = _batch(lists)
    whole = mask(*batch, wanted, Candidates(None, None, SIZE))
    items = torch.unique(torch.cat([torch.tensor([0, *drawn]), batch[2].flatten(), wanted]))
    found = mask(*batch, wanted, Candidates(items, None, len(items)))
    assert torch.equal(found[:, 1:], whole[:, items[1:]])


@pytest.mark.parametrize("loss", ["full", "sampled", "gbce"])
def test_xlsasrec_has_them_among_its_negatives_only_where_rankings_have_them(
    loss: str, fit: Callable[..., Any], write_dataset: Callable[..., Any]
) -> None:
    inter = [(f"u{user}", item, time) for user in range(6) for time, item in enumerate("abcdefgh"[user % 3 :])]
    tables = {"inter": inter, "text": [(item, "en", item) for item in "abcdefgh"]}
    chosen = {
        "repeatable": True,
        "MAX_ITEM_LIST_LENGTH": 2,
        "window_stride": 2,
        "dropout": 0.0,
        "loss": loss,
        "negatives": 7,
    }
    plain = fit("XLSASRec", tables, **chosen)
    without = fit("XLSASRec", tables, **chosen, exclude_met=True)
    batch = next(iter(without.parts[0]))
    users, places = batch["user_id"], batch[PLACE]
    found = []
    for each in (plain, without):
        torch.manual_seed(0)
        found.append(each.model.train().calculate_loss(batch))
    assert found[1] < found[0]  # fewer negatives
    if loss != "full":
        return
    flat, begins = without.train.flat_sequences()
    losses = []
    with torch.no_grad():
        items = F.normalize(without.model.items(), dim=-1)
        for row in range(len(users)):
            inputs = batch["item_id_list"][row : row + 1]
            states = without.model._queries(without.model._states(inputs, without.model.items()))[0]
            for step in torch.nonzero(batch[TARGETS][row])[:, 0]:
                first = places[row] - batch["item_length"][row]
                met = flat[begins[users[row]] : first + step + 1]
                unmet = [item for item in range(1, len(items)) if item not in met]
                logits = items[unmet] @ states[step]
                losses.append(F.cross_entropy(logits, torch.tensor(unmet.index(int(batch[TARGETS][row, step])))))
    torch.testing.assert_close(found[1].detach(), torch.stack(losses).mean())
