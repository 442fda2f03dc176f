from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.model.xlprofile import recency_weights

HALF = 0.5**0.5


@pytest.fixture
def encoder(tmp_path: Path, write_vectors: Callable[..., str]) -> str:
    vectors = {"a": [1.0, 0.0], "b": [0.0, 1.0], "c": [3.0, 4.0], "d": [-1.0, 0.0]}
    return write_vectors(tmp_path / "vectors.npz", vectors)


def _weights(fitted: Any, half_life: float) -> pd.DataFrame:
    matrix = recency_weights(fitted.train, half_life).toarray()
    return pd.DataFrame(matrix, fitted.dataset.field2id_token["user_id"], fitted.dataset.item_ids)


# --- recency ---------------------------------------------------------------------------------------------------------


def test_an_item_counts_half_after_half_life_interactions(fit: Callable[..., Any], encoder: str) -> None:
    events = [("u", "c", 9), ("v", "a", 5), ("u", "a", 1), ("u", "b", 4), ("v", "d", 500)]
    fitted = fit("XLProfile", {"inter": events}, encoder=encoder)
    weights = _weights(fitted, 1.0)
    assert weights.loc["u", ["c", "b", "a", "d"]].tolist() == [1.0, 0.5, 0.25, 0.0]  # latest first
    assert weights.loc["v", ["d", "a"]].tolist() == [1.0, 0.5]  # interactions are counted, not hours
    np.testing.assert_allclose(_weights(fitted, 2.0).loc["u", ["c", "b", "a"]], [1.0, HALF, 0.5])
    assert not weights.loc["[PAD]"].any()


def test_of_items_met_at_one_time_the_one_listed_later_is_later_and_repeats_add_up(
    fit: Callable[..., Any], encoder: str
) -> None:
    events = [("u", "b", 3), ("u", "a", 3), ("u", "d", 1), ("u", "a", 0), ("v", "c", 0)]
    weights = _weights(fit("XLProfile", {"inter": events}, encoder=encoder), 1.0)
    assert weights.loc["u", ["b", "a", "d", "c"]].tolist() == [0.5, 1.0 + 0.125, 0.25, 0.0]


def test_without_timestamps_or_half_life_all_items_weigh_alike(fit: Callable[..., Any], encoder: str) -> None:
    events = [("u", "c", 9), ("u", "a", 1), ("u", "b", 4), ("v", "d", 0)]
    assert _weights(fit("XLProfile", {"inter": events}, encoder=encoder), 0.0).loc["u", ["a", "b", "c"]].tolist() == [
        1,
        1,
        1,
    ]
    untimed = {"load_col": {"inter": ["user_id", "item_id"]}, "eval_args": {"split": {"RS": [1, 0, 0]}, "order": "RO"}}
    fitted = fit("XLProfile", {"inter": events}, encoder=encoder, **untimed)
    assert _weights(fitted, 1.0).loc["u", ["a", "b", "c"]].tolist() == [1, 1, 1]


def test_a_negative_half_life_is_refused(fit: Callable[..., Any], encoder: str) -> None:
    with pytest.raises(ConfigError, match="half_life is a number of interactions, 0 or more; found -1"):
        fit(
            "XLProfile",
            {"inter": [("u", "a", 0), ("v", "b", 0)]},
            encoder=encoder,
            half_life=-1,
            extra_vectors="ignore",
        )


# --- scores ----------------------------------------------------------------------------------------------------------


def test_scores_are_cosines_worked_out_by_hand(fit: Callable[..., Any], encoder: str) -> None:
    events = [("u", "a", 0), ("u", "b", 1), ("v", "c", 0), ("w", "d", 0)]
    scores = fit("XLProfile", {"inter": events}, encoder=encoder, half_life=1.0).scores
    length = np.hypot(0.5, 1.0)  # u = 0.5 a + 1 b
    by_hand = {"a": 0.5 / length, "b": 1 / length, "c": (0.5 * 0.6 + 0.8) / length, "d": -0.5 / length}
    np.testing.assert_allclose(scores.loc["u", list(by_hand)], list(by_hand.values()), rtol=1e-6)
    np.testing.assert_allclose(scores.loc["v", ["a", "b", "c", "d"]], [0.6, 0.8, 1.0, -0.6], rtol=1e-6)


def test_an_item_without_text_scores_zero(fit: Callable[..., Any]) -> None:
    tables = {
        "inter": [("u", "a", 0), ("v", "b", 0), ("v", "c", 0)],
        "text": [("a", "en", "black cat"), ("b", "en", "black lorry"), ("c", "en", "")],
    }
    scores = fit("XLProfile", tables, missing_text="empty", encoder_dimension=2).scores
    assert scores["c"].tolist() == [0.0, 0.0]
    assert (scores["a"] != 0).any()


@pytest.mark.parametrize("whitening", ["mean", "zca"])
def test_the_vector_of_an_item_never_trained_on_changes_no_other_score(
    whitening: str, fit: Callable[..., Any], tmp_path: Path, write_vectors: Callable[..., str]
) -> None:
    rng = np.random.default_rng(0)
    vectors = {item: rng.normal(size=2).tolist() for item in "abcdz"}
    events = [("u", "a", 0), ("u", "b", 1), ("v", "c", 0), ("v", "d", 1)]
    events += [("u", "z", 9), ("v", "z", 9)]  # the last one of each user is for the test
    config = {"eval_args": {"split": {"LS": "test_only"}, "order": "TO", "group_by": "user"}, "whitening": whitening}
    found = []
    for number in range(2):
        encoder = write_vectors(tmp_path / f"vectors{number}.npz", vectors)
        found.append(fit("XLProfile", {"inter": events}, encoder=encoder, **config))
        vectors["z"] = [50.0, -70.0]
    first, second = (fitted.scores for fitted in found)
    pd.testing.assert_frame_equal(second[list("abcd")], first[list("abcd")])
    assert not np.allclose(second["z"], first["z"])
    vectors["a"] = [50.0, -70.0]
    encoder = write_vectors(tmp_path / "vectors2.npz", vectors)
    third = fit("XLProfile", {"inter": events}, encoder=encoder, **config).scores
    assert not np.allclose(third["b"], first["b"])


def test_neither_profiles_nor_vectors_are_written_to_a_checkpoint(fit: Callable[..., Any], encoder: str) -> None:
    events = [("u", "a", 0), ("u", "b", 1), ("v", "c", 0), ("w", "d", 0)]
    assert set(fit("XLProfile", {"inter": events}, encoder=encoder).model.state_dict()) == {"dummy_param"}
