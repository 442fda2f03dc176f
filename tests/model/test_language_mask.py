"""Items of other languages are no negatives where rankings are of a user's own language."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from recbole_xlrec.bridge.windows import TARGETS
from recbole_xlrec.model.language_mask import LanguageMask
from recbole_xlrec.model.softmax import Candidates

LANGUAGES = {"a": "en", "b": "en", "c": "en", "d": "de", "e": "de", "f": "de", "g": "fr"}
USERS = {f"u{number}": ("en", "de")[number % 2] for number in range(6)}
#: Each user takes three items of their own language; `u0` one of another, too.
OWN = [(user, item) for user, own in USERS.items() for item, language in LANGUAGES.items() if language == own]
EVENTS = [(user, item, time) for time, (user, item) in enumerate([*OWN, ("u0", "g")])]
TABLES = {
    "inter": EVENTS,
    "user": list(USERS.items()),
    "item": list(LANGUAGES.items()),
    "text": [(item, language, item) for item, language in LANGUAGES.items()],
}
CODES = st.lists(st.integers(0, 2), min_size=1, max_size=6)


@given(CODES, CODES, st.data())
def test_all_of_another_language_is_marked_but_for_the_targets(
    users: list[int], items: list[int], data: st.DataObject
) -> None:
    codes = [-1, *items]  # the padding item, which is in no language
    targets = data.draw(st.lists(st.tuples(st.sampled_from(range(len(users))), st.sampled_from(range(1, len(codes))))))
    rows, wanted = torch.tensor(targets, dtype=torch.long).reshape(-1, 2).T.contiguous()
    mask = LanguageMask(torch.tensor(users), torch.tensor(codes))
    found = mask(torch.arange(len(users)), rows, wanted, Candidates(None, None, len(codes)))
    for row, own in enumerate(users):
        expected = [code != own and (row, item) not in targets for item, code in enumerate(codes)]
        assert found[row].tolist() == expected
    some = torch.unique(torch.cat([torch.zeros(1, dtype=torch.long), wanted]))
    sampled = mask(torch.arange(len(users)), rows, wanted, Candidates(some, None, len(some)))
    assert torch.equal(sampled, found[:, some])


def _losses(fit: Callable[..., Any], model: str, **chosen: Any) -> tuple[Any, Any, list[torch.Tensor]]:
    """A model of users' own languages, a batch of it, and the loss of that batch without and with the mask."""
    fitted = [fit(model, TABLES, **chosen, candidates=each) for each in ("all", "language")]
    batch = next(iter(fitted[1].parts[0]))
    losses = []
    for each in fitted:
        torch.manual_seed(0)
        losses.append(each.model.train().calculate_loss(batch))
    return fitted[1], batch, losses


def _expected(
    fitted: Any, states: torch.Tensor, users: torch.Tensor, wanted: torch.Tensor, kept: list[set[int]]
) -> torch.Tensor:
    """Mean cross-entropy of (targets, width) queries among each user's own language, and what is kept besides."""
    dataset = fitted.dataset
    items = fitted.model.own_item_vectors()
    names = dataset.field2id_token["item_id"]
    losses = []
    for state, user, target, also in zip(states, users, wanted, kept, strict=True):
        own = USERS[dataset.field2id_token["user_id"][user]]
        asked = [item for item in range(1, len(names)) if LANGUAGES[names[item]] == own or item in also]
        losses.append(F.cross_entropy(items[asked] @ state, torch.tensor(asked.index(int(target)))))
    return torch.stack(losses).mean()


@pytest.mark.parametrize("loss", ["full", "sampled", "gbce"])
def test_xlsasrec_ranks_targets_among_the_users_own_language(loss: str, fit: Callable[..., Any]) -> None:
    chosen = {"MAX_ITEM_LIST_LENGTH": 4, "window_stride": 4, "dropout": 0.0, "repeatable": True}
    fitted, batch, losses = _losses(fit, "XLSASRec", **chosen, loss=loss, negatives=6)
    assert losses[1] < losses[0]  # fewer negatives
    if loss != "full":
        return
    model, targets = fitted.model, batch[TARGETS]
    counted = targets > 0
    with torch.no_grad():
        states = model._queries(model._states(batch["item_id_list"], model.items()))[counted]  # (targets, width)
        users = batch["user_id"][:, None].expand_as(targets)[counted]
        alone = [{int(target)} for target in targets[counted]]
        expected = _expected(fitted, states, users, targets[counted], alone)
    torch.testing.assert_close(losses[1].detach(), expected)


@pytest.mark.parametrize("loss", ["full", "sampled", "gbce"])
def test_xlalpharec_ranks_targets_among_the_users_own_language(loss: str, fit: Callable[..., Any]) -> None:
    fitted, batch, losses = _losses(fit, "XLAlphaRec", loss=loss, negatives=6)
    assert losses[1] < losses[0]
    if loss != "full":
        return
    users, items = batch["user_id"], batch["item_id"]
    shared = [set(items[users == user].tolist()) for user in users]  # one row a user
    with torch.no_grad():
        states = fitted.model.query_vectors(batch)[:, : fitted.model.own_item_vectors().shape[1]]
        expected = _expected(fitted, states, users, items, shared)
    torch.testing.assert_close(losses[1].detach(), expected)
