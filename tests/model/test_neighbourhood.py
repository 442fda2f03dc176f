"""What a user thought of like items, against sums over all pairs written out; what may not leak does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from recbole_xlrec.model import neighbourhood
from recbole_xlrec.model.kernels import CompanyKernel, Kernel, TextKernel, ValuesKernel
from recbole_xlrec.model.neighbourhood import Neighbourhood, Opinions
from recbole_xlrec.text.aligned import TextRows
from recbole_xlrec.text.whitening import fit_whitening

USERS, ITEMS, WIDTH = 12, 20, 6


class World:
    """Random histories, texts and values; the last two items and the last user are in no history."""

    def __init__(self, seed: int = 0) -> None:
        draw = np.random.default_rng(seed)
        pairs = draw.choice((USERS - 2) * (ITEMS - 3), size=90, replace=False)
        self.users, self.items = 1 + pairs // (ITEMS - 3), 1 + pairs % (ITEMS - 3)
        self.labels = draw.integers(0, 2, len(pairs)).astype(np.float32)
        self.matrix = draw.normal(size=(ITEMS, WIDTH)).astype(np.float32) + 1
        self.matrix[[0, 5]] = 0  # without text
        self.categories = draw.integers(0, 5, (ITEMS, 3))
        self.texts = TextRows(self.matrix, np.arange(ITEMS), fit_whitening(self.matrix, "none"))

    def met(self) -> sp.csr_matrix:
        """(users, items) of zeros and ones."""
        return sp.csr_matrix((np.ones(len(self.users)), (self.users, self.items)), shape=(USERS, ITEMS))

    def kernels(self) -> list[Kernel]:
        """All three."""
        text = TextKernel(self.texts, np.zeros(USERS, dtype=np.int64), self.items)
        return [text, ValuesKernel(self.categories), CompanyKernel(self.met())]

    def opinions(self, **changed: Any) -> Opinions:
        """Of these histories."""
        labels = changed.get("labels", self.labels)
        return Opinions(self.users, self.items, labels, self.kernels())


@pytest.fixture
def world() -> World:
    return World()


ALL = np.repeat(np.arange(USERS), ITEMS), np.tile(np.arange(ITEMS), USERS)


def test_opinion_and_support_are_the_sums_of_their_definition(world: World) -> None:
    found = world.opinions().values(*ALL).reshape(USERS, ITEMS, 6)
    mean = world.labels.mean()
    usual = {}
    for item in set(world.items.tolist()):
        own = world.labels[world.items == item] - mean
        usual[item] = own.sum() / (len(own) + 25)
    for user in range(USERS):
        history = {
            int(item): label - mean - usual[int(item)]
            for who, item, label in zip(world.users, world.items, world.labels, strict=True)
            if who == user
        }
        for item in range(ITEMS):
            others = {j: beyond for j, beyond in history.items() if j != item}
            level = sum(others.values()) / (len(others) + 10)
            for place, likeness in enumerate((_text_likeness, _values_likeness, _company_likeness)):
                weights = {j: likeness(world, user, item, j) for j in others}
                total = sum(weights.values())
                opinion = sum(weights[j] * (others[j] - level) for j in others) / (total + 1)
                expected = (opinion, total / (total + 1))
                np.testing.assert_allclose(found[user, item, 2 * place : 2 * place + 2], expected, atol=1e-5)


def _text_likeness(world: World, user: int, item: int, other: int) -> float:
    mean = world.matrix[np.unique(world.items)].mean(axis=0)
    left, right = (world.matrix[i] - mean if world.matrix[i].any() else world.matrix[i] for i in (item, other))
    lengths = np.linalg.norm(left) * np.linalg.norm(right)
    return max(float(left @ right / lengths), 0) ** 2 if lengths else 0


def _values_likeness(world: World, user: int, item: int, other: int) -> float:
    left, right = (np.bincount(world.categories[i], minlength=5)[1:] for i in (item, other))
    lengths = np.linalg.norm(left) * np.linalg.norm(right)
    return float(left @ right / lengths) ** 3 if lengths else 0


def _company_likeness(world: World, user: int, item: int, other: int) -> float:
    left, right = (set(world.users[world.items == i].tolist()) - {user} for i in (item, other))
    lengths = (len(left) * len(right)) ** 0.5
    return (len(left & right) / lengths) ** 3 if lengths else 0


def test_a_row_s_own_label_changes_its_values_by_its_share_in_the_mean_alone(world: World) -> None:
    before = world.opinions().values(world.users, world.items)
    for row in range(0, len(world.users), 9):
        labels = world.labels.copy()
        labels[row] = 1 - labels[row]
        after = world.opinions(labels=labels).values(world.users[row : row + 1], world.items[row : row + 1])
        changed = abs(labels.mean() - world.labels.mean())
        assert np.abs(after - before[row]).max() <= changed
        elsewhere = world.opinions(labels=labels).values(world.users, world.items)[world.users == world.users[row]]
        assert np.abs(elsewhere - before[world.users == world.users[row]]).max() > 3 * changed  # it counts for others


def test_that_a_user_met_an_item_changes_nothing_of_how_like_it_is_to_others(world: World) -> None:
    user, item = int(world.users[0]), int(world.items[0])
    history = world.items[world.users == user]
    others = history[history != item]
    without = world.met().tolil()
    without[user, item] = 0
    met = CompanyKernel(world.met())(user, np.array([item]), history)[:, history != item]
    not_met = CompanyKernel(without.tocsr())(user, np.array([item]), others)
    np.testing.assert_array_equal(met, not_met)


def test_blocks_give_what_all_at_once_gives(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = world.opinions().values(*ALL)
    monkeypatch.setattr(neighbourhood, "_CELLS", 10)
    np.testing.assert_allclose(world.opinions().values(*ALL), whole, atol=1e-6)


def test_training_and_evaluation_read_the_same_values_and_evaluation_remembers_them(world: World) -> None:
    module = Neighbourhood(world.opinions(), (world.users, world.items), width=4)
    rows = torch.from_numpy(world.users), torch.from_numpy(world.items)
    trained = module.train()(*rows)
    torch.testing.assert_close(module.eval()(*rows), trained, rtol=1e-5, atol=1e-6)
    module.opinions = None  # type: ignore[assignment]
    torch.testing.assert_close(module(*rows), trained, rtol=1e-5, atol=1e-6)
    assert trained.shape == (len(world.users), module.width)
    spread = (trained.reshape(-1, 6, 4) / module.vectors.weight)[:, :, 0].std(dim=0, unbiased=False)
    torch.testing.assert_close(spread, torch.ones(6), rtol=1e-4, atol=1e-4)


def test_no_more_rows_are_remembered_than_there_is_room_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbourhood, "_REMEMBERED", 5)
    module = Neighbourhood(world.opinions(), (world.users, world.items), width=4).eval()
    for some in (slice(4), slice(4, 8), slice(8, 9)):  # the second has no room, and the third has
        rows = torch.from_numpy(world.users[some]), torch.from_numpy(world.items[some])
        torch.testing.assert_close(module(*rows), module(*rows))
    assert sum(map(len, module._remembered.values())) == 5


def test_who_has_no_history_and_what_nobody_met_have_no_company(world: World) -> None:
    nobody, stranger = USERS - 1, ITEMS - 1
    assert not world.opinions().values(np.full(ITEMS, nobody), np.arange(ITEMS)).any()
    assert not world.opinions().values(np.array([10**6]), np.array([1])).any()  # an id beyond all of training
    values = world.opinions().values(world.users, np.full(len(world.users), stranger))
    assert not values[:, 4:].any()
    assert values[:, :4].any()  # its text and its values are known
