"""Transitions: what is counted, how it is factorised, and that XLSASRec's lists follow it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.model.transitions import Transitions, factors, relative, transition_counts

SIZE, DECAY = 7, 0.5


def _sequences(lists: list[list[int]]) -> SimpleNamespace:
    """A training part with these sequences, whose last items are no training."""
    begins = np.cumsum([0, *map(len, lists)])[:-1]
    places = np.concatenate(
        [np.zeros(0, dtype=int), *(start + np.arange(len(each) - 1) for start, each in zip(begins, lists, strict=True))]
    )
    flat = np.array([item for each in lists for item in each], dtype=np.int64)
    return SimpleNamespace(
        flat_sequences=lambda: (torch.from_numpy(flat), torch.from_numpy(begins)),
        interaction_places=lambda: torch.from_numpy(places),
        item_num=SIZE,
    )


@given(st.lists(st.lists(st.integers(1, SIZE - 1), min_size=1, max_size=8), min_size=1, max_size=4))
def test_counts_are_those_of_training_pairs_by_distance_and_cross_no_user(lists: list[list[int]]) -> None:
    data = _sequences(lists)
    wanted = np.zeros((SIZE, SIZE), dtype=np.float32)
    for sequence in lists:
        for end in range(len(sequence) - 1):
            for start in range(max(0, end - 5), end):  # 0.5 ** 4 is the last weight above .05
                wanted[sequence[start], sequence[end]] += DECAY ** (end - start - 1)
    items, begins = (part.numpy() for part in data.flat_sequences())
    found = transition_counts(items, begins, data.interaction_places().numpy(), SIZE, DECAY).toarray()
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_factors_of_full_rank_give_the_matrix_back_and_targets_have_length_1_on_average() -> None:
    sequence = np.random.default_rng(0).integers(1, SIZE, 200)
    counts = transition_counts(sequence, np.array([0]), np.arange(200), SIZE, DECAY)
    matrix = relative(counts)
    sources, targets = factors(matrix, 100)
    np.testing.assert_allclose(sources @ targets.T, matrix.toarray(), atol=1e-5)
    assert (targets**2).sum(axis=1).mean() == pytest.approx(1.0, rel=1e-5)
    again = factors(matrix, 100)
    assert all((one == other).all() for one, other in zip((sources, targets), again, strict=True))


def test_a_query_is_its_history_by_age_whatever_padding_follows() -> None:
    transitions = Transitions(_sequences([[1, 2, 3, 4, 5], [2, 4, 6, 1]]), 3.0, DECAY, 100)
    padded = torch.tensor([[1, 2, 0, 0], [2, 0, 0, 0]])
    queries = transitions.queries(padded, torch.tensor([2, 1]))
    by_hand = DECAY * transitions.sources[1] + transitions.sources[2]
    torch.testing.assert_close(queries[0], 3.0 * by_hand / by_hand.norm())
    torch.testing.assert_close(queries[:1], transitions.queries(padded[:1, :2], torch.tensor([2])))
    torch.testing.assert_close(queries.norm(dim=1), torch.tensor([3.0, 3.0]))


def test_a_history_that_led_to_nothing_says_nothing() -> None:
    transitions = Transitions(_sequences([[1, 2, 3]]), 3.0, DECAY, 100)
    assert not transitions.queries(torch.tensor([[6]]), torch.tensor([1])).any()
    nothing = Transitions(_sequences([[1, 2], [3]]), 3.0, DECAY, 100)
    assert not nothing.queries(torch.tensor([[1]]), torch.tensor([1])).any()
    draw = np.random.default_rng(0)
    matrix = relative(transition_counts(draw.integers(1, 300, 5000), np.array([0]), np.arange(5000), 600, DECAY))
    sources, targets = factors(matrix, 64)
    assert not sources[300:].any()
    assert not targets[300:].any()
    assert np.isfinite(sources).all()


def test_xlsasrec_adds_them_to_its_own_score_and_training_does_not_know_of_them(
    fit: Callable[..., Any], toy: Path, toy_config: Path
) -> None:
    chosen = {"data_path": toy, "dataset": "toy", "config_files": [toy_config]}
    plain, with_them = fit("XLSASRec", **chosen), fit("XLSASRec", **chosen, transition_weight=5.0)
    queries, batch = next(iter(plain.parts[2]))[0], next(iter(plain.parts[0]))
    found = []
    for each in (plain, with_them):
        torch.manual_seed(0)
        loss = each.model.train().calculate_loss(batch).detach()
        with torch.no_grad():
            found.append((loss, each.model.eval().full_sort_predict(queries).view(len(queries), -1)[:, 1:]))
    transitions = with_them.model.transitions
    added = (transitions.queries(queries["item_id_list"], queries["item_length"]) @ transitions.targets.T)[:, 1:]
    assert added.abs().max() > 1
    torch.testing.assert_close(found[1][1], found[0][1] + added)
    assert found[0][0] == found[1][0]


@pytest.mark.parametrize(
    "changed",
    [
        {"transition_weight": -1.0},
        {"transition_weight": 1.0, "transition_decay": 1.0},
        {"transition_weight": 1.0, "transition_rank": 0},
    ],
)
def test_settings_out_of_range_are_refused(
    changed: dict[str, Any], fit: Callable[..., Any], toy: Path, toy_config: Path
) -> None:
    with pytest.raises(ConfigError, match="transition_weight is 0 or more"):
        fit("XLSASRec", data_path=toy, dataset="toy", config_files=[toy_config], **changed)
