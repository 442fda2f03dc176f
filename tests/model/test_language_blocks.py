"""Batches are cut by language; items of others are no negatives where rankings are of a user's own language."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from recbole_xlrec.bridge.windows import TARGETS
from recbole_xlrec.model.language_blocks import LanguageBlocks, mean_loss
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


@st.composite
def _batches(draw: st.DrawFn) -> tuple[list[int], list[int], torch.Tensor, torch.Tensor]:
    """Languages of users and of items, the padding item first, in none; rows of the targets, and the targets."""
    users, items = draw(CODES), [-1, *draw(CODES)]
    one = st.tuples(st.integers(0, len(users) - 1), st.integers(1, len(items) - 1))
    rows, wanted = torch.tensor(draw(st.lists(one, min_size=1, max_size=8))).T
    return users, items, rows, wanted


@given(_batches(), st.booleans())
def test_blocks_have_each_row_and_target_once_and_the_items_of_its_language_and_the_targets(
    batch: tuple[list[int], list[int], torch.Tensor, torch.Tensor], sampled: bool
) -> None:
    users, items, rows, wanted = batch
    chosen = torch.unique(torch.cat([torch.zeros(1, dtype=torch.long), wanted]))
    whole = Candidates(chosen, None, len(chosen)) if sampled else Candidates(None, None, len(items))
    blocks = LanguageBlocks(torch.tensor(users), torch.tensor(items), mixed=True)(
        torch.arange(len(users)), rows, wanted, whole
    )
    assert sorted(torch.cat([block.rows for block in blocks]).tolist()) == list(range(len(users)))
    assert sorted(torch.cat([block.targets for block in blocks]).tolist()) == list(range(len(rows)))
    names = chosen.tolist() if sampled else range(len(items))
    for block in blocks:
        mine = wanted[block.targets]
        (own,) = {users[row] for row in block.rows}
        there = [item for item in names if item == 0 or items[item] == own or item in mine]
        assert block.candidates.items.tolist() == there
        assert [names[column] for column in block.columns] == there
        assert block.candidates.items[block.places].tolist() == mine.tolist()
        assert block.rows[block.row_of].tolist() == rows[block.targets].tolist()
        marked = block.no_negatives(len(block.rows), block.row_of)
        for row, found in zip(block.rows, marked, strict=True):
            asked = wanted[rows == row].tolist()
            assert found.tolist() == [items[item] != own and item not in asked for item in there]


def test_candidates_of_users_are_the_items_of_their_language_or_all() -> None:
    users, items = torch.tensor([1, 0]), torch.tensor([2, 1, 3])
    cut = LanguageBlocks(torch.tensor([5, 7]), torch.tensor([0, 7, 5, 5]), mixed=False)
    assert cut.ranked(users, items).tolist() == [[False, True, False], [True, False, True]]
    assert LanguageBlocks(None, None, mixed=False).ranked(users, items).tolist() == [[True] * 3] * 2


def test_rankings_over_all_languages_are_one_block() -> None:
    whole, rows = Candidates(None, None, 5), torch.tensor([0, 1, 1])
    (block,) = LanguageBlocks(None, None, mixed=False)(torch.tensor([3, 4]), rows, torch.tensor([1, 2, 3]), whole)
    assert block.rows is block.targets is block.columns is block.others is None
    assert block.row_of is rows
    assert block.candidates is whole
    assert block.places.tolist() == [1, 2, 3]


def test_weights_are_those_of_the_targets_of_each_block() -> None:
    languages, wanted = torch.tensor([1, 2, 1]), torch.tensor([1, 2, 3])
    blocks = LanguageBlocks(languages, torch.tensor([0, 1, 2, 1]), mixed=False)(
        torch.arange(3), torch.arange(3), wanted, Candidates(None, None, 4)
    )
    losses = [wanted[block.targets].float() for block in blocks]
    assert float(mean_loss(blocks, losses, None)) == pytest.approx(2)
    assert float(mean_loss(blocks, losses, torch.tensor([3.0, 1.0, 0.0]))) == pytest.approx((3 * 1 + 2) / 4)


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


@pytest.mark.parametrize("model", ["XLSASRec", "XLAlphaRec"])
def test_unseen_items_are_at_the_level_of_what_their_users_can_be_recommended(
    model: str, fit: Callable[..., Any]
) -> None:
    unseen = {"item": [*TABLES["item"], ("h", "de")], "text": [*TABLES["text"], ("h", "de", "h")]}
    columns = {"inter": ["user_id", "item_id", "timestamp"], "item": ["item_id", "language"]}
    chosen = {"candidates": "language", "load_col": columns, "repeatable": model == "XLSASRec"}
    fitted = fit(model, {**TABLES, **unseen}, **chosen).model.eval()
    with torch.no_grad():
        users, queries = fitted.sample_queries()
        measured = fitted.unseen.measured
        texts = fitted.items.text.vectors[measured]
        seen, as_unseen = fitted.own_item_vectors()[measured], fitted.by_text_alone(texts, measured)
        own = fitted.blocks_of.users[users, None] == fitted.blocks_of.items[measured]  # (sample, measured)
        expected, over_all = (
            fitted.unseen.calibrate(queries, seen, as_unseen, ranked) for ranked in (own, torch.ones_like(own))
        )
        found = fitted._calibration()
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(found, over_all, rtol=1e-3)
