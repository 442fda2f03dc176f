"""Whitening by language, and that no whitening of a dataset sees an item that is kept out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from recbole_xlrec.bridge.config import XLConfig
from recbole_xlrec.bridge.experiment import build_dataset
from recbole_xlrec.errors import ConfigError
from recbole_xlrec.text.language_whitening import fit_by_language
from recbole_xlrec.text.whitening import KINDS, fit_whitening

ITEMS = [f"{tag}{number}" for tag in ("de", "en") for number in range(60)] + ["fr0", "fr1", "fr2"]


@pytest.fixture
def data(tmp_path: Path, write_dataset: Callable[..., Path]) -> Path:
    random = np.random.default_rng(0)
    events = [
        (f"u{user}", item, place) for user in range(40) for place, item in enumerate(random.permutation(ITEMS)[:20])
    ]
    users = [(f"u{user}", ("de", "en")[user % 2]) for user in range(40)]
    return write_dataset(tmp_path, inter=events, user=users, item=[(item, item[:2]) for item in ITEMS])


def parts(data: Path, vectors: NDArray[Any], **config: Any) -> Any:
    path = data / f"{config.pop('name', 'vectors')}.npz"
    np.savez(path, ids=np.array(ITEMS), vectors=vectors)
    settings = {
        "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
        "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user", "mode": "full"},
        "show_progress": False,
        "state": "ERROR",
        "data_path": str(data),
        "encoder": f"file:{path}",
    }
    dataset = build_dataset(XLConfig("Pop", "tiny", (), {**settings, **config}))
    return dataset.build()


def random_vectors() -> NDArray[np.float32]:
    random = np.random.default_rng(1)
    shift = [{"de": 4, "en": -4, "fr": 0}[item[:2]] for item in ITEMS]
    return (random.normal(size=(len(ITEMS), 4)) + np.array(shift)[:, None]).astype(np.float32)


@pytest.mark.parametrize("by", ["all", "language"])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "none"])
def test_a_whitening_never_sees_a_held_out_item(kind: str, by: str, data: Path) -> None:
    vectors = random_vectors()
    keys = {"protocol": "cold_item", "cold_share": 0.1, "whitening": kind, "whitening_by": by}
    train = parts(data, vectors, **keys)[0]
    cold = np.setdiff1d(np.arange(1, train.item_num), train.training_items)
    assert len(cold) >= 10
    changed = vectors.copy()
    changed[[ITEMS.index(item) for item in train.item_ids[cold]]] *= 1000
    other = parts(data, changed, name="changed", **keys)[0]
    np.testing.assert_array_equal(other.training_items, train.training_items)
    warm = train.training_items
    np.testing.assert_array_equal(train.text_rows().rows(warm), other.text_rows().rows(warm))
    moved = train.text_rows().rows(cold) != other.text_rows().rows(cold)
    assert moved.any(axis=1).all()  # they are whitened too, by what others taught


def test_by_language_each_language_has_its_mean_at_zero_and_a_small_one_takes_that_of_all(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "recbole_xlrec"):
        dataset = parts(data, random_vectors(), whitening="mean", whitening_by="language")[0]
        rows, codes = dataset.text_rows().all(), dataset.languages.items
    assert "'fr' have fewer than 50" in caplog.text
    names, raw = dataset.languages.names, random_vectors()
    seen = np.zeros(dataset.item_num, dtype=bool)
    seen[dataset.training_items] = True
    for tag in ("de", "en"):
        np.testing.assert_allclose(rows[seen & (codes == names.index(tag))].mean(axis=0), 0, atol=1e-5)
    average = raw[[ITEMS.index(item) for item in dataset.item_ids[seen]]].mean(axis=0)
    french = next(place for place, item in enumerate(dataset.item_ids) if item == "fr1")
    np.testing.assert_allclose(rows[french], raw[ITEMS.index("fr1")] - average, atol=1e-5)
    assert not rows[0].any()


def test_each_language_has_the_whitening_of_its_own_rows() -> None:
    vectors, codes = random_vectors(), np.array([1] * 60 + [2] * 60 + [3] * 3)
    fitted = fit_by_language(
        np.arange(len(ITEMS)), codes, lambda items: fit_whitening(vectors[items], "zca"), ["", "de", "en", "fr"]
    )
    chosen = np.array([70, 3])
    expected = [
        fit_whitening(vectors[60:120], "zca").apply(vectors[[70]]),
        fit_whitening(vectors[:60]).apply(vectors[[3]]),
    ]
    np.testing.assert_allclose(fitted.apply(vectors[chosen], chosen), np.vstack(expected))


def test_pca_narrows_what_a_model_gets(data: Path) -> None:
    rows = parts(data, random_vectors(), whitening="pca", whitening_dimension=2)[0].text_rows()
    assert (rows.width, rows.all().shape[1]) == (2, 2)


def test_unknown_ways_are_refused(data: Path) -> None:
    with pytest.raises(ConfigError, match="whitening_by is one of all, language; found 'market'"):
        parts(data, random_vectors(), whitening_by="market")[0].text_rows()
