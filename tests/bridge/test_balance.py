"""Language-balanced sampling draws rows, never other ones, in the shares of the definition."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recbole.data import data_preparation
from recbole.data.dataloader import TrainDataLoader, UserDataLoader
from recbole.utils import get_trainer

from recbole_xlrec.bridge.balance import balanced, redraw_rows
from recbole_xlrec.bridge.config import XLConfig
from recbole_xlrec.bridge.experiment import build_dataset, run
from recbole_xlrec.bridge.trainer import xl_trainer
from recbole_xlrec.bridge.whole_users import WholeUsersDataLoader
from recbole_xlrec.errors import ConfigError

COUNTS = {"de": 24, "en": 6, "fr": 2}  # users; each has as many rows
ROWS = 10


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, write_dataset: Callable[..., Path]) -> Path:
    """Users in three languages; items of two, which are no user's."""
    return write_dataset(tmp_path_factory.mktemp("data"), **_tables(lambda user: user[:2]))


def _tables(language: Callable[[str], str]) -> dict[str, Any]:
    users = [f"{name}-{number}" for name, count in COUNTS.items() for number in range(count)]
    rng = np.random.default_rng(0)
    items = {user: rng.permutation(40)[:ROWS] for user in users}
    return {
        "inter": [(user, f"i{item}", time) for user in users for time, item in enumerate(items[user])],
        "user": [(user, language(user)) for user in users],
        "item": [(f"i{item}", "ja" if item < 5 else "ko") for item in range(40)],
        "text": [(f"i{item}", "ja" if item < 5 else "ko", f"t {item}") for item in range(40)],
    }


def _config(data_path: Path, **more: Any) -> dict[str, Any]:
    return {
        "data_path": str(data_path),
        "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
        "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user", "mode": "full"},
        "show_progress": False,
        "state": "ERROR",
        "topk": [5],
        "valid_metric": "NDCG@5",
        **more,
    }


def _loader(data_path: Path, model: str = "BPR", **more: Any) -> tuple[Any, XLConfig]:
    settings = XLConfig(model, "tiny", None, _config(data_path, **more))
    return data_preparation(settings, build_dataset(settings))[0], settings


def _listed(loader: Any) -> list[int]:
    return list(loader.__dict__["dataset"])


def _languages(loader: Any, rows: list[int]) -> Counter[str]:
    """Of the users of rows, by the file."""
    users = loader._dataset.inter_feat["user_id"][rows].numpy()
    return Counter(user[:2] for user in loader._dataset.id2token("user_id", users))


# --- shares ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.7])
def test_shares_are_those_of_the_definition_and_rows_of_a_language_are_alike(alpha: float) -> None:
    codes = np.repeat([1, 2, 5], [900, 90, 10])
    drawn = balanced(codes, alpha, 200_000, np.random.default_rng(0))
    powers = np.array([0.9, 0.09, 0.01]) ** alpha
    shares = np.bincount(codes[drawn], minlength=6)[[1, 2, 5]] / len(drawn)
    np.testing.assert_allclose(shares, powers / powers.sum(), atol=0.005)
    times = np.bincount(drawn, minlength=1000)
    for code in (1, 2, 5):
        mean = times[codes == code].mean()
        assert abs(times[codes == code] - mean).max() < 6 * mean**0.5


@given(st.lists(st.integers(0, 3), min_size=1, max_size=20), st.floats(0, 1), st.integers(0, 30))
def test_what_is_drawn_is_there(codes: list[int], alpha: float, count: int) -> None:
    drawn = balanced(np.array(codes, dtype=np.int64), alpha, count, np.random.default_rng(0))
    assert len(drawn) == count
    assert set(drawn.tolist()) <= set(range(len(codes)))


# --- loaders ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["BPR", "SASRec", "XLSASRec"])
def test_an_epoch_has_as_many_rows_and_languages_alike_at_0(model: str, data: Path) -> None:
    more = {"train_neg_sample_args": None} if model == "SASRec" else {}
    loader, settings = _loader(data, model, language_alpha=0, **more)
    before = _listed(loader)
    assert before == list(range(len(loader._dataset)))
    total = Counter[str]()
    for epoch in range(60):
        redraw_rows(loader, settings, epoch)
        assert len(_listed(loader)) == len(before)
        total += _languages(loader, _listed(loader))
    shares = {name: count / total.total() for name, count in total.items()}
    assert shares == pytest.approx(dict.fromkeys(COUNTS, 1 / 3), abs=0.04)


def test_batches_are_made_of_the_rows_drawn(data: Path) -> None:
    loader, settings = _loader(data, language_alpha=0, train_batch_size=32)
    redraw_rows(loader, settings, 0)
    drawn = Counter(loader._dataset.inter_feat["user_id"][_listed(loader)].tolist())
    assert Counter(user for batch in loader for user in batch["user_id"].tolist()) == drawn


def test_the_draw_depends_on_seed_and_epoch_alone(data: Path) -> None:
    def drawn(epochs: list[int], seed: int = 1) -> list[int]:
        loader, settings = _loader(data, language_alpha=0.5, seed=seed)
        for epoch in epochs:
            redraw_rows(loader, settings, epoch)
        return _listed(loader)

    assert drawn([0, 1, 2]) == drawn([2])
    assert drawn([2]) != drawn([1])
    assert drawn([2]) != drawn([2], seed=2)


def test_nothing_happens_at_1(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loader, settings = _loader(data, language_alpha=1)
    monkeypatch.setattr("recbole_xlrec.bridge.balance.np", SimpleNamespace())  # not even a look at the rows
    redraw_rows(loader, settings, 0)
    assert _listed(loader) == list(range(len(loader._dataset)))


@pytest.mark.parametrize(("model", "kind"), [("MultiVAE", UserDataLoader), ("XLAlphaRec", WholeUsersDataLoader)])
def test_a_model_that_trains_on_users_draws_those_that_training_sees(data: Path, model: str, kind: type) -> None:
    zero_shot = {"protocol": "zero_shot", "protocol_language": "fr"}
    loader, settings = _loader(data, model, language_alpha=0.0, **zero_shot)
    assert isinstance(loader, kind)
    total = Counter[str]()
    for epoch in range(40):
        redraw_rows(loader, settings, epoch)
        users = [int(user) for batch in loader for user in batch["user_id"]]
        total += Counter(user[:2] for user in loader._dataset.id2token("user_id", users))
    assert set(total) == {"de", "en"}
    assert total["en"] / total.total() == pytest.approx(0.5, abs=0.05)


def test_where_users_are_of_one_language_the_items_count(tmp_path: Path, write_dataset: Callable[..., Path]) -> None:
    data_path = write_dataset(tmp_path, **_tables(lambda user: "de"))
    loader, settings = _loader(data_path, language_alpha=0)
    total = Counter[bool]()
    for epoch in range(40):
        redraw_rows(loader, settings, epoch)
        items = loader._dataset.inter_feat["item_id"][_listed(loader)].numpy()
        total += Counter(int(item[1:]) < 5 for item in loader._dataset.id2token("item_id", items))
    assert total[True] / total.total() == pytest.approx(0.5, abs=0.04)
    with pytest.raises(ConfigError, match="this model trains on users, and all are of one language"):
        redraw_rows(*_loader(data_path, "MultiVAE", language_alpha=0), 0)


def test_rows_of_one_language_stay_as_they_are(data: Path) -> None:
    loader, settings = _loader(data, language_alpha=0, protocol="single", protocol_language="de")
    redraw_rows(loader, settings, 0)
    assert _listed(loader) == list(range(len(loader._dataset)))


# --- training --------------------------------------------------------------------------------------------------------


def test_every_epoch_of_a_trainer_is_redrawn(data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[list[int]] = []
    stock = TrainDataLoader.collate_fn

    def noted(self: Any, index: Any) -> Any:
        seen[-1] += [int(row) for row in index]
        return stock(self, index)

    monkeypatch.setattr(TrainDataLoader, "collate_fn", noted)
    base = xl_trainer(get_trainer(None, "BPR"))
    epoch_of = base._train_epoch

    def begun(self: Any, train_data: Any, epoch_idx: int, *args: Any, **kwargs: Any) -> Any:
        seen.append([])
        return epoch_of(self, train_data, epoch_idx, *args, **kwargs)

    monkeypatch.setattr(base, "_train_epoch", begun)
    for alpha in (1, 0.2):
        seen.clear()
        config = _config(data, epochs=2, language_alpha=alpha, run_path=str(tmp_path))
        run("BPR", "tiny", None, config)
        whole = list(range(len(seen[0])))
        assert len(seen) == 2
        assert [sorted(rows) == whole for rows in seen] == [alpha == 1] * 2
        assert alpha == 1 or sorted(seen[0]) != sorted(seen[1])


def test_a_model_without_gradients_does_not_read_it_and_is_told_so(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = []
    for alpha in (1.0, 0.2):
        with caplog.at_level(logging.WARNING):
            caplog.clear()
            config = _config(data, language_alpha=alpha, run_path=str(tmp_path))
            found.append(run("Pop", "tiny", None, config).metrics["test"])
        assert ("Pop is not trained by gradients and does not read language_alpha" in caplog.text) == (alpha < 1)
    assert found[0] == found[1]


@pytest.mark.parametrize("alpha", [-0.1, 1.1, "low", None, True, float("nan")])
def test_an_alpha_outside_0_and_1_is_refused(alpha: Any, data: Path) -> None:
    with pytest.raises(ConfigError, match=r"language_alpha is a number from 0 .* to 1 .*found"):
        XLConfig("BPR", "tiny", None, _config(data, language_alpha=alpha))


def test_languages_are_needed(tmp_path: Path, write_dataset: Callable[..., Path]) -> None:
    tables = _tables(lambda user: "de")
    without = write_dataset(tmp_path / "none", inter=tables["inter"])
    with pytest.raises(ConfigError, match=r"language_alpha below 1 needs a language column in tiny\.user"):
        redraw_rows(*_loader(without, language_alpha=0.5), 0)
    one = write_dataset(tmp_path / "one", inter=tables["inter"], user=tables["user"])
    with pytest.raises(ConfigError, match="needs more than one language, and all users are of one"):
        redraw_rows(*_loader(one, language_alpha=0.5), 0)
