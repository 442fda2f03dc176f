from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_xlrec.data.atomic import read_atomic, write_atomic
from recbole_xlrec.errors import ConfigError, DataError
from recbole_xlrec.model.regression import weights_of, zero_diagonal_regression
from recbole_xlrec.model.xlease import check_memory

Tables = dict[str, list[tuple[Any, ...]]]
PLAIN = {"lexical_weight": 0.0, "semantic_weight": 0.0, "transfer_weight": 0.0}

# --- the regression --------------------------------------------------------------------------------------------------


def _naive(gram: np.ndarray, penalty: float) -> np.ndarray:
    inverse = np.linalg.inv(gram.astype(np.float64) + penalty * np.eye(len(gram)))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return weights


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 30), st.integers(0, 2**31), st.sampled_from([0.5, 10.0, 300.0]))
def test_weights_equal_the_naive_inverse_formula_and_have_a_zero_diagonal(
    items: int, seed: int, penalty: float
) -> None:
    rows = np.random.default_rng(seed).integers(0, 3, size=(40, items)).astype(np.float64)
    gram = rows.T @ rows
    found = zero_diagonal_regression(gram.copy(), penalty)
    np.testing.assert_allclose(found, _naive(gram, penalty), rtol=1e-9, atol=1e-12)
    assert not np.diag(found).any()


def test_weights_are_the_same_across_block_borders() -> None:
    triangle = np.triu(np.random.default_rng(0).normal(size=(2100, 2100))) + 3 * np.eye(2100)
    whole = np.triu(triangle) + np.triu(triangle, 1).T
    expected = whole / -np.diag(whole)
    np.fill_diagonal(expected, 0)
    np.testing.assert_array_equal(weights_of(triangle.copy()), expected)


@pytest.mark.parametrize("gram", [-np.eye(3), np.array([[1.0, 4.0], [4.0, 1.0]])])
def test_a_matrix_that_is_not_positive_definite_is_a_config_error(gram: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="raise reg_weight, or set precision: float64"):
        zero_diagonal_regression(gram, 0.1)


def test_a_fit_beyond_the_memory_allowed_is_refused_and_names_the_gb() -> None:
    check_memory(20_000, np.float32, 4.0)
    with pytest.raises(ConfigError, match=r"needs about 4\.8 GB for 20000 items in float64, and max_memory_gb is 4"):
        check_memory(20_000, np.float64, 4.0)


# --- on data ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def two_languages() -> Tables:
    """English users meet cats with cats; the one German history holds a single cat."""
    nouns = {"cat": "Katze", "lorry": "Laster"}
    adjectives = {"black": "schwarze", "orange": "orange", "beige": "beige"}
    english = [f"{adjective} {noun}" for noun in nouns for adjective in adjectives]
    german = [f"{adjective} {noun}" for noun in nouns.values() for adjective in adjectives.values()]
    events = [(f"e{user}", f"en:{item}", item) for user in range(8) for item in range(6) if item // 3 == user % 2]
    return {
        "inter": [*events, ("d0", "de:0", 0), ("d1", "de:3", 0), *[(f"d{i}", f"de:{i}", 0) for i in (1, 2, 4, 5)]],
        "user": [*[(f"e{user}", "en") for user in range(8)], *[(f"d{user}", "de") for user in range(6)]],
        "item": [(f"{tag}:{item}", tag) for tag in ("en", "de") for item in range(6)],
        "text": [
            (f"{tag}:{i}", tag, title)
            for tag, titles in (("en", english), ("de", german))
            for i, title in enumerate(titles)
        ],
    }


def test_without_text_it_is_recboles_ease(fit: Callable[..., Any], ml100k: Path) -> None:
    config = {"load_col": {"inter": ["user_id", "item_id"]}, "eval_args": {"split": {"RS": [8, 1, 1]}, "order": "RO"}}
    both = [
        fit(name, data_path=ml100k, dataset="ml-100k", **config, reg_weight=250.0, **more)
        for name, more in (("EASE", {}), ("XLEASE", {**PLAIN, "precision": "float64"}))
    ]
    stock, ours = (fitted.scores.to_numpy() for fitted in both)
    assert stock.shape == (943, 1682)
    np.testing.assert_allclose(ours, stock, atol=1e-4 * np.abs(stock).max(), rtol=0)


def test_no_text_is_read_where_text_has_no_weight(fit: Callable[..., Any], two_languages: Tables) -> None:
    del two_languages["text"]
    assert np.isfinite(fit("XLEASE", two_languages, **PLAIN).scores.to_numpy()).all()


def test_an_item_counts_once_however_often_it_was_met(fit: Callable[..., Any], two_languages: Tables) -> None:
    once = fit("XLEASE", two_languages).scores
    two_languages["inter"] += [("e0", "en:1", 7), ("e0", "en:1", 8)]
    pd.testing.assert_frame_equal(fit("XLEASE", two_languages).scores, once, rtol=1e-5)


def test_float64_and_float32_agree(fit: Callable[..., Any], two_languages: Tables) -> None:
    single, double = (fit("XLEASE", two_languages, precision=f"float{bits}") for bits in (32, 64))
    assert single.model.weights.dtype != double.model.weights.dtype
    np.testing.assert_allclose(single.scores, double.scores, rtol=1e-3, atol=1e-5)


def test_an_unknown_precision_and_too_little_memory_are_refused(fit: Callable[..., Any], two_languages: Tables) -> None:
    with pytest.raises(ConfigError, match="precision is float32 or float64, found 'half'"):
        fit("XLEASE", two_languages, precision="half")
    with pytest.raises(ConfigError, match=r"GB for 12 items"):
        fit("XLEASE", two_languages, max_memory_gb=1e-9)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"unseen_popularity": 1.5}, "unseen_popularity: from 0 to 1, or ~, found 1.5"),
        ({"unseen_popularity": 0.5, "cold_penalty": 0.0}, "set cold_penalty, and lexical_weight"),
        ({"unseen_popularity": 0.5, **PLAIN}, "set cold_penalty, and lexical_weight"),
    ],
)
def test_a_level_that_cannot_be_measured_is_refused(
    config: dict[str, Any], message: str, fit: Callable[..., Any], two_languages: Tables
) -> None:
    with pytest.raises(ConfigError, match=message):
        fit("XLEASE", two_languages, **config)


def test_a_negative_penalty_ends_in_a_config_error(fit: Callable[..., Any], two_languages: Tables) -> None:
    with pytest.raises(ConfigError, match="raise reg_weight"):
        fit("XLEASE", two_languages, reg_weight=-50.0)


# --- text ------------------------------------------------------------------------------------------------------------


def _withhold(fitted: Any, item: str) -> Any:
    """A training part that has never met an item."""
    part = fitted.train
    events = part.inter_feat
    kept = events["item_id"].numpy() != part.token2id("item_id", item)
    return part.copy(events[kept])


def test_an_item_that_nobody_has_met_is_scored_by_its_text(fit: Callable[..., Any], two_languages: Tables) -> None:
    fitted = fit("XLEASE", two_languages, transfer_weight=0.0)
    fitted.model = type(fitted.model)(fitted.settings, _withhold(fitted, "en:2"))
    scores = fitted.scores["en:2"]
    assert np.isfinite(fitted.scores.to_numpy()).all()
    cats, lorries = scores[["e0", "e2"]], scores[["e1", "e3"]]
    assert (cats != 0).all()
    assert cats.min() > lorries.max()  # en:2 is a beige cat
    blind = fit("XLEASE", two_languages, **PLAIN)
    blind.model = type(blind.model)(blind.settings, _withhold(blind, "en:2"))
    assert not blind.scores["en:2"].any()


def test_vectors_alone_score_an_item_that_nobody_has_met(fit: Callable[..., Any], two_languages: Tables) -> None:
    config = {**PLAIN, "semantic_weight": 10.0, "encoder": "ngram", "encoder_dimension": 8}
    fitted = fit("XLEASE", two_languages, **config)
    fitted.model = type(fitted.model)(fitted.settings, _withhold(fitted, "en:2"))
    scores = fitted.scores["en:2"]
    assert (scores[["e0", "e2"]] != 0).all()
    assert scores[["e0", "e2"]].min() > scores[["e1", "e3"]].max()
    assert list((fitted.dataset.folder / ".vectors").iterdir())


def test_the_semantic_block_adds_to_the_lexical_one(fit: Callable[..., Any], two_languages: Tables) -> None:
    lexical = fit("XLEASE", two_languages)
    both = fit("XLEASE", two_languages, semantic_weight=5.0)
    assert not np.allclose(lexical.scores, both.scores, atol=1e-4)
    assert np.isfinite(both.scores.to_numpy()).all()


def test_the_gram_matrix_is_that_of_the_stacked_rows(
    fit: Callable[..., Any], two_languages: Tables, write_vectors: Callable[..., str], tmp_path: Path
) -> None:
    """With vectors as text rows, the whole fit is one ridge regression that can be written down."""
    rng = np.random.default_rng(0)
    ids = [row[0] for row in two_languages["item"]]
    vectors = {item: rng.normal(size=3).tolist() for item in ids}
    encoder = write_vectors(tmp_path / "vectors.npz", vectors)
    config = {**PLAIN, "semantic_weight": 7.0, "precision": "float64", "reg_weight": 2.0, "encoder": encoder}
    fitted = fit("XLEASE", two_languages, **config)
    order = fitted.dataset.item_ids[1:]
    history = pd.DataFrame(two_languages["inter"]).pivot_table(index=0, columns=1, aggfunc="size", fill_value=0)
    matrix = history.reindex(columns=order).to_numpy()
    rows = np.array([vectors[item] for item in order])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    expected = matrix @ _naive(matrix.T @ matrix + 7.0 * rows @ rows.T, 2.0)
    found = fitted.scores.loc[history.index].to_numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_item_features_are_rows_too(fit: Callable[..., Any], tmp_path: Path, two_languages: Tables) -> None:
    fitted = fit("XLEASE", two_languages, transfer_weight=0.0)
    path = fitted.dataset.folder / "tiny.item"
    items = read_atomic(path)
    write_atomic(path, items.assign(category=["animals" if int(item[3:]) < 3 else "cars" for item in items["item_id"]]))
    config = {"transfer_weight": 0.0, "data_path": fitted.dataset.folder.parent}
    with_kind = fit("XLEASE", **config, feature_fields=["category"], feature_weight=5.0)
    for found in (fitted, with_kind):
        found.model = type(found.model)(found.settings, _withhold(found, "en:2"))
    margins = [f.scores.loc["e0", "en:2"] - f.scores.loc["e1", "en:2"] for f in (fitted, with_kind)]
    assert margins[1] > margins[0]
    with pytest.raises(DataError, match=r"no column 'categry'.*Did you mean 'category'"):
        fit("XLEASE", **config, feature_fields=["categry"])


# --- transfer --------------------------------------------------------------------------------------------------------


def test_co_consumption_of_one_language_ranks_items_of_another_by_their_counterparts(
    fit: Callable[..., Any], write_vectors: Callable[..., str], tmp_path: Path
) -> None:
    """en:0 and en:1 are met together, de:0 never with another; by text de:0 is more like de:2 than like de:1."""
    angle = {"0": 0, "1": 90, "2": 40}  # a German edition lies 5 degrees beside the English one
    vectors = {
        f"{tag}:{work}": [float(np.cos(np.deg2rad(degrees + shift))), float(np.sin(np.deg2rad(degrees + shift)))]
        for work, degrees in angle.items()
        for tag, shift in (("en", 0), ("de", 5))
    }
    tables: Tables = {
        "inter": [(f"e{user}", item, 0) for user in range(6) for item in (("en:0", "en:1") if user % 2 else ("en:2",))],
        "user": [*[(f"e{user}", "en") for user in range(6)], *[(f"d{user}", "de") for user in range(3)]],
        "item": [(item, item[:2]) for item in vectors],
    }
    tables["inter"] += [(f"d{work}", f"de:{work}", 0) for work in range(3)]
    encoder = write_vectors(tmp_path / "vectors.npz", vectors)
    config = {**PLAIN, "semantic_weight": 1.0, "encoder": encoder, "reg_weight": 2.0, "transfer_similarity": 0.9}
    german = ["de:1", "de:2"]
    assert fit("XLEASE", tables, **config).top("d0", german) == "de:2"
    assert fit("XLEASE", tables, **{**config, "transfer_weight": 1.0}).top("d0", german) == "de:1"


def test_without_counterparts_transfer_changes_nothing(fit: Callable[..., Any], two_languages: Tables) -> None:
    without, none_alike = (
        fit("XLEASE", two_languages, transfer_weight=weight, transfer_similarity=0.999999) for weight in (0.0, 5.0)
    )
    pd.testing.assert_frame_equal(none_alike.scores, without.scores)


def test_transfer_needs_languages_of_the_items_and_is_left_out_without(
    fit: Callable[..., Any], two_languages: Tables
) -> None:
    del two_languages["item"]
    given, left_out = (fit("XLEASE", two_languages, transfer_weight=weight).scores for weight in (5.0, 0.0))
    pd.testing.assert_frame_equal(given, left_out)


# --- protocol: single ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", [{}, {"semantic_weight": 5.0}, {"feature_fields": ["kind"]}])
@pytest.mark.parametrize("model", ["XLEASE", "XLProfile"])
def test_a_single_language_sees_neither_interactions_nor_texts_of_another(
    model: str, config: dict[str, Any], fit: Callable[..., Any], two_languages: Tables
) -> None:
    if model == "XLProfile":
        config = {"encoder_dimension": 4}
    english = [row[0] for row in two_languages["item"] if row[1] == "en"]
    users = [row[0] for row in two_languages["user"] if row[1] == "en"]
    single = {**config, "protocol": "single", "protocol_language": "en"}
    first = fit(model, data_path=_with_kinds(fit, two_languages), **single).scores
    two_languages["inter"] = [row for row in two_languages["inter"] if row[0][0] == "e"]
    two_languages["inter"] += [(f"d{user}", f"de:{user + 1}", 3) for user in range(5)]
    texts = {row[0]: row for row in two_languages["text"]}
    texts.update({f"de:{item}": (f"de:{item}", "de", f"black lorry cat {item}") for item in range(1, 6)})
    del texts["de:3"]  # not even a text that is missing there matters
    two_languages["text"] = list(texts.values())
    second = fit(model, data_path=_with_kinds(fit, two_languages), **single).scores
    pd.testing.assert_frame_equal(second.loc[users, english], first.loc[users, english], rtol=1e-4, atol=1e-6)
    assert not first.loc[users].drop(columns=english).to_numpy().any()
    if model == "XLEASE":
        joint = fit(model, data_path=_with_kinds(fit, two_languages), **config, missing_text="empty").scores
        assert not np.allclose(joint.loc[users, english], first.loc[users, english], rtol=1e-4)


def _with_kinds(fit: Callable[..., Any], tables: Tables) -> Path:
    """Writes the tables, with a feature whose values in one language differ with the catalogue."""
    folder = fit("Pop", tables).dataset.folder
    items = read_atomic(folder / "tiny.item")
    kinds = [item[3:] if item[:2] == "en" else str(len(tables["text"])) for item in items["item_id"]]
    write_atomic(folder / "tiny.item", items.assign(kind=kinds), {"kind": "token"})
    return folder.parent


def test_a_language_that_is_not_there_is_refused(fit: Callable[..., Any], two_languages: Tables) -> None:
    with pytest.raises(DataError, match="no user or item is in language 'fr'; there are de, en"):
        fit("XLEASE", two_languages, protocol="single", protocol_language="fr")


def test_memory_stays_within_two_matrices_and_a_half() -> None:
    gram = np.eye(1500, dtype=np.float32)
    tracemalloc.start()
    zero_diagonal_regression(gram, 1.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= 1.5 * gram.nbytes  # beside the Gram matrix itself


def test_histories_are_kept_sparse(fit: Callable[..., Any], two_languages: Tables) -> None:
    assert sp.issparse(fit("XLEASE", two_languages).model.histories)
